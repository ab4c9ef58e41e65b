"""The watch's summary, watch.json, as one document: what lines, page, alarms and flow are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fairmark.data.reference import Reference
from fairmark.journal.entry import moment
from fairmark.params.policy import Policy
from fairmark.params.watch import Watch
from fairmark.record import Record, utc_text
from fairmark.watch.evidence import Of
from fairmark.watch.identified import EstimatedRate, KnownRate

Change = Literal[
    "covariate shift", "prior probability shift", "concept shift", "decisions", "limit", "operation"
]
"""The part of the joint distribution that moved (Moreno-Torres et al. 2012), or what else did."""


class Moved(Record):
    """A stream that carries an alarm."""

    stream: str
    share: float
    """Of the detector, 0..1."""
    since: str
    """Start of the look at which its change most likely began, ISO 8601."""
    cells: tuple[str, ...]
    """What moved most, in words, such as `Sales 11.3% to 19.0%`."""
    return_of: str | None
    """The start of an earlier change that it is alike again, and that had gone in between: a seasonal return;
    None where there is none."""
    goes_on_since: str | None = None
    """The start of a change that was told before and has not gone since; None where it is another."""


class RaisedAlarm(Record):
    """The detector reached the run length."""

    at: str
    """End of the look, ISO 8601."""
    of: Of
    """What carries most of it."""
    kinds: tuple[Of, ...]
    """All that it is of: each kind with a stream that would have raised it alone, `of` first."""
    change: Change
    value: float
    moved: tuple[Moved, ...]
    text: str


class StreamState(Record):
    """One thing that is watched, and its own detector at every look."""

    name: str
    of: Of
    values: tuple[float, ...]


class LimitState(Record):
    """A gated limit of the policy, held against what came; by always-valid bounds."""

    name: str
    measure: str
    attribute: str | None
    limit: str
    outcome: Literal["kept", "missed", "open", "unknown"]
    """kept or missed: shown at the level, at any look; open: neither; unknown: it can't be told."""
    text: str


class GroupRate(Record):
    """Decisions of one group, with bounds that hold at every look and for all groups at once."""

    attribute: str
    group: str
    rows: int
    selected: int
    value: float | None
    low: float
    high: float
    reference: float | None
    """On test rows."""


class Disparity(Record):
    """The lowest over the highest selection rate of an attribute's groups; 1 = parity."""

    attribute: str
    value: float | None
    low: float
    high: float
    lowest: str | None
    highest: str | None


class LookState(Record):
    """One look, in numbers for pictures."""

    start: str
    end: str
    decisions: int
    selection_rate: float | None
    mean_score: float | None
    referred: int
    overridden: int
    judged: int
    contests: int
    labels: int
    fallback: int
    accuracy: tuple[float, float, float] | None
    """Value, low, high; None without labels, or where it is not identified."""
    ratios: Mapping[str, tuple[float, float, float]]
    """Selection rate ratio by attribute."""
    detector: float


class DriftState(Record):
    """One feature: how far what came lies from the reference. Described, not decided by."""

    feature: str
    distance: float
    """Total variation between the last look's cells and the test rows', 0..1: the share that moved."""
    missing: float
    unseen: float
    outside: float
    """Shares of the last look's rows."""
    mean: float | None
    mean_before: float | None
    sd: float | None
    sd_before: float | None


class DelayState(Record):
    """In how many looks a stated harm is told, by simulation; None beyond 60."""

    what: str
    looks: int | None


class WatchSummary(Record):
    """watch.json."""

    release: str
    name: str
    version: str
    made: str
    window_days: int
    run_length: int
    level: float
    labels: Literal["all", "selected"]
    outcome_days: int
    decisions: int
    pending: int
    """Decisions since the last look."""
    selected: int
    referred: int
    reviews: int
    confirmed: int
    overridden: int
    contests: int
    erased: int
    arms: Mapping[str, int]
    latency: Mapping[str, int]
    """Answers by time, such as `up to 5 ms`."""
    outcomes: int
    delays: Mapping[str, int]
    """Outcomes by the days until they came."""
    looks: tuple[LookState, ...]
    watched: int
    """Streams that the detector is the mean of; `streams` holds those that rows came for."""
    streams: tuple[StreamState, ...]
    drift: tuple[DriftState, ...]
    alarms: tuple[RaisedAlarm, ...]
    limits: tuple[LimitState, ...]
    groups: tuple[GroupRate, ...]
    estimated_groups: tuple[GroupRate, ...]
    """Where only probabilities of membership are known: an estimate, which no limit is held against."""
    disparities: tuple[Disparity, ...]
    overrides: tuple[GroupRate, ...]
    """Shares of a person's decisions that overturned the model."""
    rates: tuple[KnownRate, ...]
    estimates: tuple[EstimatedRate, ...]
    harm: float
    harms: tuple[DelayState, ...]


@dataclass(frozen=True)
class Watched:
    """A release as it is watched: its name, reference, policy and how."""

    name: str
    version: str
    reference: Reference
    policy: Policy
    watch: Watch


def iso(at_us: int) -> str:
    """Return microseconds since 1970 as ISO 8601, to the second, UTC."""
    return utc_text(moment(at_us))
