"""Graphs and every later stage as text, picture and page."""
