"""Products summed over axes, and linear algebra."""
