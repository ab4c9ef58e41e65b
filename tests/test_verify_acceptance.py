"""Whatever `verify` can refuse is refused before anything is signed with the maker's key, named or tagged."""

from pathlib import Path

import pytest
from maker_and_forger import MINE
from release_folder import git, verdict_on

from fairmark.errors import FairmarkError, StateError, UndeterminedError, VerificationError
from fairmark.params.read import read_params
from fairmark.release import seal
from fairmark.release.build import assemble
from fairmark.release.layout import SEALS
from fairmark.repo.commit import trace
from fairmark.signing.git_tags import set_tag
from fairmark.verify import verify
from fairmark.verify.verify import Acceptance

pytest_plugins = ("release_fixtures",)
pytestmark = pytest.mark.usefixtures("quick_bill")

SIGNED = [f"seal {name}" for name in SEALS]
NAMED = [*verify.CHECKS, *SIGNED, "commit", "tag", "tag seal"]
"""Every fact that `verify` tells of a release in a clone."""


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep which keys sealed anything."""
    by: list[str] = []
    sealing = seal.seal_release

    def sealed(folder: Path, statement: object, key: object) -> None:
        by.append(key.public.keyid)  # type: ignore[attr-defined]
        sealing(folder, statement, key)  # type: ignore[arg-type]

    monkeypatch.setattr("fairmark.release.build.seal_release", sealed)
    return by


def make(root: Path, made: Acceptance) -> Path:
    params, seen, verdict = read_params(root / "params.yaml"), trace(root), verdict_on(root)
    folder = root / "releases" / "loans-v0.1.0"
    return assemble(root, folder, "v0.1.0", seen, params, verdict, MINE, made)


def accepting(root: Path) -> Acceptance:
    return Acceptance(root, "loans", "v0.1.0", "A release", trace(root).commit, MINE, tagged=False)


def broken(name: str, error: FairmarkError, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **given: object) -> str:
        if name in SIGNED and given.get("name") != name.removeprefix("seal "):
            return "holds"
        raise error

    if name in verify.CHECKS:
        monkeypatch.setattr(verify, "CHECKS", {**verify.CHECKS, name: refuse})
    elif name in SIGNED:
        monkeypatch.setattr(seal, "signed", refuse)
    else:
        monkeypatch.setattr(verify, f"check_{name.replace(' ', '_')}", refuse)


def test_the_facts_are_all_that_verify_tells(working: Path) -> None:
    made = accepting(working)
    folder = make(working, made)

    assert sorted(fact.name for fact in made.facts) == sorted(NAMED)
    assert all(fact.held for fact in made.facts)
    assert git(working, "tag") == ""  # it has an object, and no name yet
    set_tag(working, "loans@v0.1.0", str(made.tag))
    assert all(fact.held for fact in verify.verify(folder, working, MINE.public))


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (VerificationError("it is wrong"), VerificationError, 4),
        (StateError("nobody knows"), UndeterminedError, 5),
    ],
)
def test_each_check_that_fails_leaves_nothing(
    working: Path,
    watched: list[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: FairmarkError,
    kind: type[FairmarkError],
    code: int,
) -> None:
    if name == "files" and kind is UndeterminedError:
        pytest.skip("what a folder holds is always told")
    broken(name, error, monkeypatch)
    before = git(working, "for-each-ref")

    with pytest.raises(kind, match=f"{name}: ") as found:
        make(working, accepting(working))
    assert found.value.exit_code == code
    assert list((working / "releases").iterdir()) == []
    assert git(working, "for-each-ref") == before
    if name not in verify.TAG:
        assert MINE.public.keyid not in watched


def test_a_release_with_another_clones_environment_is_refused_unsigned(
    working: Path, watched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fairmark.release.sbom import build

    listed = build.bill

    def of_another(*given: object) -> object:
        made = listed(*given)  # type: ignore[arg-type]
        kept = tuple(each for each in made.components if each.name != "numpy")
        return made.model_copy(update={"components": kept})

    monkeypatch.setattr(build, "bill", of_another)
    with pytest.raises(VerificationError, match="WRONG bill: "):
        make(working, accepting(working))
    assert list((working / "releases").iterdir()) == []
    assert MINE.public.keyid not in watched
