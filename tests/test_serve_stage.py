"""A stage holds what was promoted to it by a signed chain, with its approvals, and nothing else is served."""

from pathlib import Path

import promotion_repo
import pytest
from fixed_keys import MAKER, key
from promotion_repo import NAME, digest, repository

from fairmark.errors import StateError, VerificationError
from fairmark.serve.stage import promotion_in


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = repository(tmp_path / "repo")
    promotion_repo.promote(made, "production", "v0.1.0", 1)
    return made


def held(root: Path, stage: str = "production") -> tuple[str, str]:
    of = promotion_in(root, NAME, stage, [MAKER.public])
    return of.version, of.digest


def test_a_stage_holds_what_was_promoted_last_and_a_rollback_takes_back(root: Path) -> None:
    assert held(root) == ("v0.1.0", digest("v0.1.0"))
    promotion_repo.promote(root, "production", "v0.2.0", 2)
    assert held(root) == ("v0.2.0", digest("v0.2.0"))
    promotion_repo.promote(root, "production", "v0.1.0", 3, action="rollback")
    assert held(root) == ("v0.1.0", digest("v0.1.0"))


def test_a_promotion_that_nobody_approved_is_not_followed(root: Path) -> None:
    promotion_repo.promote(root, "production", "v0.2.0", 2, approvals=[])

    with pytest.raises(VerificationError, match="must carry the approvals of 1 people, got 0"):
        held(root)


def test_a_promotion_by_an_unknown_key_is_not_followed(root: Path) -> None:
    promotion_repo.promote(root, "production", "v0.2.0", 2, by=key("a forger"))

    with pytest.raises(VerificationError, match="one signed and approved chain"):
        held(root)


def test_a_stage_to_which_nothing_was_promoted_holds_nothing(root: Path) -> None:
    with pytest.raises(StateError, match="staging: must hold a release of loans, got none"):
        held(root, "staging")
