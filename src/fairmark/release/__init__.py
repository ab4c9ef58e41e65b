"""Trace, statement, bill of materials, registry, verification."""
