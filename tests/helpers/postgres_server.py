"""A PostgreSQL server of a test's own, on loopback, not as root, in a folder that goes with it."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from ports import free_port

PASSWORD = "of a test"  # noqa: S105, on loopback, for as long as the test runs


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest one's; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda each: int(each.parts[-3]))
    named = shutil.which("pg_ctl")
    if found:
        return found[-1].parent
    return Path(named).resolve().parent if named else None


class PostgresServer:
    """The server, which may be stopped and started; `PASSWORD` is that of its databases."""

    def __init__(self) -> None:
        folder = binaries()
        if folder is None:
            pytest.skip("PostgreSQL: its programs (initdb, pg_ctl) are not installed")
        self._numbers = itertools.count(1)
        self._folder, self.data = folder, Path(tempfile.mkdtemp(prefix="fairmark-pg-"))
        # PostgreSQL refuses to run as root.
        self._user = _other_user() if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.data, self._user)
        self.port = free_port()
        word = self.data / "word"
        word.write_text(PASSWORD)
        if self._user:
            shutil.chown(word, self._user)
        words = [
            "-A",
            "scram-sha-256",
            "-U",
            "fairmark",
            f"--pwfile={word}",
            "--no-sync",
            "--no-instructions",
        ]
        self._call("initdb", "-D", str(self.data / "db"), "-E", "UTF8", "--locale=C", *words)
        self.start()

    def new_database(self) -> str:
        """Return the URL of a new database."""
        name = f"journal{next(self._numbers)}"
        words = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "fairmark", "-d", "postgres"]
        self._call("psql", *words, "-c", f"CREATE DATABASE {name}")
        return f"postgresql://fairmark@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = (
            f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories='' -c max_connections=20 "
            "-c shared_buffers=8MB"
        )
        log = self.data / "log"
        self._call("pg_ctl", "-D", str(self.data / "db"), "-l", str(log), "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends connections, `immediate` is as if the machine had lost its power."""
        self._call("pg_ctl", "-D", str(self.data / "db"), "-w", "-m", mode, "stop")

    def remove(self) -> None:
        """Stop it if it runs, and take its folder away."""
        self._call("pg_ctl", "-D", str(self.data / "db"), "-w", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.data, ignore_errors=True)

    def _call(self, program: str, *words: str, check: bool = True) -> None:
        subprocess.run(
            [str(self._folder / program), *words],
            user=self._user,
            cwd=self.data,
            check=check,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PGPASSWORD": PASSWORD},
        )


def _other_user() -> str:
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
