"""The verbs of whoever sets up a project: `init` proposes one for a table, `doctor` says what is lacking."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.cli.verb import Verb
from fairmark.terminal import say, say_exact, say_json

if TYPE_CHECKING:
    from fairmark.project.choices import Ask, Options
    from fairmark.project.proposal import Proposal
    from fairmark.project.scores import ScoreOptions
    from fairmark.project.workbook import Taken

TEXTS = ("summary", "intended_use", "out_of_scope", "data_origin", "data_licence", "goal", "price")
"""Texts that only the owner can write, each an option."""


class Init(Verb):
    """`fairmark init FILE`: a project for a table of your own, from its bytes and a few answers.

    Reads a table (CSV, Parquet or a sheet of an Excel workbook), finds out how it is written and what its
    columns are, and writes a params.yaml that runs, with its reasons beside it; puts the table under `data/`
    and lets DVC know of it. What only a person may decide (the outcome, whom decisions must treat alike) is
    asked on a terminal and comes by options elsewhere: nothing of it is guessed. Says what the rows could
    prove before anything is trained.
    """

    name = "init"
    help = "set up a project for a table of your own"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument(
            "files", type=Path, nargs="+", metavar="FILE", help="the table; after it, its published test file"
        )
        parts = parser.add_argument_group("which column plays which part")
        parts.add_argument("--target", metavar="COLUMN", help="the outcome that a model is to learn")
        parts.add_argument(
            "--positive", action="append", default=[], metavar="VALUE",
            help="its positive value (again for more, or '>NUMBER')",
        )  # fmt: skip
        parts.add_argument(
            "--protect", action="append", default=[], metavar="COLUMN[=EDGE,...]",
            help="whom decisions must treat alike; numbers are cut into groups by edges; again for more",
        )  # fmt: skip
        for name, what in (
            ("forbid", "withhold it from the model, for it stands for a protected one"),
            ("drop", "leave it out altogether"),
            ("keep", "keep it as a feature, although it seems to be an id, constant or free text"),
        ):
            parts.add_argument(
                f"--{name}", action="append", default=[], metavar="COLUMN", help=f"{what}; again for more"
            )
        for name, what in (
            ("row-id", "names each row once"),
            ("person", "says whose a row is"),
            ("time", "says when the decision was: the latest rows become the test rows"),
            ("weight", "says how much a row counts"),
        ):
            parts.add_argument(f"--{name}", metavar="COLUMN", help=f"{what}; `none` for no such column")
        texts = parser.add_argument_group("texts for the cards; what is left out stands there as TODO")
        for name in ("name", "title", "owner", *TEXTS):
            texts.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT")
        scores = parser.add_argument_group("judging scores or decisions that were made elsewhere")
        scores.add_argument(
            "--scores", action="store_true", help="make no model: judge the scores in the table"
        )
        scores.add_argument("--score", metavar="COLUMN", help="the column of scores, chances in 0..1")
        scores.add_argument("--threshold", type=float, metavar="NUMBER", help="positive from this score on")
        scores.add_argument(
            "--decision", metavar="COLUMN", help="the column of decisions, instead of a threshold"
        )
        scores.add_argument("--selected", metavar="VALUE", help="its positive value")
        scores.add_argument("--made-by", metavar="TEXT", help="who made the model, and by what")
        scores.add_argument("--model-version", metavar="TEXT", help="which version of it")
        scores.add_argument(
            "--probabilities", action="append", default=[], metavar="ATTRIBUTE=GROUP:COLUMN,...",
            help="groups that no row states, by the columns of a proxy's probabilities; again for more",
        )  # fmt: skip
        scores.add_argument("--proxy", metavar="TEXT", help="what gives the probabilities, such as BISG")
        scores.add_argument("--proxy-version", metavar="TEXT", help="which version of it, on which tables")
        scores.add_argument(
            "--proxy-error", type=float, metavar="NUMBER",
            help="how far its mean probability is from the true share at most; by default 0",
        )  # fmt: skip
        form = parser.add_argument_group("how the file is written, where it is not found out")
        form.add_argument("--sheet", metavar="NAME", help="the sheet of a workbook")
        form.add_argument("--separator", metavar="SIGN")
        form.add_argument("--decimal", choices=[".", ","])
        form.add_argument("--encoding", metavar="NAME")
        form.add_argument("--names", metavar="A,B,...", help="the column names, where no line holds them")
        parser.add_argument(
            "--show", action="store_true", help="write the params.yaml to the terminal and nothing else"
        )
        parser.add_argument(
            "--force", action="store_true",
            help="replace a project of your own too; what was there is kept in .fairmark/replaced/",
        )  # fmt: skip
        parser.add_argument("--clone", type=Path, default=Path(), help="the checkout; by default this folder")

    def run(self, given: argparse.Namespace) -> int:
        """Propose a project for the table, put it in its place, say what was found, and return 0.

        Raises
        ------
        UsageError
            When something must be said that was not, with the candidates.
        InputError
            When the file is no table.
        StateError
            When the folder is no checkout of fairmark, or holds a project of your own.
        """
        from fairmark.project import place

        root = given.clone.resolve()
        place.refuse_elsewhere(root)
        place.refuse_names(given.files)
        with place.alone(root):
            for line in place.recover(root):
                say(line)
            return _begin(given, root)


class Attest(Verb):
    """`fairmark attest`: release the evaluation of scores that were made elsewhere, as one signed folder.

    In a project of `fairmark init --scores`, committed and with its stages up to date: gathers measurements,
    verdict, report and card into `releases/NAME-vX.Y.Z`, verifies the draft, signs a statement on it and sets
    the signed tag, whatever the verdict is. Ends with 0 where it is a pass, else with 3. `fairmark verify`
    checks such a release as any other.
    """

    name = "attest"
    help = "release the evaluation of scores made elsewhere"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("--version", metavar="vX.Y.Z", help="by default the next minor version")
        parser.add_argument(
            "--key", type=Path, metavar="PEM", help="the key to sign with; by default your own"
        )
        parser.add_argument("--clone", type=Path, default=Path(), help="the project; by default this folder")

    def run(self, given: argparse.Namespace) -> int:
        """Release the evaluation, say what was verified of it, and return 0 (a pass) or 3.

        Raises
        ------
        StateError
            When the project is not ready for it.
        RefusedError
            When the policy was loosened without approvals, or privacy forbids what it would show.
        """
        from fairmark.project.attest import attest
        from fairmark.release.plan import in_words
        from fairmark.signing.key_store import key_in, own_key, public_place

        # No flow runs in such a project, and so nothing else makes the maker's key.
        key = own_key(make=True) if given.key is None else key_in(given.key)
        made = attest(given.clone.resolve(), key, given.version)
        say(*(fact.line() for fact in made.facts))
        say(f"released: {made.folder}, tag {made.tag}, verdict {in_words(made.verdict)}")
        public = public_place() if given.key is None else None
        say(f"whoever has {public or 'your public key'} runs fairmark verify RELEASE --key KEY")
        return 0 if made.verdict.outcome == "pass" else 3


class Doctor(Verb):
    """`fairmark doctor`: what is there for the main job and for others, and what to do about what is not.

    Looks at Python, extras, programs, locks, the repository, params, data, remotes, keys, approvers, the
    servers that the environment names and the disk; changes nothing, and shows no secret. Ends with 0 when
    everything is there to run the stages and make a release, else with 1.
    """

    name = "doctor"
    help = "say what is there, and what to do about what is not"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--json", action="store_true", help="write what was found as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Say what was found, and return 0 when nothing is lacking, else 1."""
        from fairmark.project.doctor import examined

        found = examined(given.clone.resolve())
        lacking = [each for each in found if each.state == "lacking"]
        if given.json:
            say_json([each.to_json() for each in found])
        else:
            say(*(each.line() for each in found))
            say(f"{len(lacking)} lacking" if lacking else "nothing is lacking for the main job")
        return 1 if lacking else 0


