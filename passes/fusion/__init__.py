"""Which values kernels compute, with which others, and over what they may be written."""
