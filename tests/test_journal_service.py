"""What a real service wrote is sealed, checked, replayed and forgotten by the verbs, while it runs."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from service import SECRET, Client, running

from fairmark.cli.main import main

pytest_plugins = ("release_fixtures",)

pytestmark = pytest.mark.slow

ROW = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_running_services_journal_is_sealed_checked_replayed_and_forgotten(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, key = small_release.parents[1], Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"
    place = tmp_path / "service"
    place.mkdir()
    shutil.rmtree(clone / "data")  # as where a service runs
    monkeypatch.setenv("FAIRMARK_JOURNAL", str(place / "journal.db"))
    monkeypatch.setenv("FAIRMARK_MEMBERSHIPS", str(place / "memberships.db"))
    monkeypatch.setenv("FAIRMARK_SUBJECT_KEY", SECRET)

    with running(small_release, key, place) as client:
        decided = [client.ask("/v1/decide", {"row": ROW, "subject": f"person {k}"}).json for k in (1, 2)]
        here = ("--clone", str(clone))
        assert said(capsys, "journal", "--seal", *here)[0] == 0
        assert said(capsys, "replay", decided[0]["id"], *here, "--key", str(key))[1]["same"] is True
        forgotten = said(capsys, "forget", "--id", "person 1", "--reason", "asked", "--journal", *here)
        assert forgotten[1]["journal"]["entries"] >= 1
        assert main(["replay", decided[0]["id"], *here, "--key", str(key)]) == 5
        assert after(client, decided[1]["id"])["row"] == ROW
        code, checked = said(capsys, "journal", "--check", *here)

    assert (code, checked["faults"], checked["erased"]) == (0, [], forgotten[1]["journal"]["entries"])


def after(client: Client, decision: str) -> Any:
    return client.ask(f"/v1/decisions/{decision}").json
