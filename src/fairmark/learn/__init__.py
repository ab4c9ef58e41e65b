"""Candidates, mitigation, search, and the model file format."""
