"""The index of releases: each with its verdict and measures, where it is, who approved it, and what is found.

Of each release the signature of its statement and the SHA-256 of every file that the index reads are
checked; what does not hold is named, and no figure of it is shown. `fairmark verify` checks a release whole.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, VerificationError
from fairmark.files import lines_of
from fairmark.governance.approvers import FILE, TAGS, Approver, read_approvers
from fairmark.governance.findings import ValidationFinding, read_register
from fairmark.governance.history import History, history, shown
from fairmark.governance.promotions import allowed, approved, promoters
from fairmark.governance.request import RELEASE, ApprovalRequest, release_origin
from fairmark.judge.verdict import State, covers, in_overlay
from fairmark.release.disclosure import REPORT
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import EVALUATION, STATEMENT, VERDICT
from fairmark.release.statement import release_digest
from fairmark.repo.commit import tagged
from fairmark.repo.git import need
from fairmark.report.labels import count, measured
from fairmark.signing.git_tags import read_tag, tag_signer, tagged_statement
from fairmark.stats.measures import TILES
from fairmark.stats.measures import label as title

if TYPE_CHECKING:
    from fairmark.judge.measured import Measured
    from fairmark.signing.keys import PublicKey

FOLDER = "releases"
UNKNOWN = "not told here"
NOT_SIGNED = "not as signed"
READ = ("params.yaml", "measurements.json", VERDICT, REPORT)
"""What the index reads or links of a release beside its statement."""


@dataclass(frozen=True)
class StandingWaiver:
    """A waiver or an override that a verdict rests on, and the last day on which it stands."""

    limit: str
    groups: tuple[str, ...]
    by: str
    until: dt.date
    override: bool


@dataclass(frozen=True)
class Measures:
    """What a release says of itself, once its files were held against its statement.

    Parameters
    ----------
    state
        The verdict's one word.
    stands_on
        What a pass rests on beside what was shown.
    measures
        Measures of all rows by name, and `MEASURE by ATTRIBUTE` of each gated limit on groups.
    decimals
        How many of them its own report shows.
    """

    title: str
    state: State
    stands_on: tuple[str, ...]
    policies: tuple[str, ...]
    """A line for the default policy and each overlay with its own word; none without overlays."""
    measures: Mapping[tuple[str, str], "Measured | None"]
    decimals: int
    waivers: tuple[StandingWaiver, ...]
    citations: tuple[str, ...]
    """Laws that its policy cites, and that are to be read again."""
    evaluation: bool


@dataclass(frozen=True)
class IndexedRelease:
    """One release of the index.

    Parameters
    ----------
    tagged
        When its tag was set (UTC), or None without a tag.
    signer
        Who signed the tag, or None.
    says
        The first line of the tag's message.
    report
        Its report page, or None where the folder is not here.
    stages
        The stages that hold it, by signed promotions, each with the day since when.
    approvals
        Who approved it, and until when, of those that count today; `needed` says how many it takes.
    found
        What its files say; None where they are not here, or `faults` says why they are not shown.
    """

    name: str
    version: str
    tagged: dt.datetime | None
    signer: str | None
    says: str
    report: Path | None
    stages: tuple[tuple[str, dt.date], ...]
    approvals: tuple[tuple[str, dt.date], ...]
    needed: int | None
    found: Measures | None
    findings: tuple[ValidationFinding, ...]
    faults: tuple[str, ...]

    @property
    def word(self) -> str:
        """The one word for its verdict, or why there is none here."""
        if self.found is None:
            return NOT_SIGNED if self.faults else UNKNOWN
        return self.found.state

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what is measured and who approved, each with its name."""
        if self.found:
            for text in self.found.policies:
                policy, _, word = text.rpartition(": ")
                yield policy, word
            for (name, attribute), value in self.found.measures.items():
                where = f" by {attribute}" if attribute else ""
                yield f"{title(name)}{where}", measured(value, self.found.decimals)
        if self.needed is not None:
            given = ", ".join(f"{who} until {until}" for who, until in self.approvals)
            yield "approvals", f"{len(self.approvals)} of {self.needed}" + (f": {given}" if given else "")


