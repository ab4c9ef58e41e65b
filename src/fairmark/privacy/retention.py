"""What is kept for longer than params.privacy.retention allows, and the command that takes it away.

Nothing is deleted here but by `cut`, which a person asks for. The age of a version of the data is that of the
commit which brought it, of a release that of its tag, of an entry of the audit trail its own time.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import StateError, UsageError
from fairmark.files import lines_of
from fairmark.governance.flow_runs import COMPLETED
from fairmark.governance.trail import REF, append, entries, rewrite
from fairmark.params.read import Params
from fairmark.repo.data_versions import Version, address_in, gone, remotes, rewriting, versions
from fairmark.repo.git import need


@dataclass(frozen=True)
class Overdue:
    """One thing that is kept too long.

    Parameters
    ----------
    kind
        `data`, `release` or `trail`.
    name
        The version's address, the release's tag, or the numbers of the entries.
    since
        Its day.
    days
        How many days more than allowed it has been kept.
    command
        What takes it away; lines that begin with `#` say what else there is to know.
    """

    kind: str
    name: str
    since: dt.date
    days: int
    command: str


def overdue(root: Path, params: Params, today: dt.date) -> list[Overdue]:
    """Return everything that is older than the params allow on the day `today`.

    Raises
    ------
    StateError
        When `root` is in no git repository.
    """
    times = params.privacy.retention
    return [
        *_data(root, today, times.data_days),
        *_releases(root, params.project.name, today, times.releases_days),
        *_trail(root, today, times.trail_days),
    ]


def cut(root: Path, through: int, reason: str) -> int:
    """Take the entries 1 to `through` out of the trail, after saying so in a new one; return how many stay.

    Raises
    ------
    UsageError
        When the trail does not hold those entries, or would be left with none.
    """
    kept = entries(root)
    if not kept or not kept[0].number <= through < kept[-1].number:
        held = f"{kept[0].number} to {kept[-1].number}" if kept else "none"
        raise UsageError(f"--cut: must name an entry other than the newest, got {through} of {held}")
    if not reason.strip():
        raise UsageError("--reason: must say why, got nothing")
    # Said before it is done: a trail may tell of a cut that failed, never be cut without telling.
    newest = append(root, {"action": "cut", "through": through, "reason": reason}, COMPLETED)
    left = [*(entry for entry in kept if entry.number > through), newest]
    rewrite(root, left)
    return len(left)


def _data(root: Path, today: dt.date, days: int) -> list[Overdue]:
    """Return the versions of the data, each named by data.dvc in some commit, that are too old."""
    used = address_in(root, "HEAD")
    return [
        _overdue("data", each.address, each.since, today, days, _purge(root, each, used, today, days))
        for each in versions(root)
        if (today - each.since).days > days and (each.address == used or not gone(root, each.address))
    ]


def _purge(root: Path, version: Version, used: str | None, today: dt.date, days: int) -> str:
    if version.address == used:
        return "put newer data in its place, `dvc add data` and commit data.dvc: it is the version in use"
    # DVC keeps what the commits since that day used, and what the one checked out uses.
    gc = f"dvc gc --workspace --date {today - dt.timedelta(days=days)}"
    cloud = [f"{gc} --cloud --remote {name}" for name in remotes(root)]
    return "; ".join([gc, *cloud, *rewriting(root, version.address, str(used))])


def _releases(root: Path, name: str, today: dt.date, days: int) -> list[Overdue]:
    form = "--format=%(creatordate:unix) %(refname:short)"
    lines = lines_of(need(root, "list its tags", "for-each-ref", form, f"refs/tags/{name}@v*"))
    found = []
    for line in lines:
        seconds, tag = line.split(" ", 1)
        folder = f"releases/{tag.replace('@', '-')}"
        command = f"rm -r {folder}; git tag -d {tag}; git push REMOTE :refs/tags/{tag}"
        found.append(_overdue("release", tag, _day(int(seconds)), today, days, command))
    return [each for each in found if each.days > 0]


def _trail(root: Path, today: dt.date, days: int) -> list[Overdue]:
    kept = entries(root)
    # The newest stays whatever its age: the chain goes on from it.
    old = [entry for entry in kept[:-1] if (today - _written(entry.when)).days > days]
    if not old:
        return []
    last = old[-1].number
    cut_off = f'fairmark trail --cut {last} --reason "kept for {days} days"'
    command = f"{cut_off}; git push --force REMOTE {REF}"
    name = f"entries {old[0].number} to {last}"
    return [_overdue("trail", name, _written(old[0].when), today, days, command)]


def _overdue(kind: str, name: str, day: dt.date, today: dt.date, days: int, command: str) -> Overdue:
    return Overdue(kind, name, day, (today - day).days - days, command)


def _day(seconds: int) -> dt.date:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).date()


def _written(when: str) -> dt.date:
    try:
        return dt.date.fromisoformat(when[:10])
    except ValueError as error:
        raise StateError(f"audit trail: must tell the time of an entry, got {when[:30]!r}") from error
