"""Fourier transforms: numbers are pairs (real, imaginary) of arrays."""
