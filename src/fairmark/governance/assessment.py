"""The self-assessment by ALTAI's seven requirements, and whether it lets a release go on.

The questionnaire is shipped (`questionnaire.yaml`). Where a release holds the evidence for a
question, by file and key, that answers it; else a person does, in `assessment.yaml`, with name, day and a
scale of 1 to 5. An answer is stale when it is older than its question allows, or than the question's words.

A low answer refuses nothing: a scale that punishes is answered with fives. What is refused is not to answer.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from fairmark.errors import InputError, RefusedError
from fairmark.params.base import Count, Section, Text
from fairmark.params.parse import read_yaml, typed
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import STATEMENT
from fairmark.repo.commit import committed_file
from fairmark.repo.untrusted import strict_yaml

FILE = "assessment.yaml"
"""Of the project, beside params.yaml."""
PRODUCTION = "production"
"""The stage that asks for a self-assessment."""
TODO = "TODO"
"""How a text begins that waits for a person."""

DESIGN = "Design decisions"
"""Under which the choices of the design stand."""
UNANSWERED = "nobody has answered it"

Standing: TypeAlias = Literal["evidence", "answered", "stale", "open"]
"""How a question stands: answered by a release, or by a person; answered too long ago; not at all."""


class Evidence(Section):
    """Where a release answers a question: a file of it, a key in dots, and what stands there."""

    file: Text
    key: Text
    says: Text


class Question(Section):
    """One question, the section of ALTAI that it stands in, and how long a person's answer lasts."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z-]*$")]
    section: Text
    required: bool
    valid_days: Count
    revised: dt.date
    evidence: list[Evidence]
    ask: Text


class Requirement(Section):
    """One of the seven requirements, with its questions."""

    id: Text
    title: Text
    questions: Annotated[list[Question], Field(min_length=1)]


class DesignQuestion(Section):
    """A choice in the making of a model, which is asked for with its three risks."""

    id: Text
    ask: Text


class Questionnaire(Section):
    """What is asked; each question and each choice has an id of its own."""

    number: Count
    source: Text
    scale: Annotated[list[Text], Field(min_length=5, max_length=5)]
    requirements: Annotated[list[Requirement], Field(min_length=7, max_length=7)]
    decisions: Annotated[list[DesignQuestion], Field(min_length=1)]

    @property
    def questions(self) -> list[Question]:
        """Every question, in the order of the requirements."""
        return [each for requirement in self.requirements for each in requirement.questions]


class Answer(Section):
    """A person's answer: 1 (not addressed) to 5 (and checked by somebody else), or null while open."""

    scale: Annotated[int, Field(ge=1, le=5)] | None
    text: Text
    by: Text
    date: dt.date | None

    @property
    def given(self) -> bool:
        """Whether all of it was written by somebody."""
        return self.scale is not None and self.date is not None and _written(self.text, self.by)


class DesignDecision(Section):
    """A choice, and what may come of it: performance failure, execution bottleneck, societal failure."""

    decision: Text
    performance: Text
    bottleneck: Text
    societal: Text
    by: Text
    date: dt.date | None

    @property
    def given(self) -> bool:
        """Whether all of it was written by somebody."""
        texts = (self.decision, self.performance, self.bottleneck, self.societal, self.by)
        return self.date is not None and _written(*texts)


class Assessment(Section):
    """The file `assessment.yaml`: of which project, its answers by question, its decisions by choice."""

    project: Text
    answers: dict[str, Answer]
    decisions: dict[str, DesignDecision]

    @model_validator(mode="after")
    def _of_the_questionnaire(self) -> Self:
        asked = questionnaire()
        faults = []
        if odd := sorted({*self.answers} - {each.id for each in asked.questions}):
            faults.append(f"answers must be to questions of the questionnaire, got {odd}")
        if odd := sorted({*self.decisions} - {each.id for each in asked.decisions}):
            faults.append(f"decisions must be {[each.id for each in asked.decisions]}, got {odd}")
        if faults:
            raise ValueError("; ".join(faults))
        return self


