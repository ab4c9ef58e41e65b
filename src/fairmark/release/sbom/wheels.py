"""What each wheel of the lock files installs: `requirements.wheels`, which an environment is checked by.

A lock names archives by their SHA-256, and nothing on disk says which archive was installed. So `make wheels`
downloads the archives that a lock names, and writes for each, beside its own SHA-256, the digest of what it
installs (`records.METHOD`). A line is `sha256 of the wheel  sha256 of what it installs  file name`. A machine
of another kind takes other wheels: what is listed for one stays, as long as a lock names it.
"""

import hashlib
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from fairmark.release.sbom.installed import over, without_first_line

TABLE = "requirements.wheels"

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_LINE = re.compile(r"([0-9a-f]{64})  ([0-9a-f]{64})  (\S+\.whl)")
_LEFT_OUT = re.compile(
    r".*\.pyc|[^/]+\.dist-info/(?:RECORD|INSTALLER|REQUESTED|direct_url\.json)|[^/]+\.data/headers/.*"
)
_INTO = {"purelib": "", "platlib": "", "scripts": "../../../bin/", "data": "../../../"}
"""Where the parts of a wheel's `.data` folder go, relative to site-packages."""


def installs(wheel: Path) -> str:
    """Return the digest of what a wheel installs, by its files' bytes, whatever its own RECORD says."""
    pairs = []
    with zipfile.ZipFile(wheel) as opened:
        for each in opened.infolist():
            if each.is_dir() or _LEFT_OUT.fullmatch(each.filename):
                continue
            content = opened.read(each)
            path = _installed_path(each.filename)
            if path.startswith("../../../bin/"):
                content = without_first_line(content)
            pairs.append((hashlib.sha256(content).hexdigest(), path))
    return over(pairs)


def archives(lock: str) -> dict[str, set[str]]:
    """Return the SHA-256 of each archive that a lock names, by normalised name of the distribution."""
    found: dict[str, set[str]] = {}
    hashes = set[str]()
    for line in lock.split("\n"):
        if pin := _PIN.match(line):
            hashes = found.setdefault(_normal(pin[1]), set())
        hashes.update(_HASH.findall(line))
    return found


def unlike(locks: Mapping[str, set[str]], table: str, digests: Mapping[str, str]) -> Iterator[str]:
    """Yield a fault for each distribution that is not what a wheel of the locks installs.

    Parameters
    ----------
    locks
        As `archives` gives them.
    table
        The text of `requirements.wheels`.
    digests
        What is installed, by normalised name: the digest of its files.
    """
    listed = {line[1]: line[2] for line in map(_LINE.fullmatch, table.split("\n")) if line}
    for name, digest in sorted(digests.items()):
        known = {listed[archive] for archive in locks.get(name, ()) if archive in listed}
        if not known:
            yield f"must have {name} from a wheel that {TABLE} lists, got none of it (run make wheels)"
        elif digest not in known:
            yield f"must have {name} as its wheel holds it, got other files (run make clean, and make again)"


def listing(folder: Path, locks: Mapping[str, set[str]], before: str) -> str:
    """Return the table of what the locks name, of the wheels in `folder` and of those that stood `before`."""
    wanted = set[str]().union(*locks.values())
    lines = {
        line[3]: line[0] for line in map(_LINE.fullmatch, before.split("\n")) if line and line[1] in wanted
    }
    for wheel in folder.glob("*.whl"):
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest in wanted:
            lines[wheel.name] = f"{digest}  {installs(wheel)}  {wheel.name}"
    return "".join(f"{line}\n" for _, line in sorted(lines.items()))


def _installed_path(name: str) -> str:
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return name
    part, _, inside = rest.partition("/")
    return f"{_INTO.get(part, f'{part}/')}{inside}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _main(folder: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(Path().glob("requirements*.lock"))]
    table = Path(TABLE)
    before = table.read_text(encoding="utf-8") if table.is_file() else ""
    table.write_text(listing(folder, archives("\n".join(texts)), before), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
