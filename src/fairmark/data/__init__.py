"""Rows, schema, groups and split."""
