"""An edited, deleted, inserted or moved entry of the journal is seen; a cut end and another chain too."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from postgres_server import PASSWORD, PostgresServer
from release_folder import git

from fairmark.cli.main import main
from fairmark.governance import trail
from fairmark.journal.chain import genesis, link
from fairmark.journal.entry import Entry, json_bytes, pseudonym
from fairmark.journal.memberships import Membership
from fairmark.journal.place import open_journal, open_memberships
from fairmark.journal.schema import SELECT, from_row
from fairmark.signing.key_store import own_key

ROOT = Path(__file__).parents[1]
KEY = "a key of pseudonyms"
PERSON = pseudonym(KEY.encode(), "Ann")
Told = tuple[int, str]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with params, its user's own key, and a journal of eight entries, seven sealed."""
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("FAIRMARK_JOURNAL", raising=False)
    own_key(make=True)
    root = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("segment: 10000", "segment: 3")
    (root / "params.yaml").write_text(text, encoding="utf-8")
    write(root, 7)
    assert main(["journal", "--seal", "--clone", str(root)]) == 0
    write(root, 1)
    return root


def write(root: Path, count: int) -> None:
    asyncio.run(write_at(str(root / ".fairmark/journal.db"), count))


async def write_at(address: str, count: int) -> None:
    journal = await open_journal(address)
    for number in range(count):
        body, personal = json_bytes({"n": number}), json_bytes({"row": {"age": number}})
        await journal.append(
            [
                Entry(
                    kind="decision",
                    at_us=number,
                    decision=1,
                    score=0.5,
                    subject=PERSON,
                    body=body,
                    personal=personal,
                )
            ]
        )
    await journal.close()


def check(root: Path, capsys: Capture, *words: str) -> Told:
    capsys.readouterr()
    code = main(["journal", "--check", "--clone", str(root), *words])
    return code, capsys.readouterr().out


def edit(root: Path, *statements: str) -> None:
    with sqlite3.connect(root / ".fairmark/journal.db") as editor:
        for statement in statements:
            editor.execute(statement)
    editor.close()


def rechain(root: Path) -> None:
    """Write the whole chain anew, as whoever can write the file may."""
    editor = sqlite3.connect(root / ".fairmark/journal.db")
    [(journal,)] = editor.execute("SELECT journal FROM head").fetchall()
    number, chain = 0, genesis(journal)
    for row in editor.execute(f"{SELECT} ORDER BY e.number").fetchall():
        kept = from_row(row)
        number, chain = kept.number, link(chain, kept.number, kept.entry, kept.seal)
        editor.execute("UPDATE entries SET chain = ? WHERE number = ?", [chain, number])
    editor.execute("UPDATE head SET number = ?, chain = ?", [number, chain])
    editor.commit()
    editor.close()


def test_a_whole_journal_is_told_with_what_its_heads_vouch_for(clone: Path, capsys: Capture) -> None:
    code, told = check(clone, capsys)

    assert code == 0
    assert "entries 1 to 8 are all there, unchanged and in order" in told
    assert "3 sealed heads hold, the newest of entry 7" in told
    assert "entries 8 to 8 came after it" in told


def test_heads_are_sealed_at_every_segment_and_at_the_end(clone: Path) -> None:
    what = json.loads(trail.entries(clone)[-1].text)["what"]

    assert [number for number, _ in what["heads"]] == [3, 6, 7]


def test_sealing_again_seals_what_is_new_alone(clone: Path) -> None:
    for _ in range(2):
        assert main(["journal", "--seal", "--clone", str(clone)]) == 0

    heads = [json.loads(each.text)["what"]["heads"] for each in trail.entries(clone)]
    assert [[number for number, _ in each] for each in heads] == [[3, 6, 7], [8]]


FORGERIES: dict[str, tuple[str, ...]] = {
    "edited": ("UPDATE entries SET decision = 0 WHERE number = 2",),
    "its body edited": ("UPDATE entries SET body = CAST('{\"n\":9}' AS BLOB) WHERE number = 2",),
    "its inputs edited": ("UPDATE personal SET content = CAST('{\"row\":{}}' AS BLOB) WHERE number = 2",),
    "its inputs lost": ("UPDATE personal SET salt = zeroblob(16), content = NULL WHERE number = 2",),
    "deleted": ("DELETE FROM entries WHERE number = 2",),
    "moved": (
        "UPDATE entries SET number = -1 WHERE number = 2",
        "UPDATE entries SET number = 2 WHERE number = 3",
        "UPDATE entries SET number = 3 WHERE number = -1",
    ),
    "inserted": (
        """
        INSERT INTO entries SELECT 9, CASE WHEN id LIKE 'f%' THEN 'e' ELSE 'f' END || substr(id, 2),
            kind, at_us, about, closes, due_us, release, arm, mode, caller, decision, score, took_us, body,
            chain, seal FROM entries WHERE number = 8
        """,
        "INSERT INTO personal SELECT 9, salt, subject, content FROM personal WHERE number = 8",
        "UPDATE head SET number = 9",
    ),
    "cut off": ("DELETE FROM entries WHERE number = 8",),
    "no entry at all": ("UPDATE entries SET kind = 'guess', arm = 'leg' WHERE number = 2",),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_journal_is_seen(clone: Path, capsys: Capture, forgery: str) -> None:
    edit(clone, *FORGERIES[forgery])

    code, told = check(clone, capsys)

    assert code == 4
    assert "NOT what was written" in told


def test_a_chain_written_anew_is_seen_by_its_sealed_heads(clone: Path, capsys: Capture) -> None:
    edit(clone, *FORGERIES["edited"])
    rechain(clone)

    code, told = check(clone, capsys)

    assert code == 4
    assert told.count("of its sealed head") == 3


def test_a_cut_end_is_named(clone: Path, capsys: Capture) -> None:
    edit(clone, "DELETE FROM entries WHERE number > 5", "DELETE FROM personal WHERE number > 5")
    rechain(clone)

    code, told = check(clone, capsys)

    assert code == 4
    assert "entries 6 to 7: must be there, for a head of 7 is sealed" in told


def test_nobody_vouches_for_a_journal_without_a_sealed_head(clone: Path, capsys: Capture) -> None:
    shutil.rmtree(clone / ".fairmark")
    write(clone, 2)

    code, told = check(clone, capsys)

    assert code == 5
    assert "no sealed head of a known key vouches for it, and 3 of other journals" in told


def test_the_signature_of_an_unknown_key_vouches_for_nothing(
    clone: Path, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "another"))

    assert check(clone, capsys)[0] == 5


