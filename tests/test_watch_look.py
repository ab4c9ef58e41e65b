"""A release is verified before it is watched, raw values are read as served, and a verb tells all of it."""

import asyncio
import json
from pathlib import Path

import pytest
from maker_and_forger import FORGER, MINE
from watched import START, decision

from fairmark.cli.main import main
from fairmark.errors import FairmarkError
from fairmark.journal.entry import json_bytes
from fairmark.journal.place import open_journal
from fairmark.watch.look import Target, target, typed

pytest_plugins = ("release_fixtures",)
pytestmark = pytest.mark.usefixtures("quick_bill")


@pytest.fixture
def watched_release(small_release: Path) -> Target:
    return target(str(small_release), MINE.public)


def test_raw_values_fall_where_their_typed_ones_do(watched_release: Target) -> None:
    read = {column.name: column for column in watched_release.reader.columns}
    reference = watched_release.of.reference

    assert typed(read["since"], "2021-01-01") == 18628.0
    assert typed(read["member"], "true") is True
    assert typed(read["home"], None) is None
    assert reference.by_name["since"].train_rows(typed(read["since"], "2021-01-01")) > 0


def test_a_release_of_another_key_is_not_watched_by(small_release: Path) -> None:
    with pytest.raises(FairmarkError):
        target(str(small_release), FORGER.public)


def test_the_verb_tells_what_the_journal_holds_and_writes_the_page(
    small_release: Path, watched_release: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = json_bytes({"row": {"income <€>": 2, "home": "own", "member": True, "since": "2021-01-01"}})

    async def fill() -> None:
        journal = await open_journal(str(tmp_path / "j.db"))
        entries = [decision(START + k, 0.6, personal=row, release=watched_release.digest) for k in range(300)]
        await journal.append(entries)
        await journal.close()

    asyncio.run(fill())
    (tmp_path / "key.pub").write_text(MINE.public.pem, encoding="utf-8")
    words = [
        "watch",
        str(small_release),
        "--journal",
        str(tmp_path / "j.db"),
        "--key",
        str(tmp_path / "key.pub"),
    ]
    code = main(
        [*words, "--clone", str(small_release.parents[1]), "--page", str(tmp_path / "w.html"), "--json"]
    )

    told = json.loads(capsys.readouterr().out)
    assert (told["decisions"], len(told["looks"])) == (300, 1)
    assert code in {0, 1}
    assert "while it decides" in (tmp_path / "w.html").read_text(encoding="utf-8")
