"""`fairmark VERB`: each verb thin, over the rooms below."""
