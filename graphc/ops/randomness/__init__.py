"""Random bits, and what is made of them."""
