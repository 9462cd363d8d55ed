"""The loop IR: every loop, load, store, vector and barrier explicit."""
