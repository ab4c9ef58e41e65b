"""A Space gets one verified release in one commit, with nothing private in it; a stand-in plays the hub."""

import base64
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from fairmark.errors import FairmarkError, RefusedError
from flows import preflight, publish

pytest_plugins = ("release_fixtures",)


class Hub(ThreadingHTTPServer):
    """What of the hub's API a push asks for: a Space is made, files are announced, one commit is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.made: list[dict[str, Any]] = []
        self.commits: list[dict[str, bytes | None]] = []
        self.tokens: set[str | None] = set()
        self.refuses = False

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    """One request to the stand-in."""

    server: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _say(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """List the files of the Space: one of an earlier release."""
        entry = {"type": "file", "path": "old.tar.gz", "size": 3, "oid": "1", "rfilename": "old.tar.gz"}
        self._say([entry] if "/tree/" in self.path else {"id": "a/b", "sha": "0" * 40, "siblings": [entry]})

    def do_POST(self) -> None:
        """Take what is sent."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.refuses:
            self._say({"error": "Forbidden"}, 403)
        elif self.path.endswith("/repos/create"):
            self.server.made.append(json.loads(body))
            self._say({"url": f"{self.server.address}/spaces/a/b", "name": "a/b"})
        elif "/preupload/" in self.path:
            files = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                     for f in json.loads(body)["files"]]  # fmt: skip
            self._say({"files": files})
        elif "/commit/" in self.path:
            self.server.commits.append(_files(body))
            self._say(
                {
                    "success": True,
                    "commitUrl": f"{self.server.address}/spaces/a/b/commit/1",
                    "commitOid": "1",
                    "hookOutput": "",
                }
            )
        else:
            self._say({})


def _files(body: bytes) -> dict[str, bytes | None]:
    """Return the files of a commit; None for one that is taken away."""
    found: dict[str, bytes | None] = {}
    for line in map(json.loads, body.splitlines()):
        if line["key"] == "file":
            found[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        elif line["key"] == "deletedFile":
            found[line["value"]["path"]] = None
    return found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Yield a stand-in of the hub that the client speaks to."""
    server = Hub()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    from huggingface_hub import constants, hf_api

    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(hf_api, "ENDPOINT", server.address, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def gathered(small_release: Path, tmp_path: Path) -> Path:
    """Return the folder that is to be pushed."""
    target = tmp_path / "loans-v0.1.0"
    publish.gather.fn(small_release, target)
    return target


def test_one_commit_holds_page_release_key_and_lock_and_takes_the_old_one_away(
    hub: Hub, gathered: Path
) -> None:
    assert publish.push.fn("a/b", gathered).endswith("/spaces/a/b/commit/1")

    [sent] = hub.commits
    assert {"app.py", "README.md", "requirements.txt", "key.pub.pem", "loans-v0.1.0.tar.gz"} <= set(sent)
    assert sent["old.tar.gz"] is None
    assert hub.made[0]["sdk"] == "gradio"
    assert hub.tokens == {"Bearer hf_secret"}


def test_nothing_private_is_sent(gathered: Path) -> None:
    files = [path for path in gathered.rglob("*") if path.is_file()]

    pem = re.compile(rb"PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}")
    assert not [path for path in files if pem.search(path.read_bytes())]
    assert not [path for path in files if path.suffix in (".csv", ".parquet")]


def test_the_page_finds_fairmark_and_its_version_beside_itself(gathered: Path) -> None:
    info = [*gathered.glob("fairmark-*.dist-info/METADATA")]

    assert len(info) == 1
    assert (gathered / "fairmark" / "api.py").is_file()
    lock = (gathered / "requirements.txt").read_text()
    assert "--only-binary :all:" in lock
    assert "-f " not in lock
    assert not [*gathered.glob("*.whl")]


def test_the_readme_is_what_a_space_reads(gathered: Path) -> None:
    _, head, body = (gathered / "README.md").read_text().split("---\n", 2)
    said = yaml.safe_load(head)

    assert said["sdk"] == "gradio"
    assert f"gradio=={said['sdk_version']} " in (gathered / "requirements.txt").read_text()
    assert said["app_file"] == "app.py"
    assert len(said["short_description"]) <= 60
    assert "loans@v0.1.0" in body


def test_a_hub_that_refuses_is_told_without_the_token(hub: Hub, gathered: Path) -> None:
    hub.refuses = True

    with pytest.raises(
        RefusedError, match=r"a/b: must be a Space that \$HF_TOKEN may write to, got 403"
    ) as told:
        publish.push.fn("a/b", gathered)
    assert "hf_secret" not in str(told.value)


@pytest.mark.parametrize("space", [None, "b", "a/b/c", "a/../b", "a/ b"])
def test_a_space_of_no_name_is_refused_first(space: str | None, tmp_path: Path) -> None:
    with pytest.raises(FairmarkError, match="must be OWNER/NAME"):
        preflight.publish(tmp_path, space, None)
