"""The params.yaml that is proposed for a table: what was found and chosen, each choice with its reason.

It is the default project's file with the sections that speak of a table written anew, so that everything else
(the search, the checks, the licences) stays as it is there, comments and all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairmark.judge.provable import Provable
from fairmark.params.read import Params, parse_params
from fairmark.project.choices import Choices, Options, Probable, Protect
from fairmark.project.table import Table
from fairmark.project.yaml_text import comment, entry, flow, scalar, with_entry, with_section
from fairmark.yaml12 import parse_yaml

TODO = "TODO"
"""Begins each text that only the owner can write."""

TEST_SHARE = 0.3
RARE = 0.2
"""Share of the rarer label below which accuracy says little: the other one to everybody is nearly right."""

FOUR_FIFTHS = 0.8
OPPORTUNITY = 0.2
CHANCE = 0.5

TEXTS = {
    "summary": "TODO: say in one sentence what a decision by this model says, and of whom.",
    "intended_use": "TODO: say who is to use the decisions, for what, and who looks at them first.",
    "out_of_scope": "TODO: say what nobody may use the model for.",
    "data_origin": "TODO: say where the table comes from, of which days and places, and who is not in it.",
    "data_licence": "LicenseRef-TODO",
    "goal": (
        "TODO: say who is to be treated alike, by which measure and why by that one. As proposed: "
        "each group of the "
        "protected attributes is selected at like rates (the four-fifths rule)."
    ),
    "price": (
        "TODO: say what this may cost: where base rates differ, equal selection rates and equal "
        "error rates can't "
        "both be had."
    ),
}
"""What stands for a text until its owner has written it."""


@dataclass(frozen=True)
class Found:
    """What the prepared table showed of the choices, for the comments.

    Parameters
    ----------
    rate
        Share of positive labels.
    test_share
        Share of the rows of the file with the test rows that are measured on.
    proxies, leaks
        Sentences on columns that stand for a protected attribute, or for the label.
    provable
        What the test rows could show, the hardest pair of each limit first.
    copies
        Whether rows that are alike in every cell are copies of each other, and not alike by chance.
    """

    rate: float
    test_share: float = TEST_SHARE
    proxies: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    provable: tuple[Provable, ...] = ()
    copies: bool = False


BINS = 10
"""Bins of the probability of a group, in each of which the proxy is taken to be right."""


def limit_names(protect: Sequence[Protect | Probable]) -> list[tuple[str, str, str]]:
    """Return for each protected attribute the names of its limits: of selection, opportunity, and chance."""
    stems = [each.name.encode("ascii", "ignore").decode().replace("_", "-").strip("-") for each in protect]
    safe = [stem if stem[:1].isalpha() and stem.replace("-", "").isalnum() else "" for stem in stems]
    # Names of limits must be plain and different, whatever letters the columns are written in.
    unique = [stem if stem and safe.count(stem) == 1 else f"attribute-{k}" for k, stem in enumerate(safe, 1)]
    kinds = ("four-fifths", "equal-opportunity", "better-than-chance")
    return [(f"{stem}-{kinds[0]}", f"{stem}-{kinds[1]}", f"{stem}-{kinds[2]}") for stem in unique]


def params_text(
    default: str,
    table: Table,
    made: Choices,
    given: Options,
    found: Found,
    owner: str,
    test: Table | None = None,
) -> str:
    """Return the text of params.yaml.

    Parameters
    ----------
    default
        The text of the default project's params.yaml.
    owner
        Who the project's owner is said to be, where no option does.
    test
        The published test file, where there is one.
    """
    values = parse_yaml(default, "params.yaml")
    text = with_section(default, "project", _project(table, given, owner))
    text = with_section(text, "prepare", _prepare(table, made, found, test))
    for key, lines in _split(made, values, published=test is not None).items():
        text = with_entry(text, "split", key, lines)
    for key, lines in _tune(made, values).items():
        text = with_entry(text, "tune", key, lines)
    for key, lines in _train(found, values).items():
        text = with_entry(text, "train", key, lines)
    for key, lines in _policy(table, made, given, found, values).items():
        text = with_entry(text, "policy", key, lines)
    for key, lines in _release(given, owner, name_of(table, given)).items():
        text = with_entry(text, "release", key, lines)
    text = with_section(text, "privacy", _privacy(table, made, values))
    text = with_entry(text, "evaluate", "references", entry("references", None, 2))
    # What a person can change only somebody who knows the columns can say.
    text = with_entry(text, "explain", "mutable", entry("mutable", None, 2))
    text = with_entry(text, "explain", "texts", entry("texts", None, 2))
    text = with_entry(text, "serve", "contact", entry("contact", given.owner or owner, 2))
    return HEAD + text


HEAD = """\
# Written by `fairmark init`: each choice is a proposal. Look for TODO, read the comments, commit.
"""


def read(text: str) -> Params:
    """Return a written params.yaml, read back."""
    return parse_params(parse_yaml(text, "params.yaml"), "params.yaml")


def name_of(table: Table, given: Options) -> str:
    """Return the project's name: as said, or from the file's."""
    if given.name is not None:
        return given.name
    stem = table.path.name.partition(".")[0].encode("ascii", "ignore").decode().lower()
    words = "-".join("".join(char if char.isalnum() else " " for char in stem).split())
    return words if len(words) > 1 and words[0].isalpha() else f"table-{words or 'of-decisions'}"


def _text(key: str, given: Options) -> str:
    return given.texts.get(key, TEXTS[key])


def _project(table: Table, given: Options, owner: str) -> list[str]:
    lines = ["project:", *entry("name", name_of(table, given), 2)]
    lines += entry("title", given.title or table.path.name.partition(".")[0], 2)
    for key in ("summary", "intended_use", "out_of_scope"):
        lines += entry(key, _text(key, given), 2)
    lines += entry("owner", given.owner or owner, 2)
    lines += comment("The main file that the texts of project, policy and release speak of.", 2)
    lines += entry("data", table.path.name, 2)
    lines += entry("data_origin", _text("data_origin", given), 2)
    return [*lines, *entry("data_licence", _text("data_licence", given), 2)]


def _prepare(table: Table, made: Choices, found: Found, test: Table | None) -> list[str]:
    lines = ["prepare:", "  files:"]
    lines += comment(f"{table.rows:,} rows now; half and twice as many are taken for a mistake.", 4)
    lines += entry("main", _source(table), 4)
    lines += entry("test", None if test is None else _source(test), 4)
    for note in (*table.file.notes, *table.numbers.notes):
        lines += comment(note, 2)
    lines += ["  format:", *(line for key, value in table.form.items() for line in entry(key, value, 4))]
    lines += _target(made, found)
    lines += _roles(made)
    lines += ["  drop_rows:" if made.unlabelled else "  drop_rows: []"]
    if made.unlabelled:
        lines += comment(
            f"{made.unlabelled:,} rows have no outcome: nothing can be learnt from them, or measured.", 4
        )
        rule = {"column": made.target, "when": "missing", "reason": "Their outcome is not known."}
        lines += [f"    - {flow(rule)}"]
    lines += _dropped(made)
    lines += _columns(table, made)
    lines += ["  unlisted: refuse", "  protected:"]
    for each in made.protect:
        said: dict[str, object] = {"by": "column", "column": each.column}
        if each.edges:
            said = {"by": "edges", "column": each.column, "edges": [_whole(edge) for edge in each.edges]}
        lines += entry(each.name, said, 4)
    for it in made.probable:
        lines += comment("No row states the group; the bounds hold whoever is of it (docs/verdict.md).", 4)
        lines += entry(
            it.name,
            {
                "by": "probabilities",
                "columns": dict(it.columns),
                "proxy": it.proxy,
                "version": it.version,
                "error": it.error,
                "bins": BINS,
            },
            4,
        )
    if found.proxies:
        lines += comment(
            "Withheld from the model beside the protected attributes. Nothing is withheld by itself; "
            "these stand "
            "for an attribute by what the rows show, and each is yours to decide:",
            2,
        )
        lines += [line for proxy in found.proxies for line in comment(f"- {proxy}", 2)]
    return [*lines, *entry("forbidden", list(made.forbid), 2)]


def _source(table: Table) -> dict[str, object]:
    rows = {"min": max(1, table.rows // 2), "max": table.rows * 2}
    return {"name": table.path.name, "skip_rows": table.file.skip_rows, "rows": rows}


def _whole(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def _target(made: Choices, found: Found) -> list[str]:
    positive: object = {"above": made.positive} if isinstance(made.positive, float) else list(made.positive)
    if isinstance(positive, list) and len(positive) == 1:
        positive = positive[0]
    negative = None if made.negative is None else list(made.negative)
    lines = comment(f"Positive are {found.rate:.1%} of the rows; all other values count as negative.", 2)
    for leak in found.leaks:
        lines += comment(f"LOOK: {leak}", 2)
    said = {"column": made.target, "positive": positive, "negative": negative, "strip": ""}
    return [*lines, *entry("target", said, 2)]


def _roles(made: Choices) -> list[str]:
    lines: list[str] = []
    for key in ("row_id", "person", "time", "weight"):
        if key in made.why:
            lines += comment(f"{made.why[key]}.", 2)
        lines += entry(key, getattr(made, key), 2)
    lines += comment("Texts that mean another one.", 2) if made.spellings else []
    return [*lines, *entry("spellings", {k: dict(v) for k, v in made.spellings.items()}, 2)]


def _dropped(made: Choices) -> list[str]:
    if not made.drop:
        return ["  drop: []"]
    lines = ["  drop:"]
    for name, why in made.drop.items():
        lines += [*comment(f"{why}.", 4), f"    - {scalar(name)}"]
    return lines


def _columns(table: Table, made: Choices) -> list[str]:
    own = {made.target, made.row_id, made.person, *made.drop}
    kept = [column for column in table.columns.values() if column.name not in own and column.kind is not None]
    if not kept:
        return ["  columns: {}"]
    lines = comment(
        "Ranges and values are those of these rows: what is outside them is refused. Missing shares "
        "have a quarter "
        "of room.",
        2,
    )
    lines += ["  columns:"]
    for column in kept:
        said = dict(column.said)
        if column.name == made.time:
            said = _as_time(said)
        lines += [*comment(f"{column.why}.", 4)] if column.why else []
        lines += entry(column.name, said, 4)
    return lines


def _as_time(said: dict[str, object]) -> dict[str, object]:
    if said["kind"] == "date":
        return said | {"missing": 0.0}
    return {"kind": "date", "format": "%Y", "earliest": None, "latest": None, "missing": 0.0}


def _split(made: Choices, values: Mapping[str, Any], *, published: bool) -> dict[str, list[str]]:
    split = values["split"]
    order = "time" if made.time is not None else "hash"
    why = (
        "The latest rows are the test rows (prepare.time)."
        if made.time is not None
        else "No day of the decision is named, so that rows are parted by a hash."
    )
    share = (
        "The published test file is the test set."
        if published
        else (
            f"No test file is published: {TEST_SHARE:g} of the rows are kept for the verdict, and nothing "
            "is learnt from them."
        )
    )
    lines = {
        "order": [*comment(why, 2), *entry("order", order, 2)],
        "test_share": [*comment(share, 2), *entry("test_share", None if published else TEST_SHARE, 2)],
    }
    # Rows that are alike can't be kept together where the day says which part a row is in.
    if made.time is not None and split.get("alike") == "together":
        lines["alike"] = entry("alike", "spread", 2)
    return lines


def _tune(made: Choices, values: Mapping[str, Any]) -> dict[str, list[str]]:
    steps = values["tune"]["mitigation"]
    lines = {}
    if isinstance(steps, list) and steps and isinstance(steps[0], dict) and "attribute" in steps[0]:
        each = [steps[0] | {"attribute": one.name} for one in made.protect]
        why = (
            "How strongly the search may draw groups together: one entry for each protected attribute "
            "with a gate."
        )
        lines["mitigation"] = [*comment(why, 2), "  mitigation:", *(f"    - {flow(step)}" for step in each)]
        if not each:
            lines["mitigation"] = ["  mitigation: []"]
    return lines


def goal_of(rate: float) -> str:
    """Return the measure of decisions for a base rate: accuracy, but for a rare label."""
    return "balanced_accuracy" if min(rate, 1 - rate) < RARE else "accuracy"


def _why_goal(rate: float) -> str:
    least = min(rate, 1 - rate)
    if least < RARE:
        return (
            f"The rarer label is {least:.1%} of the rows: saying the other one to everybody is right for "
            f"{1 - least:.1%}, so that accuracy says little; balanced accuracy counts both labels alike."
        )
    return f"Both labels are common ({rate:.1%} positive), so that accuracy tells decisions apart."


def _train(found: Found, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the threshold with why, by the base rate; a measure for each kind of label chooses by itself."""
    said = values["train"]["threshold"]
    if not isinstance(said["maximise"], dict):
        said = said | {"maximise": goal_of(found.rate)}
    lines = {"threshold": [*comment(_why_goal(found.rate), 2), *entry("threshold", said | {"by": None}, 2)]}
    if "monotone" in values["train"]:
        why = "Features that the score follows one way, such as `{income: increasing}`: yours to say."
        lines["monotone"] = [*comment(why, 2), *entry("monotone", {}, 2)]
    return lines


