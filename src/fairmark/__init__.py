"""fairmark: from a versioned table to a model release that its owner can defend."""
