"""The working copy: git, DVC, processes, locks, and files that others wrote."""
