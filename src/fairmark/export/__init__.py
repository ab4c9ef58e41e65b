"""Papers of a release for committees: Word, PDF, and a model card for Hugging Face."""
