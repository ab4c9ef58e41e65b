"""Nothing that was written into the audit trail is lost, changed or put elsewhere without being told."""

import base64
import calendar
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from release_folder import git

from fairmark.errors import InputError, StateError, VerificationError
from fairmark.governance import trail, verify_trail
from fairmark.privacy.retention import cut
from fairmark.repo.git import git as run_git
from fairmark.signing.key_store import own_key
from fairmark.signing.keys import SigningKey

EVENT, ADA = {"action": "began"}, trail.Identity("Ada", None)


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own key and git settings out of it."""
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("FAIRMARK_KEY", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty repository."""
    folder = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    return folder


@pytest.fixture
def key() -> SigningKey:
    """Return the user's own key, just made."""
    return own_key(make=True)


def written(root: Path, count: int) -> list[dict[str, Any]]:
    """Write some entries and return the JSON in which all are kept."""
    for number in range(count):
        trail.append(root, {**EVENT, "n": number}, "began", who=ADA)
    return as_json(trail.entries(root))


def as_json(kept: list[trail.Entry]) -> list[dict[str, Any]]:
    return [json.loads(entry.text) for entry in kept]


def canonical(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(entry: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(entry)).hexdigest()


def parsed(kept: list[dict[str, Any]]) -> list[trail.Entry]:
    return [trail.parse(canonical(entry), "it") for entry in kept]


def replaced(root: Path, kept: list[dict[str, Any]]) -> None:
    """Put other entries in the place of the trail, as somebody with git at hand can."""
    parent: list[str] = []
    for entry in kept:
        blob = subprocess.run(
            ["git", "-C", str(root), "hash-object", "-w", "--stdin"],
            input=canonical(entry) + b"\n", capture_output=True, check=True,
        ).stdout.decode().strip()  # fmt: skip
        tree = subprocess.run(
            ["git", "-C", str(root), "mktree"],
            input=f"100644 blob {blob}\tentry.json\n", text=True, capture_output=True, check=True,
        ).stdout.strip()  # fmt: skip
        who = ("-c", "user.name=x", "-c", "user.email=x")
        commit = git(root, *who, "commit-tree", tree, *parent, "-m", "x").strip()
        parent = ["-p", commit]
    git(root, "update-ref", trail.REF, parent[1])


# ------------------------------------------------------------------ written


def test_an_empty_trail_has_no_head_and_no_entries(root: Path) -> None:
    assert trail.head(root) is None
    assert trail.entries(root) == []
    assert verify_trail.check(root).last == 0


def test_entries_are_numbered_and_each_names_the_one_before_by_its_sha256(root: Path) -> None:
    first, second = written(root, 2)

    assert (first["number"], first["previous"]) == (1, "0" * 64)
    assert second["number"] == 2
    assert second["previous"] == digest(first)


def test_the_head_is_what_append_returns(root: Path) -> None:
    assert trail.append(root, EVENT, "began").digest == trail.head(root)


def test_the_time_is_that_of_writing_in_utc(root: Path) -> None:
    before = time.time()
    (entry,) = written(root, 1)

    then = calendar.timegm(time.strptime(entry["when"], "%Y-%m-%dT%H:%M:%SZ"))
    assert before - 1 <= then <= time.time()


def test_the_tree_stays_clean_and_each_commit_holds_one_file(root: Path) -> None:
    written(root, 3)

    assert git(root, "status", "--porcelain") == ""
    assert git(root, "ls-tree", "--name-only", trail.REF).split() == ["entry.json"]
    assert git(root, "rev-list", "--count", trail.REF).strip() == "3"


def test_texts_of_any_kind_come_back_as_they_were(root: Path) -> None:
    text = "naïve \N{SNOWMAN}\r\n\t\"'\\ \0 \udc80"
    trail.append(root, EVENT, text)

    assert trail.entries(root)[0].outcome == text.replace("\udc80", "?")


def test_a_folder_without_git_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="must be a git repository"):
        trail.append(tmp_path, EVENT, "began")
    with pytest.raises(StateError, match="must be a git repository"):
        trail.entries(tmp_path)


