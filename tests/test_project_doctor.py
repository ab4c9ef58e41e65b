"""`fairmark doctor` finds what is lacking in real folders, says what to do, and shows no secret."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from project_checkout import committed, default_checkout
from release_folder import git

from fairmark.cli.main import main
from fairmark.project import doctor
from fairmark.project.doctor import Check, examined
from fairmark.repo.locks import locked


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = default_checkout(tmp_path / "checkout")
    for name in ("approvers", "prefect.yaml", "requirements.lock"):
        (root / name).write_bytes((Path(__file__).parents[1] / name).read_bytes())
    (root / ".gitignore").write_text(".fairmark/\n/data\n.venv-tools/\n")
    tools = root / ".venv-tools" / "bin"
    tools.mkdir(parents=True)
    for name in ("cyclonedx-py", "python"):
        (tools / name).touch()
    (root / "data").mkdir()
    for name in ("adult.data", "adult.test", "DATASHEET.md"):
        (root / "data" / name).touch()
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    committed(root)
    return root


def found(root: Path, environment: dict[str, str] | None = None) -> dict[str, Check]:
    return {check.name: check for check in examined(root, environment or {})}


def lacking(root: Path) -> set[str]:
    return {name for name, check in found(root).items() if check.state == "lacking"}


def test_a_whole_checkout_lacks_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lacking(checkout) == set()
    assert main(["doctor", "--clone", str(checkout)]) == 0
    assert capsys.readouterr().out.endswith("nothing is lacking for the main job\n")


def test_each_thing_that_is_taken_away_is_named_with_what_to_do(checkout: Path) -> None:
    (checkout / "data" / "adult.data").unlink()
    assert lacking(checkout) == {"data"}
    assert found(checkout)["data"].do == "dvc pull data.dvc"

    (checkout / "requirements.lock").unlink()
    (checkout / ".venv-tools" / "bin" / "cyclonedx-py").unlink()
    (checkout / "data.dvc").unlink()
    (checkout / ".dvc" / "config").write_text("")
    assert lacking(checkout) == {"requirements.lock", "cyclonedx-py", "data.dvc", "dvc remotes"}
    assert all(check.do for check in found(checkout).values() if check.state != "ok")


def test_who_judges_scores_needs_less_and_says_whose_they_are(checkout: Path) -> None:
    (checkout / ".venv-tools" / "bin" / "cyclonedx-py").unlink()
    said = {"score": "s", "threshold": 0.5, "decision": None, "selected": None, "version": "3"}
    (checkout / "scores.yaml").write_text(json.dumps({"scores": said | {"made_by": "Vendor"}}))
    assert lacking(checkout) == set()
    assert found(checkout)["scores.yaml"].found == "judges Vendor (3)"

    (checkout / "scores.yaml").write_text(json.dumps({"scores": said | {"made_by": "TODO: say who"}}))
    assert lacking(checkout) == {"scores.yaml"}


def test_a_broken_params_file_is_told_once(checkout: Path) -> None:
    (checkout / "params.yaml").write_text("project: {}\n")

    assert lacking(checkout) == {"params"}


def test_a_file_that_is_no_text_hides_no_other_check(checkout: Path) -> None:
    (checkout / "requirements.lock").write_bytes(b"\xff\xfe")

    assert lacking(checkout) == {"locks"}


def test_what_others_need_is_a_note_and_stops_nothing(checkout: Path) -> None:
    (checkout / "new.txt").touch()
    (checkout / "data" / "DATASHEET.md").unlink()
    seen = found(checkout)

    assert seen["commit"].state == seen["approvers"].state == seen["prefect server"].state == "note"
    assert seen["datasheet"].state == "note"
    assert lacking(checkout) == set()


def test_versions_beside_the_lock_are_told(checkout: Path) -> None:
    text = (
        "pytest==0.0.1 \\\n    --hash=sha256:00\nnobody-has-this==1.0\npluggy==0.0.1 ; python_version<'3'\n"
    )
    (checkout / "requirements.lock").write_text(text)

    check = found(checkout)["requirements.lock"]

    assert check.state == "note"
    assert "1 installed in another version: pytest" in check.found


def test_who_is_at_work_is_told(checkout: Path) -> None:
    (checkout / ".fairmark").mkdir(exist_ok=True)
    with locked(checkout / ".fairmark" / "release.lock", "busy"):
        assert found(checkout)["at work"].found == "a release runs in this folder"
    assert "at work" not in found(checkout)


def test_an_init_that_was_stopped_is_told(checkout: Path) -> None:
    (checkout / ".fairmark" / "init").mkdir(parents=True)
    (checkout / ".fairmark" / "init" / "begun").touch()

    assert lacking(checkout) == {"init"}


SECRET = "correct-horse-battery"  # noqa: S105 - of nothing


class Server(BaseHTTPRequestHandler):
    """As Prefect's API answers, with one deployment of three and a worker."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path.startswith("/elsewhere/"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/elsewhere/", "/api/"))
            self.end_headers()
            return
        self._answer(True)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if "/odd/" in self.path:
            return self._answer(5)
        deployments = self.path.endswith("/deployments/filter")
        return self._answer([{"name": "weekly"}] if deployments else [{"name": "w", "status": "ONLINE"}])

    def _answer(self, value: object) -> None:
        login = self.headers.get("Authorization", "")
        self.send_response(200 if login.startswith("Basic ") else 401)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())


@contextmanager
def server() -> Iterator[str]:
    running = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/api"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def test_a_server_is_asked_for_schedules_and_workers(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as address:
        told = {"PREFECT_API_URL": address, "PREFECT_API_AUTH_STRING": f"ada:{SECRET}"}
        seen = found(checkout, told)
        refused = found(checkout, {"PREFECT_API_URL": address})

    assert seen["prefect server"].state == seen["prefect worker"].state == "ok"
    assert seen["prefect schedules"].found.startswith("without nightly, by-hand")
    assert refused["prefect server"].state == "lacking"
    monkeypatch.setattr(doctor, "PATIENCE_S", 0.2)
    assert found(checkout, told)["prefect server"].state == "lacking"


def test_a_login_in_the_address_is_a_login_and_follows_nobody_elsewhere(checkout: Path) -> None:
    with server() as address:
        inside = address.replace("//", f"//ada:{SECRET}@")
        seen = found(checkout, {"PREFECT_API_URL": inside})
        odd = found(checkout, {"PREFECT_API_URL": f"{inside}/odd"})
        moved = found(checkout, {"PREFECT_API_URL": inside.replace("/api", "/elsewhere")})

    assert seen["prefect server"].state == odd["prefect server"].state == "ok"
    assert odd["prefect worker"].found == "0 online"
    assert moved["prefect server"].state == "lacking"


@pytest.mark.parametrize("port", [":9", "", ":x", ":99999"])
def test_no_secret_is_shown(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://ada:{SECRET}@127.0.0.1{port}/api")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", f"ada:{SECRET}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://ada:{SECRET}@example.org")
    monkeypatch.setenv("FAIRMARK_KEY", str(checkout / "no-key.pem"))
    with (checkout / ".dvc" / "config").open("a") as config:
        config.write(
            f"['remote \"far\"']\n    url = https://ada:{SECRET}@example.org/x\n    password = {SECRET}\n"
        )

    for words in (["doctor"], ["doctor", "--json"]):
        assert main([*words, "--clone", str(checkout)]) == 1
        shown = capsys.readouterr()
        assert SECRET not in shown.out + shown.err
        assert "dvc remote far" in shown.out
