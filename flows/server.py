"""The temporary Prefect server of a flow that no server is named to.

Prefect would start one itself, but in our process group, where Ctrl-C ends it before the flow can say that
it was stopped, and open to every program and web page that finds its port. Ours leads a session of its own,
listens on the loopback address alone, and answers nobody who does not know the password of this run.
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from fairmark.errors import StateError

PATIENCE_S = 90.0
"""How long a first start may take on a busy machine."""

ADDRESS = "127.0.0.1"


@dataclass
class Temporary:
    """A server that has been started: where it will answer, to whom, and what it says."""

    port: int
    password: str
    process: "subprocess.Popen[bytes]"
    words: IO[bytes]

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which a client of Prefect finds it."""
        url = f"http://{ADDRESS}:{self.port}/api"
        return {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": self.password}

    def stop(self) -> None:
        """End the server, at once if it does not end by itself."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.words.close()


def start(environment: Mapping[str, str]) -> Temporary:
    """Start a server with `environment`, and do not wait for it."""
    # Others on this machine reach the port as well.
    password = f"fairmark:{secrets.token_urlsafe(32)}"
    # A free port may be taken before the server has it: then that one ends, and `await_answer` says so.
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
    command = [
        sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app",
        "--host", ADDRESS, "--port", str(port), "--log-level", "error", "--lifespan", "on",
    ]  # fmt: skip
    own = {
        "PREFECT_SERVER_API_AUTH_STRING": password,
        # No page of another address may call it through a person's browser.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{ADDRESS}:{port}",
        "PREFECT_UI_ENABLED": "0",
        # What Prefect sets for a server of its own: no schedules, nothing that goes on after the flow.
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
    }
    process = subprocess.Popen(
        command,
        env={**environment, **own},
        stdin=subprocess.DEVNULL,
        stdout=words,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return Temporary(port, password, process, words)


def await_answer(server: Temporary, within_s: float = PATIENCE_S) -> None:
    """Do nothing until the server answers.

    Raises
    ------
    StateError
        When it does not in time, or ends by itself (as it does should another program have taken its port).
    """
    until = time.monotonic() + within_s
    while server.process.poll() is None and time.monotonic() < until:
        if _answers(server.port):
            return
        time.sleep(0.05)
    why = f"got {_last_words(server)} (run again)"
    raise StateError(f"temporary Prefect server: must answer within {within_s:.0f} s, {why}")


def _answers(port: int) -> bool:
    # By hand, and so through no proxy of the environment.
    request = f"GET /api/health HTTP/1.0\r\nHost: {ADDRESS}:{port}\r\n\r\n".encode()
    try:
        with socket.create_connection((ADDRESS, port), timeout=5) as stream:
            stream.sendall(request)
            return b" 200 " in stream.recv(64)
    except OSError:
        return False


def _last_words(server: Temporary) -> str:
    server.words.seek(0, os.SEEK_END)
    server.words.seek(max(server.words.tell() - 4000, 0))
    lines = server.words.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no answer and no word from it")
