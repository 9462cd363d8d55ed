"""Gradients, batches and Jacobians: graphs made of graphs, before they are compiled."""
