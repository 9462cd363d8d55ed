"""Loops over elements and reductions: bodies of kernels that are no products."""
