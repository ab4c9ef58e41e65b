"""Whether a verdict still stands: a waiver or an override that it rests on may have expired since."""

import datetime as dt
from pathlib import Path

from fairmark.errors import RefusedError
from fairmark.release.checks.opened import Opened


def refuse_lapsed(folder: Path, today: dt.date) -> None:
    """Do nothing when the release in `folder`, which was verified, would pass today as well.

    Raises
    ------
    RefusedError
        Naming each comparison that rests on a waiver or an override which does not stand any more.
    """
    from fairmark.judge.verdict import judge
    from fairmark.params import typed
    from fairmark.sections.policy import Policy

    release = Opened(folder)
    if not any(each["gate"] and each["waived_by"] for each in release.verdict["findings"]):
        return
    policy = typed(Policy, release.params["policy"], "params.yaml: policy")
    now = judge(release.measurements, policy, today)
    open_ = [f"{each.limit}: {each.text}" for each in now.findings if each.gate and not each.met]
    if open_:
        raise RefusedError(
            f"{folder.name}: verdict must still pass on {today}, got {now.outcome} (release again, with "
            "a policy that says who decides now)",
            *dict.fromkeys(open_),
        )
