"""Watching a release that decides: counts of the journal, evidence of change, alarms, a page."""
