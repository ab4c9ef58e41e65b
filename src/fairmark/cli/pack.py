"""`fairmark pack RELEASE`: one file to hand on, the same bytes every time."""

import argparse
from pathlib import Path

from fairmark.terminal import say

HELP = "pack a release into one file, the same bytes every time"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("release", type=Path, metavar="RELEASE", help="a release folder")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: RELEASE.tar.gz here")


def run(given: argparse.Namespace) -> int:
    """Pack the folder, say the file's SHA-256, and return 0."""
    from fairmark.files import sha256
    from fairmark.release.pack import pack

    target = given.output or Path(f"{given.release.resolve().name}.tar.gz")
    count = pack(given.release, target)
    say(f"packed {count} files: {target}, SHA-256 {sha256(target)}")
    return 0
