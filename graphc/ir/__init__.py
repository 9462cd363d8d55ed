"""What a graph is: values, types, dimensions, dtypes and the record of an op."""
