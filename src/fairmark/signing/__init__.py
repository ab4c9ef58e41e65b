"""Keys, DSSE envelopes, the model's signature, and signatures of git tags."""
