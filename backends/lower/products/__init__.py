"""Products: what is multiplied where it lies, what is packed, and the maps over each result."""
