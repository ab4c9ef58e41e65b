"""Prefect flows: when things are made, and whether they may go out."""