@dataclass(frozen=True)
class Link:
    """A fact of a release: where it stands, and what."""

    file: str
    key: str
    says: str
    value: str


@dataclass(frozen=True)
class Item:
    """A question, or a choice of the design, and how it stands."""

    id: str
    requirement: str
    section: str
    ask: str
    required: bool
    standing: Standing
    answer: Answer | DesignDecision | None
    links: tuple[Link, ...]
    why: str
    """Why it is stale or open; empty otherwise."""

    @property
    def refuses(self) -> bool:
        """Whether it keeps a release from production."""
        return self.required and self.standing in ("stale", "open")

    def line(self) -> str:
        """Return what a terminal shows of it."""
        need = "required" if self.required else "optional"
        return f"{self.standing}: {self.id} ({need}): {self.ask}" + (f" ({self.why})" if self.why else "")


@cache
def questionnaire() -> Questionnaire:
    """Return the questionnaire that is shipped."""
    value = read_yaml(Path(__file__).with_name("questionnaire.yaml"))
    return typed(Questionnaire, value, "questionnaire.yaml")


def read_assessment(root: Path) -> Assessment | None:
    """Return the self-assessment in the working folder, or None where there is none.

    Raises
    ------
    ParamsError
        With each fault of the file.
    """
    path = root / FILE
    return typed(Assessment, read_yaml(path), FILE) if path.exists() else None


def committed_assessment(root: Path) -> Assessment | None:
    """Return the self-assessment that git's HEAD holds, or None where it holds none.

    Raises
    ------
    InputError
        With each fault of the file.
    """
    content = committed_file(root, "HEAD", FILE)
    if content is None:
        return None
    try:
        return typed(Assessment, strict_yaml(content.decode("utf-8"), FILE), FILE)
    except UnicodeDecodeError as error:
        raise InputError(f"{FILE}: must be UTF-8, got {error.reason} at byte {error.start}") from error


def blank(project: str) -> str:
    """Return the text of a self-assessment in which everything waits for a person."""
    asked = questionnaire()
    answer = {"scale": None, "text": f"{TODO}: your answer", "by": f"{TODO}: your name", "date": None}
    design = {
        "decision": f"{TODO}: what you chose, and why",
        "performance": f"{TODO}: how it may fail to perform",
        "bottleneck": f"{TODO}: how it may hold up those who use it",
        "societal": f"{TODO}: whom it may harm",
        "by": f"{TODO}: your name",
        "date": None,
    }
    lines = [
        "# The self-assessment: `fairmark assess` says what is open, docs/self-assessment.md how it is used.",
        "# scale: " + "; ".join(asked.scale),
        f"project: {_quoted(project)}",
        "answers:",
    ]
    for each in asked.questions:
        if not each.evidence:
            lines += [f"  # {each.ask}", *_block(each.id, answer)]
    lines.append("decisions:")
    for choice in asked.decisions:
        lines += [f"  # {choice.ask}", *_block(choice.id, design)]
    return "\n".join(lines) + "\n"


def assess(found: Assessment | None, release: ReleaseFolder | None, today: dt.date) -> list[Item]:
    """Return each question and each choice of the design with how it stands on a day.

    Parameters
    ----------
    found
        The self-assessment; None leaves everything to the release.
    release
        A release that was verified; None leaves open what it would answer.
    """
    asked = questionnaire()
    answers = {} if found is None else found.answers
    items = []
    for requirement in asked.requirements:
        for question in requirement.questions:
            links, answer = _links(question, release), answers.get(question.id)
            standing, why = _standing(question, answer, release, today)
            if links:
                standing, why = "evidence", ""
            items.append(
                Item(
                    question.id, requirement.title, question.section, question.ask, question.required,
                    standing, None if links else answer, links, why,
                )
            )  # fmt: skip
    decisions = {} if found is None else found.decisions
    for choice in asked.decisions:
        made = decisions.get(choice.id)
        standing, why = _standing_of(made, today)
        items.append(Item(choice.id, DESIGN, "", choice.ask, True, standing, made, (), why))
    return items


