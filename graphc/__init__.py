"""A symbolic computational-graph compiler: define a graph of typed arrays, then run it."""
