"""Make a release again, and hold one beside another."""