def test_the_commits_carry_no_persons_name(root: Path) -> None:
    written(root, 1)

    shown = git(root, "log", "--format=%an %ae %cn %ce", trail.REF).strip()
    assert shown == "fairmark fairmark@localhost fairmark fairmark@localhost"


def test_many_writers_at_once_lose_nothing(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fairmark.governance import trail\n"
        "for n in range(5): trail.append(Path(sys.argv[1]), {'n': n}, 'x')"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(root)]) for _ in range(4)]

    assert [each.wait(60) for each in started] == [0] * 4
    assert verify_trail.check(root).last == 20


def test_a_writer_that_takes_no_lock_of_ours_is_not_overwritten(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(root, 2)

    def overtaken(*words: Any, **given: Any) -> Any:
        answer = run_git(*words, **given)
        if words[1] == "commit-tree":
            git(root, "update-ref", trail.REF, f"{trail.REF}~1")  # as a fetch of the ref would
        return answer

    monkeypatch.setattr("fairmark.governance.trail.git", overtaken)

    with pytest.raises(StateError, match="must take a new entry"):
        trail.append(root, EVENT, "began", who=ADA)
    assert len(trail.entries(root)) == 1


def test_a_lock_that_a_killed_git_left_is_taken_away(root: Path) -> None:
    written(root, 1)
    lock = root / ".git" / f"{trail.REF}.lock"
    lock.write_text("")
    os.utime(lock, (time.time() - 60, time.time() - 60))

    trail.append(root, EVENT, "began", who=ADA)

    assert len(trail.entries(root)) == 2
    assert not lock.exists()


def test_an_entry_costs_six_calls_of_git_however_long_the_trail_is(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(root, 5)
    called: list[Sequence[str]] = []

    def counted(words: Sequence[str], *rest: Any, **given: Any) -> Any:
        called.append(words)
        return popen(words, *rest, **given)

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", counted)
    trail.append(root, EVENT, "began", who=ADA)

    assert len(called) == 6, called


# ------------------------------------------------------------------ signed


def test_without_a_key_an_entry_is_not_signed(root: Path) -> None:
    assert written(root, 1)[0]["signature"] is None


def test_the_own_key_signs_what_openssl_verifies(root: Path, key: SigningKey, tmp_path: Path) -> None:
    (entry,) = written(root, 1)
    (tmp_path / "sig").write_bytes(base64.b64decode(entry["signature"]["sig"]))
    (tmp_path / "data").write_bytes(canonical({key: entry[key] for key in entry if key != "signature"}))
    (tmp_path / "key").write_text(key.public.pem)

    words = ["dgst", "-sha256", "-verify", "key", "-signature", "sig", "data"]
    done = subprocess.run(["openssl", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Verified OK"
    assert entry["signature"]["keyid"] == key.public.keyid


def test_a_key_vouches_for_its_last_entry_and_all_before_it(root: Path) -> None:
    written(root, 2)
    key = own_key(make=True)
    written(root, 1)
    (key.path or root).rename(root / "away")
    written(root, 1)

    found = verify_trail.check(root, [key.public])
    assert (found.vouched, found.last, found.signers) == (3, 4, {key.public.keyid: 1})
    assert verify_trail.check(root).strangers == {key.public.keyid: 1}


# ------------------------------------------------------------------ told


def edited(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*kept[:2], kept[2] | {"outcome": "completed"}, *kept[3:]]


def renumbered(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [kept[0], kept[2], kept[1], *kept[3:]]


def dropped(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*kept[:2], *kept[3:]]


def beheaded(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return kept[1:]


def doubled(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*kept[:2], kept[1], *kept[2:]]


@pytest.mark.parametrize("change", [edited, renumbered, dropped, beheaded, doubled])
def test_an_entry_edited_moved_dropped_or_repeated_is_told(root: Path, change: Any) -> None:
    kept = written(root, 5)
    replaced(root, kept)
    verify_trail.check(root)  # no false alarm
    replaced(root, change(kept))

    with pytest.raises(VerificationError, match=r"entry [234]"):
        verify_trail.check(root)


def test_an_edit_with_the_chain_mended_after_it_is_told_by_the_signatures(
    root: Path, key: SigningKey
) -> None:
    kept = written(root, 3)
    kept[1]["who"] = {"name": "Nobody"}
    kept[2]["previous"] = digest(kept[1])
    replaced(root, kept)

    verify_trail.checked(trail.entries(root))  # the chain alone can't tell
    with pytest.raises(VerificationError, match=r"entry 2: must be signed by key(.|\n)*entry 3"):
        verify_trail.check(root, [key.public])


def test_signatures_taken_off_leave_nobody_who_vouches(root: Path, key: SigningKey) -> None:
    kept = written(root, 2)
    bare = [kept[0] | {"signature": None}, kept[1] | {"signature": None}]
    bare[1]["previous"] = digest(bare[0])
    replaced(root, bare)

    assert verify_trail.check(root, [key.public]).vouched == 0


def test_a_tag_that_names_a_later_head_tells_a_shortened_trail(root: Path) -> None:
    kept = written(root, 3)
    who = ("-c", "user.name=x", "-c", "user.email=x")
    note = f"x\n\nTrail: {digest(kept[2])}\n"
    git(root, *who, "tag", "-a", "-m", note, "loans#production#1", trail.REF)
    verify_trail.check(root)
    replaced(root, kept[:2])

    with pytest.raises(VerificationError, match="tag loans#production#1: must name an entry"):
        verify_trail.check(root)


def test_a_new_clone_without_the_trail_is_told_how_to_fetch_it(root: Path, tmp_path: Path) -> None:
    kept = written(root, 3)
    who = ("-c", "user.name=x", "-c", "user.email=x")
    note = f"x\n\nTrail: {digest(kept[2])}\n"
    git(root, *who, "tag", "-a", "-m", note, "loans#production#1", trail.REF)
    clone = tmp_path / "clone"
    git(root, "clone", "-q", str(root), str(clone))

    with pytest.raises(
        StateError, match=r"must be here, .*1 of the tags .*\(git fetch REMOTE refs/fairmark/trail"
    ):
        verify_trail.check(clone)
    git(clone, "fetch", "-q", "origin", f"{trail.REF}:{trail.REF}")
    assert verify_trail.check(clone).last == 3


def test_an_export_tells_what_the_trail_has_lost(root: Path, tmp_path: Path) -> None:
    kept = written(root, 3)
    path = tmp_path / "trail.jsonl"
    path.write_bytes(b"".join(canonical(entry) + b"\n" for entry in kept))
    seen = verify_trail.read_export(path)
    verify_trail.compare(parsed(kept), seen, "trail.jsonl")

    with pytest.raises(VerificationError, match="must hold entries 3 to 3"):
        verify_trail.compare(parsed(kept[:2]), seen, "trail.jsonl")
    with pytest.raises(
        VerificationError, match=r"entry 2: must be [0-9a-f]{12} as in trail\.jsonl, got [0-9a-f]{12}"
    ):
        verify_trail.compare(parsed([kept[0], kept[1] | {"outcome": "y"}, kept[2]]), seen, "trail.jsonl")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"number": True}, "entry must have a whole number above 0, got true"),
        ({"number": "1"}, "entry must have a whole number above 0, got "),
        ({"previous": None}, "previous must be a text, got null"),
        ({"when": 1}, "when must be a text, got 1"),
        ({"outcome": []}, r"outcome must be a text, got \[\]"),
        ({"signature": {"keyid": "x"}}, "signature must hold keyid and sig, got "),
        ({"signature": "x"}, "signature must hold keyid and sig, got "),
    ],
)
def test_an_entry_of_another_shape_is_refused_and_nothing_goes_on_from_it(
    root: Path, change: dict[str, Any], fault: str
) -> None:
    (entry,) = written(root, 1)
    replaced(root, [entry | change])

    with pytest.raises(VerificationError, match=fault):
        trail.entries(root)
    with pytest.raises(VerificationError, match=fault):
        trail.append(root, EVENT, "began", who=ADA)


def test_what_another_version_wrote_of_a_run_is_kept_and_hides_nothing(root: Path) -> None:
    (entry,) = written(root, 1)
    strange = entry | {"who": "Ada", "what": {"action": 7, "began": True, "without_end": ["1"], "x": {}}}
    replaced(root, [strange])

    (read,) = trail.entries(root)

    assert (read.who, read.event) == (trail.Identity(None, None), trail.Event())
    assert read.to_json() == strange
    assert verify_trail.check(root).last == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}\n", "must hold number"),
        ("[" * 20_000 + "\n", "must be JSON"),
        ('{"number": 1}', "must end with a whole line"),
    ],
)
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "x").write_text(text)

    with pytest.raises(VerificationError, match=fault):
        verify_trail.read_export(tmp_path / "x")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be readable"):
        verify_trail.read_export(tmp_path / "x")


