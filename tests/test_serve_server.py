"""What a service loads and follows: verified releases alone, and what signed promotions say of a stage."""

from pathlib import Path
from typing import Any

import pytest
from fixed_keys import ADA, BOB, MAKER
from promotion_repo import NAME, digest, promote, repository
from served_release import small_scorer

from fairmark.errors import FairmarkError, StateError, UsageError, VerificationError
from fairmark.files import write_text
from fairmark.journal.place import SUBJECT_KEY
from fairmark.serve import scorer as scoring
from fairmark.serve.scorer import GOLDEN, Scorer, check_golden, golden_rows
from fairmark.serve.server import Settings, is_loopback, loaded, secret, settings_keys
from fairmark.serve.stage import promotion_in
from fairmark.signing.key_store import own_public

pytest_plugins = ("release_fixtures",)


@pytest.fixture(scope="module")
def scorer(released: Path) -> Scorer:
    return small_scorer(released)


def settings(place: Path, **given: Any) -> Settings:
    key = own_public()
    assert key is not None
    return Settings(key=key, journal="j", memberships="m", keys=place / "keys", **given)


def test_a_release_that_is_not_what_was_released_is_not_loaded(small_release: Path, tmp_path: Path) -> None:
    path = small_release / "model" / "logistic.json"
    write_text(path, path.read_text().replace("0.1", "0.2", 1))

    with pytest.raises(VerificationError, match="must be what was released before it is loaded"):
        loaded(settings(tmp_path, champion=str(small_release)), print)


def test_a_release_that_another_key_signed_is_not_loaded(released: Path) -> None:
    release = str(released / "releases" / "loans-v0.1.0")

    with pytest.raises(FairmarkError, match="seal"):
        scoring.init(release, ADA.public)


def test_a_champion_that_cannot_be_loaded_leaves_the_fallback_and_says_so(
    released: Path, tmp_path: Path
) -> None:
    release, told = str(released / "releases" / "loans-v0.1.0"), list[str]()
    router = loaded(settings(tmp_path, champion=str(tmp_path / "none"), fallback=release), told.append)

    assert (router.champion, router.lead.version) == (None, "v0.1.0")
    assert "loans-v0.1.0 answers instead" in told[0]


def test_golden_rows_are_the_same_each_time_and_meet_every_category(scorer: Scorer) -> None:
    first, again = golden_rows(scorer), golden_rows(scorer)

    assert [row.matrix.tobytes() for row in first] == [row.matrix.tobytes() for row in again]
    assert len(first) == GOLDEN
    home = scorer.features.index("home")
    assert {str(row.matrix[home]) for row in first} == {"0.0", "1.0", "nan"}


def test_a_path_that_scores_golden_rows_to_other_bits_is_refused(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_golden(scorer)
    monkeypatch.setattr(scorer.model.scorer, "raw", lambda _: 0.1)

    with pytest.raises(VerificationError, match="golden rows must score alike"):
        check_golden(scorer)


def test_a_stage_holds_what_its_last_signed_promotion_says(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo")
    promote(root, "production", "v0.1.0", 1)
    promote(root, "staging", "v0.3.0", 2)
    promote(root, "production", "v0.2.0", 3)

    held = [promotion_in(root, NAME, stage, [MAKER.public]) for stage in ("production", "staging")]
    assert [(each.version, each.digest) for each in held] == [
        (version, digest(version)) for version in ("v0.2.0", "v0.3.0")
    ]
    with pytest.raises(StateError, match="canary: must hold a release of loans, got none"):
        promotion_in(root, NAME, "canary", [MAKER.public])


def test_a_promotion_that_nobody_may_sign_is_not_followed(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo")
    promote(root, "production", "v0.1.0", 1, by=BOB)

    with pytest.raises(VerificationError, match="must be one signed and approved chain"):
        promotion_in(root, NAME, "production", [MAKER.public])


def test_a_promotion_that_nobody_approved_is_not_followed(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo")
    promote(root, "production", "v0.1.0", 1, approvals=[])

    with pytest.raises(VerificationError, match="must carry the approvals of 1 people, got 0"):
        promotion_in(root, NAME, "production", [MAKER.public])


def test_the_secret_of_pseudonyms_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, got in ((None, "none"), ("short", "5 bytes")):
        monkeypatch.delenv(SUBJECT_KEY, raising=False)
        if text is not None:
            monkeypatch.setenv(SUBJECT_KEY, text)
        with pytest.raises(UsageError, match=f"16 bytes at least .*got {got}"):
            secret()


def test_the_file_of_keys_must_be_named() -> None:
    with pytest.raises(UsageError, match="FAIRMARK_SERVICE_KEYS: must name the file"):
        settings_keys(None)


@pytest.mark.parametrize(("host", "inside"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])  # noqa: S104 - none is listened at
def test_what_others_can_reach_is_told(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside
