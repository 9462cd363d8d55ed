"""Convolutions, pooling and windows."""
