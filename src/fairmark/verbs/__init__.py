"""The verbs of the command line: each asks the library one thing, and says what it found."""
