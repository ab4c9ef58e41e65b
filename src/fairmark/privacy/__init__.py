"""Erasure, retention, and the scan for rows of persons in a release."""
