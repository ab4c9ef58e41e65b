"""Make the wheel of antlr4-python3-runtime from its source archive, without running anything of it.

    python wheels/make.py ARCHIVE FOLDER

The same bytes every time: files sorted, stored without compression, times and modes fixed.
"""

import base64
import hashlib
import sys
import tarfile
import zipfile
from pathlib import Path

NAME, VERSION = "antlr4_python3_runtime", "4.9.3"
ARCHIVE = "f224469b4168294902bb1efa80a8bf7855f24c99aef99cbefc1bcd3cce77881b"
"""SHA-256 of antlr4-python3-runtime-4.9.3.tar.gz, as the index names it."""

SOURCE = f"antlr4-python3-runtime-{VERSION}/src/"
METADATA = f"""\
Metadata-Version: 2.4
Name: antlr4-python3-runtime
Version: {VERSION}
Summary: ANTLR {VERSION} runtime for Python 3.7
Home-page: http://www.antlr.org
Author: Eric Vergnaud, Terence Parr, Sam Harwell
License-Expression: BSD-3-Clause
License-File: LICENSE.txt
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: fairmark (wheels/make.py)\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def contents(archive: Path) -> dict[str, bytes]:
    """Return what the wheel holds beside its RECORD, by name."""
    if hashlib.sha256(archive.read_bytes()).hexdigest() != ARCHIVE:
        raise SystemExit(f"{archive}: must have the SHA-256 {ARCHIVE}, got another file")
    found = {}
    with tarfile.open(archive) as opened:
        for each in opened.getmembers():
            name = each.name.removeprefix(SOURCE)
            if each.isreg() and each.name.startswith(f"{SOURCE}antlr4/") and name.endswith(".py"):
                found[name] = opened.extractfile(each).read()  # type: ignore[union-attr]  # a regular file
    home = f"{NAME}-{VERSION}.dist-info"
    licence = (Path(__file__).parent / "LICENSE.antlr4.txt").read_bytes()
    return found | {
        f"{home}/METADATA": METADATA.encode(),
        f"{home}/WHEEL": WHEEL.encode(),
        f"{home}/licenses/LICENSE.txt": licence,
    }


def write(files: dict[str, bytes], folder: Path) -> Path:
    """Write the wheel and return its path."""
    record = f"{NAME}-{VERSION}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(files[name])},{len(files[name])}\n" for name in sorted(files)]
    target = folder / f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as wheel:
        for name, content in [*sorted(files.items()), (record, "".join([*lines, f"{record},,\n"]).encode())]:
            about = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            about.create_system, about.external_attr = 3, 0o100644 << 16
            wheel.writestr(about, content)
    return target


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    print(write(contents(Path(sys.argv[1])), Path(sys.argv[2])))