def refuse_open(root: Path, folder: Path, today: dt.date) -> None:
    """Do nothing where every required question is answered for the release in `folder`, which was verified.

    What counts is what git's HEAD holds: an answer that nobody committed is nobody's word.

    Raises
    ------
    RefusedError
        Naming each question that is open or stale, and what to do.
    InputError
        When the file is none.
    """
    release = ReleaseFolder(folder)
    name = release.statement.external.name
    found = committed_assessment(root)
    if found is None:
        raise RefusedError(
            f"{FILE}: must be committed before a release goes to {PRODUCTION}, got none (fairmark assess "
            "--begin writes one with open answers; answer them, and commit it)"
        )
    if found.project != name:
        raise RefusedError(f"{FILE}: must be of the project {name}, got one of {found.project[:80]!a}")
    if left := [item for item in assess(found, release, today) if item.refuses]:
        raise RefusedError(
            f"{FILE}: every required question must be answered before a release goes to {PRODUCTION}, got "
            f"{len(left)} open or stale (answer them in the file, and commit it)",
            *(f"{item.standing}: {item.id}: {item.ask} ({item.why})" for item in left),
        )


def _standing(
    question: Question, answer: Answer | None, release: ReleaseFolder | None, today: dt.date
) -> tuple[Standing, str]:
    if answer is None or not answer.given or answer.date is None:
        if question.evidence and release is None:
            return "open", "a release answers it"
        return (
            "open",
            "no evidence, and nobody has answered it" if question.evidence else UNANSWERED,
        )
    if answer.date > today:
        return "open", f"its day {answer.date} is to come"
    if answer.date < question.revised:
        return "stale", f"answered {answer.date}, before the question was revised on {question.revised}"
    if (today - answer.date).days > question.valid_days:
        return "stale", f"answered {answer.date}, and an answer lasts {question.valid_days} days"
    return "answered", ""


def _standing_of(made: DesignDecision | None, today: dt.date) -> tuple[Standing, str]:
    if made is None or not made.given or made.date is None:
        return "open", UNANSWERED
    if made.date > today:
        return "open", f"its day {made.date} is to come"
    return "answered", ""


def _links(question: Question, release: ReleaseFolder | None) -> tuple[Link, ...]:
    """Return what a release says to a question; nothing unless it says all that is asked of it."""
    if release is None or not question.evidence:
        return ()
    links = []
    for each in question.evidence:
        shown = _shown(_value(release, each))
        if shown is None:
            return ()
        links.append(Link(each.file, each.key, each.says, shown))
    return tuple(links)


def _value(release: ReleaseFolder, where: Evidence) -> object:
    """Return what stands under a key of a release's file; None where the file or the key is not there."""
    if where.file not in release.files:
        return None
    found: object = _document(release, where.file)
    for part in where.key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _document(release: ReleaseFolder, name: str) -> object:
    if name == STATEMENT:
        return release.stated(name)
    if name == "params.yaml":
        return release.written_params
    return release.json(name) if name.endswith(".json") else strict_yaml(release.text(name), name)


def _shown(value: object) -> str | None:
    """Return a value as a reader sees it, of a list or mapping its length; None where it says nothing."""
    if isinstance(value, Mapping | list):
        names = [*value] if isinstance(value, Mapping) and len(value) <= 6 else []
        return (
            (f"{len(value)} ({', '.join(map(str, names))})" if names else str(len(value))) if value else None
        )
    if value is None or (isinstance(value, str) and not _written(value)):
        return None
    return f"{value:.4g}" if isinstance(value, float) else str(value).strip()


def _written(*texts: str) -> bool:
    return all(text.strip() and not text.strip().upper().startswith(TODO) for text in texts)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _block(name: str, values: Mapping[str, object]) -> Iterator[str]:
    yield f"  {name}:"
    for key, value in values.items():
        yield f"    {key}: " + ("null" if value is None else _quoted(str(value)))


def counted(items: Sequence[Item]) -> dict[Standing, int]:
    """Return how many items stand in which way."""
    kinds: tuple[Standing, ...] = ("evidence", "answered", "stale", "open")
    return {kind: sum(item.standing == kind for item in items) for kind in kinds}
