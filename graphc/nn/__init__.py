"""Layers and losses: compositions of ops."""
