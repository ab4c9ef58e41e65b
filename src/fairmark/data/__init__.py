"""What a row must be: reading, schema, evidence, audit, split."""