@dataclass(frozen=True)
class ReleaseIndex:
    """Every release, newest first by name and version, the findings register, and what does not hold."""

    releases: tuple[IndexedRelease, ...]
    findings: tuple[ValidationFinding, ...]
    faults: tuple[str, ...]

    def overdue(self, today: dt.date) -> tuple[ValidationFinding, ...]:
        """Return the findings that are open after their due date."""
        return tuple(each for each in self.findings if each.overdue(today))

    @property
    def open(self) -> tuple[ValidationFinding, ...]:
        """The findings that nobody has closed."""
        return tuple(each for each in self.findings if each.closed is None)

    @property
    def wrong(self) -> int:
        """How many releases, promotions and records of findings do not hold."""
        return sum(bool(each.faults) for each in self.releases) + len(self.faults)

    def lines(self, today: dt.date) -> list[str]:
        """Return the index in lines for a terminal."""
        said = [f"WRONG {fault}" for fault in self.faults]
        for each in self.releases:
            where = f", in {', '.join(stage for stage, _ in each.stages)}" if each.stages else ""
            on = "".join(f"; on {text}" for text in each.found.stands_on) if each.found else ""
            said.append(f"{each.name}@{each.version}: {each.word}{on}{where}")
            said += [f"  {name}: {value}" for name, value in each.facts()]
            said += [f"  note: {text}" for text in each.found.citations] if each.found else []
            said += [f"  WRONG {fault}" for fault in each.faults]
        said += [f"finding {each.line(today)}" for each in self.open]
        late = len(self.overdue(today))
        return [
            *said,
            f"{count(len(self.releases))} releases, {len(self.open)} findings open, {late} overdue",
        ]

    def holding(self, stage: str) -> list[IndexedRelease]:
        """Return what a stage holds, one release of each name."""
        return [each for each in self.releases if stage in dict(each.stages)]


def release_index(root: Path, now: dt.datetime, trusted: "Sequence[PublicKey]" = ()) -> ReleaseIndex:
    """Return the index of a repository's releases: those with a tag, and those with a folder.

    Parameters
    ----------
    trusted
        Keys that may have signed, beside those of `approvers`.
    """
    approvers = read_approvers(root / FILE)
    register = read_register(root, approvers, trusted)
    versions = _versions(root)
    faults, releases = list(register.faults), []
    for name in sorted({name for name, _ in versions}):
        past = history(root, name, approvers, promoters(approvers, trusted))
        faults += [fault for each in past.entries for fault in each.faults]
        own = [version for found, version in versions if found == name]
        for version in sorted(own, key=_ordered, reverse=True):
            about = tuple(each for each in register.findings if each.opened.release == f"{name}-{version}")
            releases.append(_Release(root, name, version, approvers, trusted).indexed(past, about, now))
    return ReleaseIndex(tuple(releases), register.findings, tuple(dict.fromkeys(faults)))


def _versions(root: Path) -> set[tuple[str, str]]:
    tags = lines_of(need(root, "list its tags", "tag", "--list", "*@v*"))
    found = {(name, version) for name, _, version in (tag.rpartition("@") for tag in tags)}
    places = (root / FOLDER).iterdir() if (root / FOLDER).is_dir() else ()
    for place in places:
        name, dash, version = place.name.rpartition("-v")
        if place.is_dir() and dash and (place / STATEMENT).is_file():
            found.add((name, f"v{version}"))
    return found


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.removeprefix("v").split("."))


