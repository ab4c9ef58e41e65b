"""A release in one file, written and read."""
