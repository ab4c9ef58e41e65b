"""The paths under /v1 beside the one that decides: cases, outcomes, memberships, and the release itself.

Requests are strict pydantic models, whose faults are all told; answers are the structs of `serve.cases`. Each
path names the scope that a key must have.
"""

import json
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BeforeValidator, ConfigDict, Field

from fairmark.errors import UsageError
from fairmark.journal.memberships import Membership
from fairmark.record import Record
from fairmark.serve import cases
from fairmark.serve.access import Caller, Scope
from fairmark.serve.body import Fault, Problem, Refused, encode
from fairmark.serve.decision import Answer, Answers
from fairmark.serve.desk import Desk

JSON, PROBLEM = "application/json", "application/problem+json"
HEX = r"^[0-9a-f]{32}$"


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Id = Annotated[str, Field(pattern=HEX)]
Label = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=1)]
"""1.0 is the same number as 1 in JSON."""
Reason = Annotated[str, Field(min_length=1, max_length=80)]
Words = Annotated[str, Field(max_length=10_000)]
Scalar = str | float | int | bool | None
Responses = dict[int | str, dict[str, Any]]
"""What a path may answer by status, for the OpenAPI description, as FastAPI takes it."""


class Posted(Record):
    """The body of a request: as every record, and built at once, because FastAPI asks for it so."""

    model_config = ConfigDict(defer_build=False)


class ExplainRequest(Posted):
    """Which decision is to be explained."""

    id: Id


class OutcomeItem(Posted):
    """The label of one decision, as it became known: 1 is the positive one."""

    id: Id
    label: Label


class OutcomeRequest(Posted):
    """Labels that became known."""

    outcomes: Annotated[list[OutcomeItem], Field(min_length=1, max_length=10_000)]


class ContestRequest(Posted):
    """A person's objection to a decision, and inputs that were wrong with what they should have been."""

    id: Id
    words: Words
    correction: Annotated[dict[str, Scalar], Field(min_length=1)] | None = None


class ReviewRequest(Posted):
    """A person's decision on a case: with a short reason that is counted, and words that are not."""

    decision: Label
    reason: Reason
    words: Words = ""


class MembershipItem(Posted):
    """Probabilities of the groups of one protected attribute, which sum to 1."""

    id: Id
    attribute: Annotated[str, Field(min_length=1, max_length=200)]
    groups: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=1000)]


class MembershipRequest(Posted):
    """What is lawfully known of the protected attributes of people whom decisions are about."""

    memberships: Annotated[list[MembershipItem], Field(min_length=1, max_length=10_000)]


class OpenRequest(Posted):
    """Whether the service is to answer for this release, and why."""

    open: bool
    reason: Reason


class Done(msgspec.Struct, frozen=True):
    """How many were recorded."""

    recorded: int


class CaseList(msgspec.Struct, frozen=True):
    """Open cases, the first due first."""

    cases: tuple[cases.Case, ...]


class OverrideTable(msgspec.Struct, frozen=True):
    """How often people decided otherwise than the model."""

    overrides: tuple[cases.Overrides, ...]


class ReasonsLibrary(msgspec.Struct, frozen=True):
    """The reviewed texts that reasons are told in.

    Parameters
    ----------
    baseline
        The score at the mean log-odds of the rows that the model learnt from, which reasons are told against.
    reviewed_by, reviewed
        Who reviewed the texts, and the day of it; null where the release holds none.
    untold
        Features that have no text: a reason for which they stand is told by their name alone.
    """

    baseline: float
    reviewed_by: str | None
    reviewed: str | None
    untold: tuple[str, ...]


class ReleaseAnswer(msgspec.Struct, frozen=True):
    """The release that is served, and what it says of itself.

    Parameters
    ----------
    mode, contact
        Of human oversight, and whom a person turns to who objects.
    path
        By which of the ways rows are scored: `single row`, `booster` or `scorecard`.
    reasons
        In which words reasons are told, and against what.
    arms
        Every release that is loaded: arm -> digest.
    canary
        Phase, challenger and share.
    open
        Whether decisions are answered.
    card, verdict, statement
        The model card (Markdown), the verdict, and the signed envelope of the statement.
    """

    name: str
    version: str
    digest: str
    mode: str
    contact: str
    threshold: float
    family: str
    path: str
    reasons: ReasonsLibrary
    arms: dict[str, str]
    canary: dict[str, str | float | None]
    open: bool
    card: str
    verdict: dict[str, Any]
    statement: dict[str, Any]


STRUCTS: tuple[type[msgspec.Struct], ...] = (
    Answer, Answers, cases.Explanation, cases.Contested, CaseList, cases.Reviewed, cases.History,
    OverrideTable, Done, ReleaseAnswer, Problem,
)  # fmt: skip
"""What is answered, for the OpenAPI description."""


def answers(struct: type[msgspec.Struct], *statuses: int) -> Responses:
    """Return what a path answers, for the OpenAPI description: a struct, or a problem."""
    content = {JSON: {"schema": _ref(struct)}}
    said: Responses = {200: {"description": "As asked.", "content": content}}
    always = (400, 401, 403, 408, 413, 415, 422, 429, 503)
    problems: Responses = {
        status: {"description": "A problem.", "content": {PROBLEM: {"schema": _ref(Problem)}}}
        for status in sorted({*always, *statuses})
    }
    return {**said, **problems}