def _begin(given: argparse.Namespace, root: Path) -> int:
    from fairmark.errors import StateError
    from fairmark.files import disk_fault
    from fairmark.project import place
    from fairmark.project.file_format import Overrides
    from fairmark.project.proposal import proposal
    from fairmark.project.workbook import as_tables

    if not (given.force or given.show):
        place.refuse_own(root, given.files)
    try:
        default = (root / "params.yaml").read_text(encoding="utf-8")
    except OSError as error:
        raise StateError(disk_fault(error, root / "params.yaml", "readable")) from error
    stages = place.default_pipeline(root)
    names = None if given.names is None else tuple(name.strip() for name in given.names.split(","))
    ask = _ask()
    with as_tables(given.files, given.sheet, ask) as (files, taken):
        place.refuse_names(files)
        found = proposal(
            files,
            default,
            _options(given),
            Overrides(given.encoding, _sign(given.separator), names),
            ask,
            _owner(root),
            given.decimal,
            judged=_scores(given),
        )
        if given.show:
            say_exact(found.text)
            return 0
        return _put(root, stages, files, taken, found)


def _put(
    root: Path,
    stages: "Mapping[str, Any]",
    files: "Sequence[Path]",
    taken: "Sequence[Taken]",
    found: "Proposal",
) -> int:
    from fairmark.files import lines_of
    from fairmark.governance.assessment import blank
    from fairmark.project import place
    from fairmark.project.scores import pipeline, scores_text
    from fairmark.yaml12 import parse_yaml

    texts = {"params.yaml": found.text}
    if found.scores is None:
        texts["assessment.yaml"] = blank(parse_yaml(found.text, "params.yaml")["project"]["name"])
    else:
        texts |= {"scores.yaml": scores_text(found.scores), "dvc.yaml": pipeline(stages)}
    origins = {one.table.name: one.origin for one in taken}
    sheet = place.sheet([path.name for path in files], origins)
    kept = place.put(root, files, texts, sheet, lambda: place.dvc_add(root))
    place.stage(root)
    next_steps = _NEXT if found.scores is None else _NEXT_OF_SCORES
    said = [f"look: {note.removesuffix('.')}" for one in taken for note in one.notes]
    read = [f"read: {one.origin}, as {one.table.name}" for one in taken]
    say(
        *read, *said, *_report(found), f"what was there is in {kept.relative_to(root)}", *lines_of(next_steps)
    )
    return 0


