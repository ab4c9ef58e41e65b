"""A real Prefect server on the loopback address, asked through its API, and programs that it is named to."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from flows_repo import NO_ANALYTICS, ROOT, eventually
from ports import free_port

PREFECT = str(Path(sys.executable).with_name("prefect"))
DIRECT = NO_ANALYTICS | {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
}


class Server:
    """A running Prefect server, asked through its API."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.environment = {**os.environ, **DIRECT, "PREFECT_HOME": str(home), "PREFECT_API_URL": self.api}
        # One for all questions: each new client reads the certificates of the machine for 30 ms.
        self.client = httpx.Client(trust_env=False)

    def start(self, *words: str, **extra: str) -> "subprocess.Popen[str]":
        """Start a program of Prefect or Python that this server is named to."""
        return subprocess.Popen(
            words,
            cwd=ROOT,
            env={**self.environment, **extra},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell that runs tests in the background may have them ignore what a worker is stopped by.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )

    def up(self) -> bool:
        """Return whether the server answers."""
        try:
            return self.client.get(f"{self.api}/health").is_success
        except httpx.TransportError:
            return False

    def ask(self, what: str, **body: Any) -> Any:
        """Return what the API answers."""
        answer = self.client.post(f"{self.api}/{what}", json=body).raise_for_status()
        return answer.json() if answer.content else None

    def state(self, run: str) -> str:
        """Return the state that a flow run is in."""
        return str(self.client.get(f"{self.api}/flow_runs/{run}").raise_for_status().json()["state_type"])

    def runs(self, state: str) -> list[dict[str, Any]]:
        """Return the flow runs that are in `state`."""
        return [run for run in self.ask("flow_runs/filter", limit=200) if run["state_type"] == state]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Let it run for as long as the block does."""
        words = (PREFECT, "server", "start", "--no-ui", "--host", "127.0.0.1", "--port", str(self.port))
        with self.start(*words) as process:
            try:
                assert eventually(self.up, 240, every_s=0.2)
                yield
            finally:
                self.client.close()
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
