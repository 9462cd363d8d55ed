"""Artefacts that run where no Python is, and their loaders."""
