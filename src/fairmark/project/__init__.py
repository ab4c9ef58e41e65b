"""What a person sets up before the first run: params for a table of their own, and the machine it runs on."""
