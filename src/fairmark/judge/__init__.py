"""Metrics, intervals, fairness, and the verdict."""
