"""Hostile texts: what one program reads as a comment and another as a line."""

from pathlib import Path

from fixed_keys import ADA, approver
from hostile_acts import hostile

from fairmark.errors import InputError
from fairmark.governance.approvers import read_approvers
from fairmark.release.sbom.requirements import here, locked

LINES = "a line that only some readers see"
BREAKS = {
    "a carriage return": "\r",
    "a vertical tab": "\x0b",
    "a form feed": "\x0c",
    "a file separator": "\x1c",
    "a group separator": "\x1d",
    "a record separator": "\x1e",
    "a next line": "\x85",
    "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
}


def _approver_after(mark: str) -> object:
    return read_approvers(f"# nobody yet{mark}{approver('eve@example.org', ADA)}\n")


def _requirement_after(mark: str) -> object:
    return locked(f"# pinned below{mark}evil==1.0\n", here())


def _add(name: str, mark: str) -> None:
    @hostile(LINES, f"an approver in a comment, after {name}", ends=InputError, match="one way")
    def in_approvers(_: Path) -> object:
        return _approver_after(mark)

    @hostile(LINES, f"a requirement in a comment, after {name}", ends=InputError, match="one way")
    def in_lock(_: Path) -> object:
        return _requirement_after(mark)


for _name, _mark in BREAKS.items():
    _add(_name, _mark)
