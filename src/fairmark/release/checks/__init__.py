"""Is a release what it says: one module for each family of claims."""