def _ref(struct: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{struct.__name__}"}


def as_json(value: object, status: int = 200) -> Response:
    """Return a struct as an answer."""
    return Response(encode(value), status, media_type=JSON)


def needs(desk: Desk, scope: Scope) -> Any:
    """Return the dependency that asks for a key with a scope, and gives the caller."""

    def caller(request: Request) -> Caller:
        return desk.access.caller(dict(request.scope["headers"]), scope)

    return Depends(caller)


def case_paths(desk: Desk) -> APIRouter:
    """Return the paths of decisions after they were made."""
    router = APIRouter(prefix="/v1", default_response_class=Response)
    decider, reporter = needs(desk, "decide"), needs(desk, "outcome")
    reviewer, reader, witness = needs(desk, "review"), needs(desk, "read"), needs(desk, "evidence")

    @router.post("/explain", responses=answers(cases.Explanation, 404, 409, 410))
    async def explain(asked: ExplainRequest, _: Caller = decider) -> Response:
        """Return everything that moved one decision, exactly."""
        return as_json(await cases.explain(desk, asked.id))

    @router.post("/outcome", responses=answers(Done, 404, 409))
    async def outcome(asked: OutcomeRequest, caller: Caller = reporter) -> Response:
        """Record labels that became known."""
        labels = [(each.id, each.label) for each in asked.outcomes]
        return as_json(Done(await cases.outcomes(desk, labels, caller.name)))

    @router.post("/contest", responses=answers(cases.Contested, 404, 409, 410))
    async def contest(asked: ContestRequest, caller: Caller = decider) -> Response:
        """Record a person's objection; with a correction, decide anew."""
        done = await cases.contest(desk, asked.id, asked.words, asked.correction, caller.name)
        return as_json(done)

    @router.get("/decisions/{entry_id}", responses=answers(cases.History, 404))
    async def decisions(entry_id: str, _: Caller = reader) -> Response:
        """Return a decision, its inputs, and what happened to it."""
        return as_json(await cases.history(desk, entry_id))

    @router.get("/review", responses=answers(CaseList))
    async def queue(
        kind: Literal["review", "contest", "all"] = "all",
        overdue: bool = False,
        most: Annotated[int, Query(ge=1, le=cases.MOST_LISTED)] = 100,
        _: Caller = reviewer,
    ) -> Response:
        """Return open cases, the first due first."""
        kinds = cases.CASES if kind == "all" else (kind,)
        found = await cases.cases(desk, kinds, overdue=overdue, most=most)
        return as_json(CaseList(tuple(found)))

    @router.post("/review/{entry_id}", responses=answers(cases.Reviewed, 404, 409))
    async def review(entry_id: str, asked: ReviewRequest, caller: Caller = reviewer) -> Response:
        """Record a person's decision on a case, or overturn a decision that went out."""
        done = await cases.review(desk, entry_id, asked.decision, asked.reason, asked.words, caller.name)
        return as_json(done)

    @router.post("/membership", responses=answers(Done, 404, 410))
    async def membership(asked: MembershipRequest, _: Caller = witness) -> Response:
        """Keep protected attributes, or probabilities of them, apart from the decisions."""
        return as_json(Done(await cases.memberships(desk, _memberships(asked))))

    @router.get("/overrides", responses=answers(OverrideTable))
    async def overrides(_: Caller = witness) -> Response:
        """Return how often people decided otherwise than the model, by group, reason and reviewer."""
        return as_json(OverrideTable(tuple(await cases.overrides(desk))))

    return router


def _memberships(asked: MembershipRequest) -> list[Membership]:
    found, faults = [], []
    for number, each in enumerate(asked.memberships, 1):
        try:
            found.append(Membership(each.id, each.attribute, each.groups))
        except UsageError:
            got = f"a sum of {sum(each.groups.values()):.6g}"
            faults.append(Fault("must be probabilities that sum to 1", got, number, "groups"))
    if faults:
        raise Refused(422, "no memberships", *faults)
    return found


def release_paths(desk: Desk) -> APIRouter:
    """Return the paths of the release: what it says of itself, and who lets it answer."""
    router = APIRouter(prefix="/v1", default_response_class=Response)
    reader, opener = needs(desk, "read"), needs(desk, "review")

    @router.get("/release", responses=answers(ReleaseAnswer))
    async def release(_: Caller = reader) -> Response:
        """Return card, verdict and statement of the release that is served."""
        return as_json(release_answer(desk))

    @router.post("/open", responses=answers(Done, 409))
    async def set_open(asked: OpenRequest, caller: Caller = opener) -> Response:
        """Let the service answer for this release, or no longer: the key's name is the person's."""
        await cases.set_open(desk, opened=asked.open, reason=asked.reason, person=caller.name)
        return as_json(Done(1))

    return router


def release_answer(desk: Desk) -> ReleaseAnswer:
    """Return what the release that is served says of itself."""
    lead, state = desk.lead, desk.router.state
    texts = lead.texts
    return ReleaseAnswer(
        name=lead.name,
        version=lead.version,
        digest=lead.digest,
        mode=lead.params.oversight.mode,
        contact=lead.params.contact,
        threshold=lead.model.threshold,
        family=lead.model.family,
        path=lead.model.scorer.path,
        reasons=ReasonsLibrary(
            baseline=lead.baseline,
            reviewed_by=texts.reviewed_by if texts else None,
            reviewed=texts.reviewed.isoformat() if texts else None,
            untold=tuple(lead.untold),
        ),
        arms={arm: scorer.digest for arm, scorer in desk.router.releases.items()},
        canary={"phase": state.phase, "challenger": state.challenger, "share": state.share},
        open=desk.is_open,
        card=lead.documents["model-card.md"],
        verdict=json.loads(lead.documents["verdict.json"]),
        statement=json.loads(lead.documents["statement.json"]),
    )