_NEXT = """
next:
  dvc repro            the run, from the table to the report (artifacts/document/report.html)
  fairmark judge       the verdict
  git add --all; git commit -m "..."  once params.yaml and data/DATASHEET.md say what you mean; then make run
                       makes a release
"""


_NEXT_OF_SCORES = """
next:
  dvc repro            the run, from the table to the report (artifacts/document/report.html)
  fairmark judge       the verdict
  git add --all; git commit -m "..."  once params.yaml, scores.yaml and data/DATASHEET.md say it all
  fairmark attest      the evaluation as a signed release
"""


def _options(given: argparse.Namespace) -> "Options":
    from fairmark.project.choices import Options

    return Options(
        target=given.target,
        positive=tuple(given.positive),
        protect=tuple(given.protect),
        forbid=tuple(given.forbid),
        drop=tuple(given.drop),
        keep=tuple(given.keep),
        row_id=given.row_id,
        person=given.person,
        time=given.time,
        weight=given.weight,
        title=given.title,
        name=given.name,
        owner=given.owner,
        texts={name: text for name in TEXTS if (text := getattr(given, name)) is not None},
    )


def _scores(given: argparse.Namespace) -> "ScoreOptions | None":
    """Return what was said of scores, or None where a model is to be made."""
    from fairmark.errors import UsageError
    from fairmark.project.scores import ScoreOptions

    said = {
        name: getattr(given, name) for name in ("score", "threshold", "decision", "selected", "made_by")
    } | {"version": given.model_version}
    said |= {name: getattr(given, name) for name in ("proxy", "proxy_version", "proxy_error")}
    if given.scores:
        if len(given.files) > 1:
            raise UsageError(f"FILE: must be one table with --scores, got {len(given.files)}")
        return ScoreOptions(**said, probabilities=tuple(given.probabilities))
    if given.probabilities:
        raise UsageError("--probabilities: must come with --scores, got it alone")
    if named := [name for name, value in said.items() if value is not None]:
        raise UsageError(f"--{named[0].replace('_', '-')}: must come with --scores, got it alone")
    return None


