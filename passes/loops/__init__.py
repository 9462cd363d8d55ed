"""Scans: merged, run by blocks of steps or strips of rows, and what their steps read."""
