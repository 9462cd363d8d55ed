"""The primitives, one file a family, each op whole in one place."""
