"""Importance, dependence and single decisions."""
