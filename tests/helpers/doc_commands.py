"""The commands of a page of the documentation: found in its blocks, and run in order as its reader would.

A command is a line of an indented or fenced block that begins with a program (after variables, if any), or a
fenced piece of Python. What a page leaves to its reader (a name, a version, a folder) is filled in; what it
says in words between two commands is done before the second; a server is left to run until the page ends.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = (
    "aws", "cat", "cd", "createdb", "dask", "dvc", "export", "fairmark", "git", "make", "mkdir", "openssl",
    "pip", "podman", "prefect", "psql", "python", "ssh-keygen", "terraform", r"\.venv/bin/python",
)  # fmt: skip
CALL = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:{'|'.join(PROGRAMS)})\s+\S")
FENCE = re.compile(r"^ *```(\w*)$")

SHELL = """
awaited() {  # the log of a server, what it says once it answers
  for _ in $(seq 1200); do grep -qE -- "$2" "$1" && return 0; sleep 0.2; done
  cat "$1" >&2; return 1
}
told() {  # what a command says in the end, and the command
  for _ in $(seq 300); do "${@:2}" | grep -qE -- "$1" && return 0; sleep 1; done
  return 1
}
prefect_answers() {
  told true python -c "import urllib.request as r; print(r.urlopen('$1/health', timeout=60).read().decode())"
}
cloned() {  # into a folder beside this one, whose code is then run
  git clone --quiet "$ROOT" "../$1" && cd "../$1" && export PYTHONPATH=$PWD/src
}
ended() {  # every server so far
  while read -r pid; do kill -KILL -- "-$pid"; done < "$PLACE/servers"; rm "$PLACE/servers"
}
"""


@dataclass(frozen=True)
class Page:
    """How the commands of one page are run. Each key is the beginning of a command, as it stands there.

    Parameters
    ----------
    scene
        The prepared folder that it is run in.
    filled
        What the page leaves to its reader -> what is put there.
    before
        What the page says in words before a command.
    codes
        With what a command ends, where that is not 0.
    servers
        What goes on running -> what it says once it answers.
    apart
        What is not run here -> why, and what runs it instead.
    also
        Commands within sentences and tables of the page, run after its blocks.
    postgres
        Whether it needs a server of PostgreSQL: `JOURNAL` names a database of it.
    """

    scene: str
    filled: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)
    apart: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    postgres: bool = False

    @property
    def keys(self) -> list[str]:
        """Every beginning of a command that is spoken of."""
        return [*self.before, *self.codes, *self.servers, *self.apart]


def path_of(name: str) -> Path:
    """Return where a page lies: at the top of the repository, or in docs/."""
    return ROOT / name if (ROOT / name).is_file() else ROOT / "docs" / name


def commands(name: str) -> list[str]:
    """Return the commands of a page's blocks, in order; a piece of Python begins with `#py`."""
    found: list[str] = []
    block: list[str] | None = None
    language = ""
    for line in re.sub(r"\\\n\s*", " ", path_of(name).read_text("utf-8")).splitlines():
        fence = FENCE.match(line)
        if fence and block is None:
            block, language = [], fence[1]
        elif fence and block is not None:
            found += _of_block(block, language)
            block = None
        elif block is not None:
            block.append(line)
        elif line.startswith("    "):
            found += _of_block([line], "")
    return found


def _of_block(lines: list[str], language: str) -> Iterator[str]:
    if language == "python":
        yield "\n".join(["#py", *lines])
    elif language == "sh" and any(line.startswith("for ") for line in lines):
        yield "\n".join(lines)
    elif language in {"", "sh", "console"}:
        for line in lines:
            text = line.strip().removeprefix("$ ")
            asked = line.startswith("$ ") if language == "console" else language == "sh" or CALL.match(text)
            if text and asked:
                yield re.sub(r"\s+#.*$", "", text)


def chosen(table: Mapping[str, str] | Mapping[str, int], command: str) -> str | int | None:
    """Return the value whose key the command begins with, the longest such key's."""
    fitting = [key for key in table if command.startswith(key)]
    return table[max(fitting, key=len)] if fitting else None


def run(name: str, page: Page, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run the commands of a page in a folder, and return those that were run.

    Raises
    ------
    AssertionError
        With the command and what was said, when one ends otherwise than the page says.
    """
    kept = [each for each in [*commands(name), *page.also] if chosen(page.apart, each) is None]
    place = folder.parent
    script = "".join(_step(number, each, page, place) for number, each in enumerate(kept))
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    given = {k: v for k, v in os.environ.items() if not k.startswith(("FAIRMARK", "PREFECT", "MLFLOW"))}
    given |= {"PATH": search, "HOME": str(place / "home"), "PLACE": str(place), **environment}
    with (place / "page.log").open("w+", encoding="utf-8") as log:
        try:
            ended = subprocess.run(
                ["bash", "-c", SHELL + script],
                cwd=folder, env=given, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            )  # fmt: skip
        finally:
            _stop(place / "servers")
        log.seek(0)
        said = log.read()
    assert ended.returncode == 0, f"docs/{name}: {said[-4000:]}"
    return kept


def _step(number: int, command: str, page: Page, place: Path) -> str:
    filled, code = command, chosen(page.codes, command) or 0
    for word, text in sorted(page.filled.items(), key=lambda each: -len(each[0])):
        filled = filled.replace(word, text)
    first = chosen(page.before, command)
    lines = [f"{{ {first}\n}} || exit 98"] if first else []
    shown = shlex.quote(f">> {filled}")
    if filled.startswith("#py"):
        piece = place / f"piece-{number}.py"
        piece.write_text(filled, encoding="utf-8")
        filled = f"python {piece}"
    lines.append(f"echo {shown}")
    if (ready := chosen(page.servers, command)) is not None:
        log = place / f"server-{number}.log"
        lines.append(f"setsid bash -c {shlex.quote(filled)} > {log} 2>&1 & echo $! >> {place}/servers")
        lines.append(f"awaited {log} {shlex.quote(str(ready))} || exit 97")
    else:
        lines.append(filled)
        lines.append(f'code=$?; [ $code -eq {code} ] || {{ echo "ended with $code, not {code}"; exit 99; }}')
    return "\n".join(lines) + "\n"


def _stop(pids: Path) -> None:
    """End every server with all that it started."""
    for line in pids.read_text().split() if pids.exists() else []:
        with suppress(ProcessLookupError):
            os.killpg(int(line), signal.SIGKILL)