def _policy(
    table: Table, made: Choices, given: Options, found: Found, values: Mapping[str, Any]
) -> dict[str, list[str]]:
    least = group_floor(table.rows)
    gain = {"measures": ["goal"], "at_least": 0, "not_required": None}
    return {
        "goal": entry("goal", _text("goal", given), 2),
        "price": entry("price", _text("price", given), 2),
        "budget": [
            *comment(
                "So many verdicts on the same test rows; `first` of the level is for the first of them.", 2
            ),
            *entry("budget", {"test_set": "the test rows of this table", "verdicts": 4, "first": 0.5}, 2),
        ],
        "bounds": [
            *comment("Proven: betting, pairs. Conjectured, with fewer rows: gaffke, placements.", 2),
            *entry("bounds", {"losses": "betting", "auc": "placements", "rates": "gaffke"}, 2),
        ],
        "min_group_rows": [
            *comment("Groups with fewer test rows leave the verdict at insufficient evidence.", 2),
            *entry("min_group_rows", least, 2),
        ],
        "protected_at_prediction": [
            *comment("No decision is told a protected attribute.", 2),
            *entry("protected_at_prediction", [], 2),
        ],
        "constant_answer": [
            *comment(
                "A model must be better than yes, or no, to everybody, in the measure of its threshold.", 2
            ),
            *entry("constant_answer", gain, 2),
        ],
        "findings": _findings(found, values["policy"]["findings"]),
        "limits": ["  limits:", *_limits(made, found)],
        "waivers": entry("waivers", [], 2),
        "overrides": entry("overrides", [], 2),
        "overlays": [
            *comment("Policies of other jurisdictions on the same measurements (docs/verdict.md).", 2),
            *entry("overlays", [], 2),
        ],
    }


