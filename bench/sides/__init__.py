"""What the scripts of bench/ share: the same rows for both sides, and the call of a peer."""
