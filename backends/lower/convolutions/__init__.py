"""Convolutions with packed kernels, and Winograd's."""