COPIES = 0.05
"""Share of rows that are copies of others, above which a verdict is left open."""


def _findings(found: Found, default: Mapping[str, Any]) -> list[str]:
    lines = comment(
        "Signs that test rows tell too much, or of others (docs/findings.md): above its number one leaves "
        "the verdict at insufficient evidence, until a waiver answers it. null reports only.",
        2,
    )
    lines.append("  findings:")
    for name, value in default.items():
        if name == "repeated_rows":
            lines += comment(_why_copies(found), 4)
            value = COPIES if found.copies else value  # noqa: PLW2901 - the one that differs
        lines += entry(name, value, 4)
    return lines


def _why_copies(found: Found) -> str:
    if found.copies:
        return (
            "One column tells most rows apart, so that rows alike in every cell are copies: bounds would "
            "take them for so many people."
        )
    return "No column tells most rows apart, or persons are named: rows repeat by chance, or are counted so."


def group_floor(rows: int) -> int:
    """Return the fewest test rows of a group that a verdict speaks of: a hundredth of them, 30 to 200."""
    return int(min(200, max(30, round(rows * TEST_SHARE / 100, -1))))


def _limits(made: Choices, found: Found) -> list[str]:
    lines = [
        *_limit(
            "auc-floor",
            "roc_auc",
            None,
            ("at_least", 0.6),
            "Below this a model ranks too poorly to be worth its errors.",
        ),
        *_limit(
            "auc-ceiling",
            "roc_auc",
            None,
            ("at_most", 0.99),
            "Above this a column that knows the outcome is likelier than a good model.",
        ),
    ]
    every: list[Protect | Probable] = [*made.protect, *made.probable]
    for each, (ratio, difference, chance) in zip(every, limit_names(every), strict=True):
        lines += _proof(ratio, found)
        lines += _limit(
            ratio, "selection_rate_ratio", each.name, ("at_least", FOUR_FIFTHS),
            "29 CFR 1607.4(D): a selection rate below four fifths of the highest group's is taken as "
            "evidence of "
            "adverse impact.",
        )  # fmt: skip
        lines += _proof(difference, found)
        lines += _limit(
            difference, "true_positive_rate_difference", each.name, ("at_most", OPPORTUNITY),
            "Reported beside the gate: of those with a positive outcome, how much less often one "
            "group is found.",
            gate=False,
        )  # fmt: skip
        if isinstance(each, Probable):  # of such groups rates alone are bounded
            continue
        lines += _limit(
            chance, "balanced_accuracy", each.name, ("at_least", CHANCE),
            "In each group those with a positive outcome are selected more often than the others. Groups "
            "can be selected alike while decisions are worse than chance for one of them.",
        )  # fmt: skip
    return lines