def test_spaces_in_an_exported_line_are_told(root: Path, tmp_path: Path) -> None:
    (entry,) = written(root, 1)
    (tmp_path / "x").write_text(json.dumps(entry, sort_keys=True) + "\n")

    with pytest.raises(VerificationError, match="must be canonical JSON"):
        verify_trail.read_export(tmp_path / "x")


def test_a_remote_keeps_what_is_lost_here_and_refuses_a_rewritten_trail(root: Path, tmp_path: Path) -> None:
    kept = written(root, 2)
    other = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", str(other)], check=True)
    git(root, "push", "-q", str(other), trail.REF)
    assert "holds all" in verify_trail.check_remote(root, str(other))

    replaced(root, kept[:1])

    with pytest.raises(VerificationError, match="must go on from the trail of"):
        verify_trail.check_remote(root, str(other))
    pushed = subprocess.run(
        ["git", "-C", str(root), "push", str(other), trail.REF], capture_output=True, text=True, check=False
    )
    assert "rejected" in pushed.stderr


# ------------------------------------------------------------------ cut


def test_a_cut_says_so_and_what_stays_holds(root: Path, key: SigningKey) -> None:
    kept = written(root, 4)
    cut(root, 2, "kept for 10 days")

    left = as_json(trail.entries(root))
    assert left[:2] == kept[2:]
    assert left[2]["what"] == {"action": "cut", "through": 2, "reason": "kept for 10 days"}
    assert (verify_trail.check(root, [key.public]).first, verify_trail.check(root, [key.public]).vouched) == (
        3,
        5,
    )
    assert trail.append(root, EVENT, "began").digest == trail.head(root)
    verify_trail.check(root)


def test_a_cut_that_no_entry_tells_of_is_told(root: Path) -> None:
    cut(root, written(root, 4)[1]["number"], "x")
    replaced(root, as_json(trail.entries(root))[1:])

    with pytest.raises(VerificationError, match="entry 4: must be the first, or an entry must say"):
        verify_trail.check(root)


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_chain_that_goes_on(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fairmark.governance import trail\n"
        "while True: trail.append(Path(sys.argv[1]), {}, 'x')"
    )
    last = 0
    for number in range(10):
        writing = subprocess.Popen([sys.executable, "-c", code, str(root)], start_new_session=True)
        time.sleep(0.2 + 0.013 * number)
        os.killpg(writing.pid, signal.SIGKILL)
        writing.wait()
        found = verify_trail.check(root)
        assert found.last >= last
        last = found.last

    trail.append(root, EVENT, "began", who=ADA)
    assert verify_trail.check(root).last == last + 1
