"""Loops and branches as nodes whose bodies are graphs of their own."""
