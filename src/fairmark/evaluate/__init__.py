"""Experiments on a model: measures, curves, stress, slices, leakage."""
