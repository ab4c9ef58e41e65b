"""Whether a verdict still stands: a waiver or an override that it rests on may have expired since."""

import datetime as dt
from pathlib import Path

from fairmark.errors import RefusedError
from fairmark.release.checks.opened import Opened
from fairmark.release.clock import refuse_behind


def refuse_lapsed(folder: Path, now: dt.datetime) -> None:
    """Do nothing when the release in `folder`, which was verified, would pass now as well.

    Raises
    ------
    RefusedError
        Naming each comparison that rests on a waiver or an override which does not stand any more.
    StateError
        When the clock is before the release's commit.
    """
    from fairmark.judge.verdict import judge
    from fairmark.params import typed
    from fairmark.sections.policy import Policy

    release, today = Opened(folder), now.date()
    refuse_behind(str(release.inputs["commit"]["annotations"]["committed"]), now)
    if not any(each["gate"] and each["waived_by"] for each in release.verdict["findings"]):
        return
    policy = typed(Policy, release.params["policy"], "params.yaml: policy")
    again = judge(release.measurements, policy, today)
    open_ = [f"{each.limit}: {each.text}" for each in again.findings if each.gate and not each.met]
    if open_:
        raise RefusedError(
            f"{folder.name}: verdict must still pass on {today}, got {again.outcome} (release again, with "
            "a policy that says who decides now)",
            *dict.fromkeys(open_),
        )
