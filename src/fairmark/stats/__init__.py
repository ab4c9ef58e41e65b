"""Confusion matrices, rates, disparities, AUC, intervals and tests: NumPy and SciPy alone."""
