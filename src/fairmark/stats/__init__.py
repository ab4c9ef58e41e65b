"""Confusion matrices, rates, disparities, AUC, intervals and tests: NumPy and SciPy alone.

SciPy is imported by the formulas that call it: most who import this room read documents and compute nothing.
"""
