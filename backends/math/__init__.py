"""Polynomial kernels of the transcendental functions, for every target."""
