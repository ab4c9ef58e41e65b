"""A journalled decision is scored again by the release that made it, verified, to the last bit."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maker_and_forger import FORGER, MINE
from release_folder import model, rows

from fairmark.cli.main import main
from fairmark.journal.entry import Entry, json_bytes, pseudonym
from fairmark.journal.place import open_journal
from fairmark.release.statement import release_digest

pytest_plugins = ("release_fixtures",)

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]
SUBJECT = pseudonym(b"a key of sixteen", "Ann")


class Place:
    """A clone with a release and a journal of its decisions, each scored through the data frame."""

    def __init__(self, release: Path) -> None:
        self.release, self.clone = release, release.parents[1]
        self.digest = f"sha256:{release_digest(release)}"
        self.key = self.clone.parent / "public.key"
        self.key.write_text(MINE.public.ssh + "\n")
        table = rows()
        self.rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", date_format="iso"))
        self.scores: list[float] = model().score(table).tolist()

    def write(self, *entries: Entry) -> None:
        async def act() -> None:
            journal = await open_journal(str(self.clone / ".fairmark/journal.db"))
            await journal.append(entries)
            await journal.close()

        asyncio.run(act())

    def decision(self, place: int = 0, **given: Any) -> Entry:
        usual: dict[str, Any] = {
            "kind": "decision", "at_us": 1, "release": self.digest, "arm": "champion", "subject": SUBJECT,
            "score": self.scores[place], "personal": json_bytes({"row": self.rows[place]}),
        }  # fmt: skip
        made = Entry(**usual | given)
        self.write(made)
        return made

    def replay(self, made: Entry | str, *words: str) -> int:
        name = made if isinstance(made, str) else made.id
        given = ["replay", name, "--clone", str(self.clone), "--key", str(self.key)]
        return main([*given, *words])


@pytest.fixture
def place(small_release: Path) -> Place:
    return Place(small_release)


def test_every_row_scores_the_same_64_bits_as_through_the_data_frame(place: Place, capsys: Capture) -> None:
    made = [place.decision(row) for row in range(len(place.rows))]

    assert [place.replay(each) for each in made] == [0] * len(made)
    assert capsys.readouterr().out.count("the same 64 bits") == len(made)


def test_a_score_that_is_one_bit_off_is_told(place: Place, capsys: Capture) -> None:
    made = place.decision(score=float(np.nextafter(place.scores[0], 1)))

    assert place.replay(made) == 4
    assert "OTHER bits" in capsys.readouterr().out


def test_a_shadow_scored_the_row_of_its_decision(place: Place) -> None:
    first = place.decision(1)
    shadow = place.decision(1, kind="shadow", about=first.id, subject=None, personal=None)

    assert place.replay(shadow, "--release", str(place.release)) == 0


def test_what_was_erased_or_never_scored_or_is_not_there_can_t_be_told(place: Place, capsys: Capture) -> None:
    made, by_person = place.decision(), place.decision(score=None, release=None)

    async def erase() -> None:
        journal = await open_journal(str(place.clone / ".fairmark/journal.db"))
        await journal.erase(ids=[made.id], reason="asked", at_us=2)
        await journal.close()

    asyncio.run(erase())

    assert [place.replay(each) for each in (made, by_person, "f" * 32)] == [5, 5, 5]
    assert [word in capsys.readouterr().err for word in ("erased", "without score", "no such entry")]


def test_another_release_and_a_missing_one_can_t_be_told(place: Place, capsys: Capture) -> None:
    another = place.decision(release=f"sha256:{'0' * 64}")

    assert place.replay(another) == 5
    assert place.replay(another, "--release", str(place.release)) == 5
    assert "must be the release that decided" in capsys.readouterr().err


def test_a_release_of_another_key_is_not_loaded(place: Place) -> None:
    made = place.decision()
    place.key.write_text(FORGER.public.ssh + "\n")

    assert place.replay(made) in {4, 5}


def test_a_release_that_was_changed_is_not_loaded(place: Place, capsys: Capture) -> None:
    made = place.decision()
    card = place.release / "model" / "encoder.json"
    card.write_text(card.read_text() + " ")

    assert place.replay(made) == 4
    assert "64 bits" not in capsys.readouterr().out


def test_a_row_that_was_changed_is_told(place: Place) -> None:
    import sqlite3

    made = place.decision()
    editor = sqlite3.connect(place.clone / ".fairmark/journal.db")
    editor.execute("UPDATE personal SET content = ?", [json_bytes({"row": place.rows[1]})])
    editor.commit()
    editor.close()

    assert place.replay(made) == 4


def test_the_release_is_found_beside_others_by_its_digest(place: Place) -> None:
    made = place.decision()
    other = place.clone / "releases" / "aaa-v0.0.1"
    shutil.copytree(place.release, other)
    (other / "statement.json").write_text("{}")

    assert place.replay(made) == 0


def test_another_decision_than_the_release_makes_is_told(place: Place, capsys: Capture) -> None:
    decided = int(place.scores[0] >= model().threshold)
    right = [place.decision(decision=decided), place.decision(body=json_bytes({"proposal": decided}))]
    wrong = [place.decision(decision=1 - decided), place.decision(body=json_bytes({"proposal": 1 - decided}))]

    assert [place.replay(each) for each in [*right, *wrong]] == [0, 0, 4, 4]
    assert capsys.readouterr().out.count(f"and NOT {1 - decided}, as the journal has it") == 2
