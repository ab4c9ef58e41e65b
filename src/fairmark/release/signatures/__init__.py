"""Keys, signatures and signed tags."""
