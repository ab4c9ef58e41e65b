"""The pages and cards that a person reads."""