def _proof(limit: str, found: Found) -> list[str]:
    own = [each for each in found.provable if each.limit == limit]
    lines = [line for each in own[:3] for line in comment(each.text(found.test_share) + ".", 4)]
    lines += comment(f"And {len(own) - 3} more pairs, each easier to show.", 4) if len(own) > 3 else []
    return lines


def _limit(
    name: str, measure: str, attribute: str | None, side: tuple[str, float], reason: str, *, gate: bool = True
) -> list[str]:
    lines = [f"    - name: {name}", f"      measure: {measure}", f"      attribute: {scalar(attribute)}"]
    lines += [
        f"      {key}: {scalar(side[1] if key == side[0] else None)}" for key in ("at_least", "at_most")
    ]
    return [*lines, f"      gate: {scalar(gate)}", *entry("reason", reason, 6)]


def _release(given: Options, owner: str, name: str) -> dict[str, list[str]]:
    who = given.owner or owner
    said = {"of": name, "owner": who, "steward": who, "custodian": who}
    return {
        "governance": [
            *comment("Who answers for the data: TODO where it is another person.", 2),
            "  governance:",
            *(line for key, value in said.items() for line in entry(key, value, 4)),
        ],
        "environmental_cost": [
            *comment(
                "What training cost, once you have measured it (docs/production.md); null says nothing.", 2
            ),
            "  environmental_cost: null",
        ],
    }


def _privacy(table: Table, made: Choices, values: Mapping[str, Any]) -> list[str]:
    own = {*made.drop}
    personal = [name for name in table.columns if name not in own]
    lines = ["privacy:"]
    lines += comment(
        "Whatever is said of a person is personal data: all columns, until you take out those that "
        "say nothing of one.",
        2,
    )
    for name, column in table.columns.items():
        if column.looks:
            lines += comment(f"{name} looks like {' and '.join(column.looks)}.", 2)
    lines += entry("personal", personal, 2)
    lines += comment("As in the default project, whose table is public: ask for more where yours is not.", 2)
    rest = {key: value for key, value in values["privacy"].items() if key != "personal"}
    return [*lines, *(line for key, value in rest.items() for line in entry(key, value, 2))]