def _sign(separator: str | None) -> str | None:
    return {"\\t": "\t", "tab": "\t"}.get(separator or "", separator)


def _owner(root: Path) -> str:
    from fairmark.repo.git import git

    return git(root, "config", "user.name").stdout.strip() or "TODO: who answers for this project"


def _ask() -> "Ask | None":
    """Return what asks a person, or None where nobody is there to answer."""
    import sys

    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    return answer


def answer(question: str, proposed: Mapping[str, str]) -> str:
    """Return what a person answers on the terminal: what is proposed under a number, or a text of their own.

    Several numbers, with blanks between, give what they stand for with `;` between.
    """
    from fairmark.errors import UsageError

    reasons = [f"   ({why})" if why else "" for why in proposed.values()]
    say("", question)
    say(*(f"  {k}  {each}{why}" for k, (each, why) in enumerate(zip(proposed, reasons, strict=True), 1)))
    for _ in range(3):
        say("answer by number or by name:")
        try:
            words = input().strip()
        except EOFError:
            break
        if words:
            return _meant(words, [*proposed])
    raise UsageError(f"{question} must be answered, got nothing")


def _meant(words: str, proposed: Sequence[str]) -> str:
    numbers = words.replace(";", " ").split()
    if words in proposed or not all(n.isdigit() and 1 <= int(n) <= len(proposed) for n in numbers):
        return words
    return ";".join(proposed[int(number) - 1] for number in numbers)


def _report(found: "Proposal") -> list[str]:
    """Return what was found and chosen, as lines for a person."""
    table, made = found.table, found.made
    kinds: dict[str, int] = {}
    for column in table.columns.values():
        if column.name not in made.drop:
            kinds[column.kind_name] = kinds.get(column.kind_name, 0) + 1
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    form = table.form
    how = "Parquet" if form["type"] == "parquet" else (
        f"{form['encoding']}, separator {form['separator']!r}, decimal {form['decimal']!r}"
    )  # fmt: skip
    marks = f", missing {', '.join(map(repr, form['missing']))}" if form["missing"] else ""
    lines = [
        f"read: {table.path.name}, {table.rows:,} rows, {len(table.columns)} columns ({how}{marks})",
        f"kept: {listed}",
        *(
            f"left out: {name}, because {why}" if why != "as you said" else f"left out: {name}, {why}"
            for name, why in made.drop.items()
        ),
        *(f"{key}: {getattr(made, key)}, because {why}" for key, why in made.why.items()),
        f"target: {made.target}, positive in {found.found.rate:.1%} of the rows",
        *(
            f"protected: {each.name}{f' by edges {list(each.edges)}' if each.edges else ''}"
            for each in made.protect
        ),
        *(
            f"protected: {it.name} by probability ({it.proxy}, {it.version}): {', '.join(it.columns)}"
            for it in made.probable
        ),
        "what the test rows could prove, before anything is trained:",
    ]
    for name in dict.fromkeys(each.limit for each in found.found.provable):
        own = [each for each in found.found.provable if each.limit == name]
        lines += [f"  {name}: {each.text(found.found.test_share)}" for each in own[:4]]
        lines += [f"  {name}: and {len(own) - 4} more pairs, each easier to show"] if len(own) > 4 else []
    lines += [f"look: {each}" for each in found.warnings]
    lines += [f"yours to decide: {each}" for each in found.questions]
    others = "assessment.yaml, " if found.scores is None else "scores.yaml, dvc.yaml, "
    return [*lines, f"written: params.yaml, {others}data/, data.dvc; {found.todo} texts wait for you (TODO)"]
