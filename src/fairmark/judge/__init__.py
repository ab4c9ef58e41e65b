"""Policy and measurements to a verdict, purely."""
