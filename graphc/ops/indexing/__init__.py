"""Elements at positions: slices, gathers and scatters."""
