"""The small release of the tests, loaded as the service loads it, with a policy of oversight of one's own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fairmark.journal.memberships import MemoryMemberships
from fairmark.journal.store import MemoryJournal
from fairmark.model.row import Encoded, RowModel
from fairmark.serve.access import SCOPES, Access, new_key
from fairmark.serve.desk import Desk
from fairmark.serve.router import Router
from fairmark.serve.scorer import Scorer, init
from fairmark.signing.key_store import own_public
from fairmark.stats.arrays import Floats

ROW: dict[str, Any] = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}
SECRET = b"a secret of the tests"


def small_scorer(root: Path) -> Scorer:
    """Return the release of `released`, verified and loaded."""
    key = own_public()
    assert key is not None
    return init(str(root / "releases" / "loans-v0.1.0"), key)


def with_policy(scorer: Scorer, *, refer: dict[str, Any] | None = None, **oversight: Any) -> Scorer:
    """Return the same release under another policy of oversight."""
    before = scorer.params.oversight
    changed = before.model_copy(update={**oversight, "refer": before.refer.model_copy(update=refer or {})})
    return replace(scorer, params=scorer.params.model_copy(update={"oversight": changed}))


class Broken:
    """A row scorer that fails at every row."""

    path = "single row"

    def raw(self, _: Floats) -> float:
        """Fail."""
        raise RuntimeError("broken")

    raw_of = contributions = raw


def broken(scorer: Scorer, digit: str = "b") -> Scorer:
    """Return another release, which was loaded well and fails at every row."""
    model = replace(scorer.model, scorer=Broken())  # type: ignore[arg-type]
    return replace(scorer, model=model, digest="sha256:" + digit * 64, version="v0.9.0")


def other(scorer: Scorer, digit: str = "c", shift: float = 0.0) -> Scorer:
    """Return another release with the same model, its log-odds moved by `shift`."""
    calibration = scorer.model.calibration.model_copy(update={"b": scorer.model.calibration.b + shift})
    model: RowModel = replace(scorer.model, calibration=calibration)
    return replace(scorer, model=model, digest="sha256:" + digit * 64, version="v0.2.0")


def make_desk(router: Router, place: Path) -> tuple[Desk, MemoryJournal]:
    """Return a desk on a journal in memory, and that journal."""
    keys = place / "keys.jsonl"
    if not keys.exists():
        new_key(keys, "all", SCOPES)
    journal = MemoryJournal()
    access = Access(keys, router.lead.params.limits)
    return Desk(router, journal, MemoryMemberships(), access, SECRET), journal


def encoded(scorer: Scorer, row: dict[str, Any] | None = None) -> Encoded:
    """Return the numbers of a row."""
    return scorer.model.read(ROW if row is None else row)
