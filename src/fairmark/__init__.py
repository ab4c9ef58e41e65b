"""fairmark: from a versioned table to a model release that its owner can defend.

`fairmark.api` is the front door, imported when it is first used. Its `judge` and `verify` are not repeated
here, where the rooms of these names stand.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairmark import api

__all__ = ["api"]


def __getattr__(name: str) -> object:
    if name != "api":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module("fairmark.api")
