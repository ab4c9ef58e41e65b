"""The audit trail of runs."""
