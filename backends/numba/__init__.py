"""The emitter that spells the loop IR for Numba."""
