"""Names of groups: which of them say that an attribute is not known."""

import re

MISSING = "missing"
"""The group of rows whose protected attribute is not known."""
AND = " & "
"""What stands between the parts of a crossed group's name."""
_QUOTED = re.compile(r'(^| & )"(?:[^"]|"")*"')


def is_unknown(group: str) -> bool:
    """Return whether a group's name says that its attribute, or a part of it, is not known."""
    return MISSING in _QUOTED.sub(r'\1""', group).split(AND)
