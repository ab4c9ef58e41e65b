"""Which way the file `approvers` moved: who may sign more, and who less."""

from collections.abc import Sequence

from fairmark.release.decisions.approvers import FILE, NAMESPACES, Approver
from fairmark.release.decisions.direction import LOOSENED, NEUTRAL, TIGHTENED, Change


def approver_changes(old: Sequence[Approver], new: Sequence[Approver]) -> list[Change]:
    """Return every change between two lists of approvers.

    The first who may sign for a namespace at all loosen nothing: before them nobody could. So to leave a
    namespace to nobody loosens it.
    """
    found = []
    for each in new:
        if each in old:
            continue
        before = [one for one in old if (one.principal, one.key) == (each.principal, each.key)]
        added = [ns for ns in each.namespaces if not any(_within(each, ns, one) for one in before)]
        first = [ns for ns in added if not any(one.may(ns) for one in old)]
        if not added:
            found.append(Change(FILE, TIGHTENED, f"{each.principal}'s key may do less, or for less long"))
        elif first == added:
            found.append(Change(FILE, NEUTRAL, f"{each.principal} is the first with {', '.join(added)}"))
        else:
            text = f"{each.principal}'s key {each.key.keyid[:16]}… is given {', '.join(added)}"
            found.append(Change(FILE, LOOSENED, f"{text}{' for longer' if before else ''}", heavy=True))
    # Without this the next ones would be the first, and need nobody.
    found += [
        Change(
            FILE,
            LOOSENED,
            f"nobody may sign for {ns} any more: whoever is named next would be the first",
            heavy=True,
        )
        for ns in NAMESPACES
        if any(each.may(ns) for each in old) and not any(each.may(ns) for each in new)
    ]
    left = {each.key for each in new}
    gone = [each for each in old if each.key not in left]
    return found + [
        Change(
            FILE,
            TIGHTENED,
            f"{each.principal}'s key {each.key.keyid[:16]}… is taken out: what it signed can't be checked "
            "any more (give it an end instead)",
        )
        for each in gone
    ]


def _within(new: Approver, namespace: str, old: Approver) -> bool:
    """Return whether what a line gives for a namespace was given before, for as long."""
    after = old.valid_after is None or (new.valid_after is not None and new.valid_after >= old.valid_after)
    until = old.valid_before is None or (
        new.valid_before is not None and new.valid_before <= old.valid_before
    )
    return old.may(namespace) and after and until
