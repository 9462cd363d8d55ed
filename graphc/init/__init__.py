"""Initialisers: how a parameter's first value is drawn."""
