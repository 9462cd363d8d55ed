"""Declarative rewrites: pattern and replacement, one rule a function."""
