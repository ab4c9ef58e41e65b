"""How a verb tells a script what it found."""

RELEASE = "a release folder, an archive of one (.tar.gz, .tar, .zip), or a tag NAME@vX.Y.Z of the clone"


def print_json(value: object) -> None:
    """Print `value` as JSON with sorted keys."""
    import json  # here, because a verb that writes none should not pay for it

    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))


def shown(text: str) -> str:
    """Return what a stranger may have written as a terminal can show it: no control characters."""
    return "".join(char if char.isprintable() else " " for char in text)
