"""The section `serve`: who decides, what is referred to a person, what is kept, and how a canary grows.

It travels in the release's params.yaml: a release is served under the policy that it was signed
with. Where it runs, with which keys and which database, is the environment's.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fairmark.params.base import Count, OpenShare, Section, Share, Text

Mode = Literal["in_the_loop", "on_the_loop", "in_command"]


class Refer(Section):
    """Which decisions a person takes: each that one of these holds for."""

    adverse: bool
    """Decisions of 0, where 0 is the worse answer for the person."""
    confidence_below: Share
    """Decisions whose probability of being right, by the calibrated score, is less: 0 refers none."""
    unknown_category: bool
    """Rows with a category that no train row had."""
    out_of_range: bool
    """Rows with a number or a date outside what train rows had."""
    sparse: bool
    """Rows in a region with fewer train rows than `sparse_rows`."""


class Oversight(Section):
    """How people oversee the decisions (Regulation (EU) 2024/1689, Article 14)."""

    mode: Mode
    """`in_the_loop`: a person confirms each decision that `refer` names before it stands; `on_the_loop`: each
    goes out, and a person can overturn it for `overturn_days`; `in_command`: as `on_the_loop`, but nothing is
    answered until a named person has opened the service for this release."""
    refer: Refer
    sparse_rows: Count
    """Fewest train rows in a row's bins of every feature, as counted by the release's reference."""
    overturn_days: Count
    review_days: Count
    """Until a referred decision is due."""
    contest_days: Count
    """Until a person's objection is due."""
    adverse_decision: Literal[0, 1]
    """The decision that is worse for the person: 0 for credit, 1 for fraud."""


class RequestLimits(Section):
    """The largest request that is read at all."""

    body_bytes: Count
    rows: Count
    depth: Count
    number_length: Count
    """Characters of a number."""
    requests: Count
    """Of one key in `seconds`."""
    seconds: Count


class Kept(Section):
    """The journal: how entries are sealed, and for how long personal data stays in it."""

    segment: Count
    """Entries between two signed heads, at most."""
    days: Count
    """After which inputs of a decision are erased, and its outcome, reasons and digest stay."""


class Canary(Section):
    """How a new release takes over from the one in production, on evidence."""

    level: OpenShare
    """Chance that a canary beyond a limit is promoted, and that one within all limits is returned, each over
    all looks together."""
    shadow: Count
    """Decisions that both models score before anybody is exposed."""
    shares: Annotated[list[OpenShare], Field(min_length=1)]
    """Of the traffic, growing."""
    block: Count
    """Decisions between two looks: bets are laid anew after each block."""
    least: Count
    """Decisions of the canary at each share before it grows."""
    most: Count
    """Decisions over all shares, after which no answer is `insufficient evidence`, for a named person."""
    most_days: Count
    """Days after which the same holds, however few decisions came."""
    hold: Count
    """Decisions after it took over, during which harm still takes it back, by evidence of that time alone."""
    silent_minutes: Count
    """After which a canary that nobody has looked at is halted by the services themselves."""
    harm: OpenShare
    """Beyond a limit or a margin by so much: the harm that `fairmark canary plan` tells the delay of."""
    quality_margin: OpenShare
    """How much smaller the canary's accuracy may be than the champion's, where outcomes came."""
    outcomes_from: Count | None
    """Outcomes of the canary from which its quality must be shown before a promotion: a few show nothing.
    Below it, and always with null, harm to quality returns it, and a promotion rests on the test rows."""
    wait_for_outcomes: bool
    """Whether a promotion waits until outcomes show the gated limits that need them, and quality; a policy
    without such limits waits for none. false rests on the test rows until `outcomes_from` came: for outcomes
    that come after months."""
    group_margin: OpenShare | None
    """How much smaller the share of any group that gets the better decision may be than the champion's, on
    the rows of the shadow that both decided; null asks nothing."""
    fault_rate: OpenShare
    """Largest share of requests that end in the fallback."""
    latency_ms: Annotated[float, Field(gt=0)]
    """Largest time of the share `latency_share` of requests."""
    latency_share: OpenShare

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if sorted(set(self.shares)) != self.shares:
            raise ValueError(f"shares must grow, got {self.shares}")
        if self.most < self.least * len(self.shares):
            raise ValueError(f"most must be at least least times the shares, got {self.most}")
        if self.wait_for_outcomes and self.outcomes_from is None:
            raise ValueError("outcomes_from must be a number with wait_for_outcomes, got null")
        if self.block > self.least:
            raise ValueError(f"block must be at most least, got {self.block}")
        return self


class Serve(Section):
    """How a release is served."""

    oversight: Oversight
    reasons: Annotated[int, Field(ge=1, le=4)]
    """Reason codes beside an adverse or referred decision, at most: more than four are not likely to be
    helpful (12 CFR 1002.9, supplement I, comment 9(b)(2)-1). Their texts stand in `explain.texts`."""
    limits: RequestLimits
    journal: Kept
    canary: Canary
    contact: Text
    """Whom a person turns to who objects to a decision."""
