"""What a release folder is, and how it is made."""
