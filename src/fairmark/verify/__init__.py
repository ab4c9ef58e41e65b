"""What a stranger checks of a release; making it again, and comparing."""
