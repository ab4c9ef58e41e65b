"""What was answered, on disk before the answer leaves: entries, their chain, the stores that hold them."""
