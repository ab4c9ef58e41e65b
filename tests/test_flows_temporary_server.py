"""The temporary server answers whoever knows the password of the run, and no other program or web page."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flows_repo import NO_ANALYTICS

from fairmark.errors import StateError
from flows import server

pytest_plugins = ("flows_fixtures",)
pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def started(prefect_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Temporary]:
    home = shutil.copytree(prefect_home, tmp_path_factory.mktemp("home") / "prefect")
    started = server.start({**os.environ, "PREFECT_HOME": str(home)} | NO_ANALYTICS)
    try:
        server.await_answer(started)
        yield started
    finally:
        started.stop()


def asked(started: server.Temporary, password: str | None, **headers: str) -> httpx.Response:
    auth = httpx.Auth() if password is None else httpx.BasicAuth(*password.split(":"))
    url = f"{started.settings['PREFECT_API_URL']}/flow_runs/filter"
    with httpx.Client(trust_env=False) as client:
        return client.post(url, json={}, auth=auth, headers=headers)


def test_it_answers_who_knows_its_password_alone(started: server.Temporary) -> None:
    assert asked(started, started.password).status_code == 200
    for password in (None, "fairmark:", "fairmark:guess", ":"):
        assert asked(started, password).status_code == 401


def test_it_lets_no_page_of_another_origin_read_an_answer(started: server.Temporary) -> None:
    answer = asked(started, started.password, Origin="https://elsewhere.example")

    assert "access-control-allow-origin" not in answer.headers


def test_it_listens_on_the_loopback_address_alone(started: server.Temporary) -> None:
    table = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    listening = {line.split()[1] for line in table.splitlines() if line.split()[3] == "0A"}

    assert [each for each in listening if each.endswith(f":{started.port:04X}")] == [
        f"0100007F:{started.port:04X}"
    ]


def test_one_that_can_not_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise SystemExit('no such option: --factory')\n")
    failing = server.start({**os.environ, "PYTHONPATH": str(tmp_path)})
    try:
        with pytest.raises(StateError, match=r"must answer within 30 s, got no such option: --factory"):
            server.await_answer(failing, 30)
    finally:
        failing.stop()


def test_one_that_is_not_there_in_time_is_told(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("import time\ntime.sleep(7471)\n")
    failing = server.start({**os.environ, "PYTHONPATH": str(tmp_path)})
    try:
        with pytest.raises(StateError, match=r"must answer within 0 s, got no answer"):
            server.await_answer(failing, 0.2)
    finally:
        failing.stop()
