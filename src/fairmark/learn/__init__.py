"""Fitting and searching: training data, mitigation, trials, thresholds."""
