"""What scores, and nothing that fits."""
