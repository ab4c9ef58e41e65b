"""The sections of params.yaml, one module for those that belong together."""
