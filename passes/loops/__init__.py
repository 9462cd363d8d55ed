"""Scans: merged, run by blocks of steps or strips of rows; what their steps and branches read."""
