"""What was answered, on disk before the answer leaves: entries, their chain, and the stores that hold them."""
