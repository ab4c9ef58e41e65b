"""How a verb tells a script what it found."""

import json


def print_json(value: object) -> None:
    """Print `value` as JSON with sorted keys."""
    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))