@dataclass(frozen=True)
class _Release:
    root: Path
    name: str
    version: str
    approvers: Sequence[Approver]
    trusted: "Sequence[PublicKey]"

    @property
    def tag(self) -> str:
        return f"{self.name}@{self.version}"

    def indexed(
        self, past: History, about: tuple[ValidationFinding, ...], now: dt.datetime
    ) -> IndexedRelease:
        folder = self.root / FOLDER / f"{self.name}-{self.version}"
        faults: list[str] = []
        when, signer, says = self._tagged(faults)
        found = None
        if folder.is_dir():
            try:
                found = self._measures(folder, now.date())
            except FairmarkError as error:
                faults += error.faults
        given, needed = self._approvals(folder, found, past, now) if found else ((), None)
        stages = tuple(
            (stage, each.since.date())
            for stage, each in sorted(past.stages.items())
            if each.promotion.version == self.version
        )
        report = folder / REPORT if found else None
        return IndexedRelease(
            self.name, self.version, when, signer, says, report, stages, given, needed, found, about,
            tuple(map(shown, faults)),
        )  # fmt: skip

    def _tagged(self, faults: list[str]) -> tuple[dt.datetime | None, str | None, str]:
        if tagged(self.root, self.tag) is None:
            return None, None, "no tag of it is here"
        try:
            seen = read_tag(self.root, self.tag)
            says = shown(next(iter(lines_of(seen.message)), ""))
        except FairmarkError as error:
            faults += error.faults
            return None, None, ""
        try:
            return seen.when, tag_signer(self.root, self.tag, allowed(self.approvers, self.trusted)), says
        except FairmarkError as error:
            faults += error.faults
            return seen.when, None, says

    def _measures(self, folder: Path, today: dt.date) -> Measures:
        """Return what the files say, when the statement is signed, named by the tag, and of these files."""
        release = ReleaseFolder(folder)
        self._check(folder, release)
        params, verdict, seen = release.params, release.verdict, release.measurements
        gated = [each for each in params.policy.limits if each.gate and each.attribute is not None]
        measures = {(name, ""): seen.overall.get(name) for name in TILES}
        measures |= {
            (each.measure, str(each.attribute)): seen.disparities.get(str(each.attribute), {}).get(
                each.measure
            )
            for each in gated
        }
        return Measures(
            title=params.project.title,
            state=verdict.state,
            stands_on=verdict.stands_on,
            policies=verdict.lines,
            measures=measures,
            decimals=params.document.decimals,
            waivers=tuple(_waivers(release)),
            citations=tuple(params.policy.stale_citations(today)),
            evaluation=release.kind is EVALUATION,
        )

    def _check(self, folder: Path, release: ReleaseFolder) -> None:
        known = [*self.trusted, *(each.key for each in self.approvers if each.may(TAGS))]
        where = folder.name
        if not release.envelope(STATEMENT).signers(known):
            raise VerificationError(f"{where}: must be signed by a key that is known here, got another's")
        external = release.statement.external
        if (external.name, external.version) != (self.name, self.version):
            raise VerificationError(
                f"{where}: must state its own name and version, got {external.name} {external.version}"
            )
        stated = tagged_statement(self.root, self.tag)
        if stated is not None and stated != release_digest(folder):
            raise VerificationError(
                f"{where}: must be the release of the tag {self.tag}, got another statement"
            )
        for name in READ:
            if release.digests.get(name) != release.sha256(name):
                raise VerificationError(
                    f"{where}: {name} must be as the statement names it, got another file"
                )

    def _approvals(
        self, folder: Path, found: Measures, past: History, now: dt.datetime
    ) -> tuple[tuple[tuple[str, dt.date], ...], int | None]:
        if found.evaluation:
            return (), None
        release = ReleaseFolder(folder)
        try:
            origin = release_origin(self.root, self.tag, release.commit, self.approvers)
        except FairmarkError:
            return (), None
        waived = tuple(sorted({limit for limit, _ in release.verdict.let_through}))
        request = ApprovalRequest(
            kind=RELEASE,
            name=folder.name,
            digest=release_digest(folder),
            folder=folder.name,
            makers=origin.makers | frozenset(release.envelope(STATEMENT).keyids),
            authors=origin.authors,
            waived=waived,
            needed=origin.rules.waived if waived else origin.rules.plain,
        )
        before = [each.promotion for each in past.entries]
        counted, _ = approved(self.root, request, before, self.approvers, now)
        return tuple((each.who, each.expires) for each in counted.approvals), request.needed


def _waivers(release: ReleaseFolder) -> Iterator[StandingWaiver]:
    """Yield each waiver or override of the policy that covers a comparison which was let through."""
    policy = release.params.policy
    under = {"": policy} | {each.name: policy.under(each) for each in policy.overlays}
    for name, verdict in release.verdict.deciding:
        through = [each for each in verdict.findings if each.gate and each.waived_by]
        for override, records in ((False, under[name].waivers), (True, under[name].overrides)):
            for each in records:
                if any(covers(each, found.limit, found.groups) for found in through):
                    yield StandingWaiver(
                        in_overlay(name, each.limit),
                        tuple(each.groups or ()),
                        each.decided_by,
                        each.last_day,
                        override,
                    )
