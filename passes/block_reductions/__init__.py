"""Reductions that wait for others of the same elements, made of blocks of lines."""
