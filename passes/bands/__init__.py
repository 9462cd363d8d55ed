"""Values with rows and columns, computed for a band of rows at a time and never stored."""
