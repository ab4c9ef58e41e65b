"""Values of a table as a reader sees them: by name, and in plain JSON."""

from typing import Any

MISSING = "missing"


def plain(value: Any, kind: str) -> float | bool | str | None:
    """Return one cell as JSON: a number, a truth value, a text (days as ISO 8601), or null when missing."""
    import pandas as pd

    if pd.isna(value):
        return None
    match kind:
        case "numeric":
            return float(value)
        case "boolean":
            return bool(value)
        case "date":
            moment = pd.Timestamp(value)
            return moment.date().isoformat() if moment == moment.normalize() else moment.isoformat()
    return str(value)


def spoken(value: float | bool | str | None) -> str:
    """Return a plain value in words: six significant digits, `yes` or `no`, or the name itself."""
    match value:
        case None:
            return MISSING
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(int(value)) if value == int(value) else f"{value:.6g}"
    return value
