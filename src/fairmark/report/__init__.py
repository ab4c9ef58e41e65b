"""Pages and cards that a person reads."""
