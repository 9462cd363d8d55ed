"""The order in which values, kernels and constant matrices lie in memory."""
