"""Optimisers: a loss and its parameters in, updates out."""