def test_a_head_that_no_known_key_signed_vouches_for_nothing_whatever_was_signed_after_it(
    clone: Path, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(clone / ".fairmark")
    write(clone, 2)
    own = own_key(make=False)
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "another"))
    own_key(make=True)
    assert main(["journal", "--seal", "--clone", str(clone)]) == 0
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    trail.append(clone, {"action": "promote"}, "completed", key=own)

    code, told = check(clone, capsys)

    assert code == 5
    assert "no sealed head of a known key vouches for it" in told


def test_a_check_from_the_newest_head_looks_at_the_rest_alone(clone: Path, capsys: Capture) -> None:
    edit(clone, *FORGERIES["edited"])

    assert "entries 8 to 8 are all there" in check(clone, capsys, "--from-head")[1]
    assert check(clone, capsys)[0] == 4


def test_a_clock_that_was_set_back_is_counted(clone: Path, capsys: Capture) -> None:
    # Seven entries at 0 to 6, and one more at 0.
    assert "the clock was set back 1 times" in check(clone, capsys)[1]


def test_a_journal_in_postgresql_is_sealed_and_checked_alike(
    clone: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncpg

    server = PostgresServer()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    try:
        address = server.new_database()
        asyncio.run(write_at(address, 4))
        assert main(["journal", "--seal", "--clone", str(clone), "--journal", address]) == 0
        whole = check(clone, capsys, "--journal", address)

        async def edit_there() -> None:
            connection = await asyncpg.connect(address)
            await connection.execute("UPDATE fairmark.entries SET decision = 0 WHERE number = 2")
            await connection.close()

        asyncio.run(edit_there())
        forged = check(clone, capsys, "--journal", address)
    finally:
        server.remove()

    assert (whole[0], forged[0]) == (0, 4)
    assert "entry 2: must be what was written" in forged[1]


def test_nothing_is_sealed_of_a_forged_journal(clone: Path) -> None:
    edit(clone, "UPDATE entries SET decision = 0 WHERE number = 8")

    assert main(["journal", "--seal", "--clone", str(clone)]) == 4
    assert len(trail.entries(clone)) == 1


def test_what_is_erased_is_still_checked_and_counted(clone: Path, capsys: Capture) -> None:
    words = ["journal", "--expire", "--reason", "its time is over", "--clone", str(clone)]

    assert main(words) == 0

    code, told = check(clone, capsys)
    assert code == 0
    assert "8 of them without their personal part, each by an erasure on record" in told


def test_a_person_is_forgotten_by_their_own_id(
    clone: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRMARK_SUBJECT_KEY", KEY)

    async def act(kept: list[Membership]) -> list[Membership]:
        journal, groups = (
            await open_journal(str(clone / ".fairmark/journal.db")),
            await open_memberships(str(clone / ".fairmark/memberships.db")),
        )
        mine = (await journal.after(0, 1))[0].entry.id
        await groups.add_memberships([Membership(mine, "sex", {"Female": 1.0}), *kept])
        return await groups.of_decisions([mine, "other"])

    other = Membership("other", "sex", {"Male": 1.0})
    asyncio.run(act([other]))
    capsys.readouterr()

    words = ["forget", "--id", "Ann", "--reason", "asked", "--journal", "--clone", str(clone), "--json"]
    assert main(words) == 0

    assert json.loads(capsys.readouterr().out)["journal"] == {"entries": 8, "memberships": 1}
    assert b"Ann" not in b"".join(path.read_bytes() for path in (clone / ".fairmark").iterdir())
    assert [json.loads(each.text)["what"]["action"] for each in trail.entries(clone)] == ["journal", "forget"]


def test_what_is_kept_too_long_is_listed_with_what_ends_it(clone: Path, capsys: Capture) -> None:
    capsys.readouterr()
    git(clone, "commit", "-q", "--allow-empty", "-m", "one")

    assert main(["retention", "--clone", str(clone)]) == 1

    told = capsys.readouterr().out
    assert "journal 8 entries: of 1970-01-01" in told
    assert "fairmark journal --expire" in told


def test_a_journal_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert main(["journal", "--check", "--clone", str(tmp_path)]) == 1
    assert [*tmp_path.iterdir()] == []
