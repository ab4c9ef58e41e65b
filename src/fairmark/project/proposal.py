"""A project for a table: its params, tried on it by the stages' own code before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fairmark.data.audit import audited
from fairmark.data.prepare import Prepared, prepared
from fairmark.data.roles import LABEL, SOURCE
from fairmark.data.summaries import DataAudit
from fairmark.errors import InputError
from fairmark.judge.provable import GroupRows, Provable, provable
from fairmark.params.policy import Limit
from fairmark.params.read import Params
from fairmark.params.scores import Scores
from fairmark.project.choices import Ask, Choices, Options, chosen, questions
from fairmark.project.file_format import Overrides
from fairmark.project.params_text import (
    FOUR_FIFTHS,
    OPPORTUNITY,
    TEST_SHARE,
    TODO,
    Found,
    limit_names,
    params_text,
    read,
)
from fairmark.project.scores import ScoreOptions, copied, params_of_scores, parts_of, probable_of, scores_of
from fairmark.project.table import Table, read_table


@dataclass(frozen=True)
class Proposal:
    """A project that is proposed for a table.

    Parameters
    ----------
    text
        Of params.yaml.
    params
        The same, read back.
    questions
        What a person is to decide, a sentence each.
    warnings
        What stands in the way of a useful verdict, a sentence each.
    """

    table: Table
    made: Choices
    found: Found
    text: str
    params: Params
    scores: Scores | None
    questions: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def todo(self) -> int:
        """Return how many texts are left to the owner."""
        return self.text.count(f"{TODO}:") + self.text.count(f"LicenseRef-{TODO}")


def proposal(
    paths: Sequence[Path],
    default: str,
    given: Options,
    overrides: Overrides,
    ask: Ask | None,
    owner: str,
    decimal: str | None = None,
    *,
    judged: ScoreOptions | None = None,
) -> Proposal:
    """Return the project that is proposed for a table.

    Parameters
    ----------
    paths
        The table, and where there is one its published test file.
    default
        The text of the default project's params.yaml.
    judged
        What was said of scores that were made elsewhere, where a model is judged and none is made.

    Raises
    ------
    InputError
        When the file is no table, or what is chosen does not hold of its rows.
    UsageError
        When something must be said that was not.
    """
    table = read_table(paths[0], overrides, decimal)
    test = read_table(paths[1], overrides, decimal) if len(paths) > 1 else None
    scores = None if judged is None else scores_of(table, judged, ask)
    if scores is None:
        made = chosen(table, given, ask, test)
    else:
        given = given if judged is None else replace(given, probable=probable_of(table, judged))
        table, made = parts_of(table, given, scores, ask)
    # Of scores that are judged every row is a test row.
    first = Found(_rate(table, made), test_share=TEST_SHARE if test is None and scores is None else 1.0)
    # Twice: the first text only lets `prepare` be tried, and what the rows then show goes into the second.
    draft = params_text(default, table, made, given, first, owner, test)
    tried = _tried(table, test, read(draft))
    params = read(draft)
    audit = audited(tried.table, tried.evidence, tried.schema, params.audit)
    provable_of = tuple(_provable(tried, made, params, first.test_share))
    found = replace(first, provable=provable_of, copies=_copies_tell(tried, made))
    if scores is None:
        found = replace(found, proxies=tuple(_proxies(audit)), leaks=tuple(_leaks(audit, params)))
    text = params_text(default, table, made, given, found, owner, test)
    if scores is not None:
        text = params_of_scores(text)
    asked = (*questions(table, made), *found.proxies, *audit.questions)
    warnings = tuple(_warnings(table, made, found, tried, params))
    if scores is not None:
        warnings += tuple(copied(table, made, scores))
    return Proposal(table, made, found, text, read(text), scores, asked, warnings)


def _rate(table: Table, made: Choices) -> float:
    texts = table.texts[made.target].dropna().replace(dict(made.spellings.get(made.target, {})))
    if isinstance(made.positive, float):
        cells = table.columns[made.target].cells.dropna()
        return float((cells > made.positive).mean())
    return float(texts.isin(list(made.positive)).mean())


def _tried(table: Table, test: Table | None, params: Params) -> Prepared:
    """Return what `prepare` will make of the files, where they lie."""
    import tempfile

    if test is None:
        return prepared(table.path.parent, params.prepare)
    with tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        # Both files must lie in one folder for `prepare`, and neither is copied.
        for one in (table, test):
            (Path(place) / one.path.name).symlink_to(one.path.resolve())
        try:
            return prepared(Path(place), params.prepare)
        except InputError as error:
            raise type(error)(*(fault.replace(f"{place}/", "") for fault in error.faults)) from error


def _proxies(audit: DataAudit) -> list[str]:
    found: dict[str, str] = {}
    for one in audit.proxies:
        if one.withheld or one.column in found:
            continue
        found[one.column] = (
            f"{one.column}: may a model see it? Alone it tells {one.attribute} ({one.group}) with an AUC of "
            f"{max(one.auc, one.group_auc):.2f} (--forbid {one.column})"
        )
    return list(found.values())


def _leaks(audit: DataAudit, params: Params) -> list[str]:
    return [
        f"{one.column} alone tells the outcome with an AUC of {one.auc:.3f}: is it known when the "
        "decision is made? "
        f"If not: --drop {one.column}"
        for one in audit.leakage
        if not one.withheld and one.auc >= params.audit.leakage_auc
    ]


def _provable(tried: Prepared, made: Choices, params: Params, share: float) -> list[Provable]:
    """Return what the test rows could show of each limit, hardest pair first."""
    rows = tried.table[SOURCE] == ("test" if tried.schema.test_file else "main")
    evidence = tried.evidence[rows.to_numpy()]
    rate = float(evidence[LABEL].mean())
    found: list[Provable] = []
    for each, (ratio, difference, _) in zip(made.protect, limit_names(made.protect), strict=True):
        by = evidence.groupby(each.name)[LABEL]
        size, positives = by.size(), by.sum()
        groups = [
            GroupRows(str(name), round(size[name] * share), round(positives[name] * share))
            for name in size.index
        ]
        limits = [
            Limit(name=name, measure=measure, attribute=each.name, at_least=least, at_most=most, gate=True,
                  reason="proposed")
            for name, measure, least, most in (
                (ratio, "selection_rate_ratio", FOUR_FIFTHS, None),
                (difference, "true_positive_rate_difference", None, OPPORTUNITY),
            )
        ]  # fmt: skip
        found += [
            one for limit in limits for one in provable([limit], params.policy, {each.name: groups}, rate)
        ]
    return found


TELLING = 0.5
"""Share of different rows that one column has a value of its own for, from which equal rows are copies."""


def _copies_tell(tried: Prepared, made: Choices) -> bool:
    """Return whether rows that are alike in every cell are copies, and nobody says whose they are."""
    if made.person is not None:
        return False
    different = max((tried.table[name].nunique() for name in tried.schema.feature_names), default=0)
    return different >= TELLING * (tried.summary.rows - tried.summary.duplicates)


def _small(tried: Prepared, params: Params, share: float) -> list[str]:
    """Return a sentence for each attribute with groups that have fewer test rows than the policy asks for."""
    least, lines = params.policy.min_group_rows, []
    rows = tried.table[SOURCE] == ("test" if tried.schema.test_file else "main")
    for attribute in params.prepare.grouped:
        sizes = tried.evidence.loc[rows.to_numpy(), attribute].value_counts() * share
        few = [f"{group} ({round(size)})" for group, size in sizes.items() if round(size) < least]
        if few:
            lines.append(
                f"{attribute}: about {', '.join(few[:8])} test rows, below policy.min_group_rows "
                f"{least}, so that "
                "the verdict on them stays open: merge groups (prepare.spellings), leave such rows out "
                "(prepare.drop_rows), or record a waiver"
            )
    return lines


FEW_OF_A_LABEL = 50
"""Rows with the rarer label under which what is learnt and shown of it is chance."""


def _rare(tried: Prepared, made: Choices) -> list[str]:
    """Return a sentence where so few rows have one of the labels that nothing follows from them."""
    positives = int(tried.table[LABEL].sum())
    few, which = min((positives, "positive"), (len(tried.table) - positives, "negative"))
    if few >= FEW_OF_A_LABEL:
        return []
    rows = f"{made.target}: {few:,} of {len(tried.table):,} rows are {which}"
    return [f"{rows}: what is learnt and shown of so few is chance; get more, or name another outcome"]


def _one_label(tried: Prepared, params: Params) -> list[str]:
    """Return a sentence for each attribute with groups in which every row has the same label."""
    lines = []
    for attribute in params.prepare.grouped:
        labels = tried.table[LABEL].groupby(tried.evidence[attribute].to_numpy()).nunique()
        if alike := [str(group) for group, count in labels.items() if count < 2]:
            lines.append(
                f"{attribute}: every row of {', '.join(alike[:8])} has the same label, so that no decision "
                "can be shown to be better than chance there: merge groups (prepare.spellings), or record a "
                "waiver"
            )
    return lines


def _of_target(table: Table, made: Choices) -> list[str]:
    """Return a sentence on values of the outcome that were put together, by spelling or as negative."""
    lines, name = [], made.target
    for text, means in made.spellings.get(name, {}).items():
        lines.append(f"{name}: {text!r} is read as {means!r}")
    if made.negative is not None:
        shares = table.texts[name].replace(dict(made.spellings.get(name, {}))).value_counts(normalize=True)
        listed = ", ".join(f"{value} ({shares[value]:.1%})" for value in made.negative[:6])
        more = f" and {len(made.negative) - 6} more" if len(made.negative) > 6 else ""
        lines.append(
            f"{name}: {listed}{more} all count as negative; rows that are neither, such as open cases, are "
            f"left out by prepare.drop_rows"
        )
    return lines


def _last_row(table: Table) -> list[str]:
    """Return a sentence where the last row has few of the values that rows have, as a total has."""
    given = table.texts.notna()
    last, usual = int(given.iloc[-1].sum()), float(given.sum(axis=1).median())
    if last > usual / 2:
        return []
    return [f"the last row has {last} values where rows have {usual:g}: take it out if it is a total"]


def _warnings(table: Table, made: Choices, found: Found, tried: Prepared, params: Params) -> list[str]:
    lines = [note.removesuffix(".") for note in (*table.file.notes, *table.numbers.notes)]
    lines += [*found.leaks, *_rare(tried, made), *_small(tried, params, found.test_share)]
    lines += _one_label(tried, params)
    names = list(dict.fromkeys(each.limit for each in found.provable if each.kind == "ratio"))
    for name in names:
        hard = [each for each in found.provable if each.limit == name and each.needed is None]
        if hard:
            lines.append(
                f"{name}: {len(hard)} pairs of groups can't be shown to meet it by these rows, unless more "
                f"are selected than are positive; first {hard[0].text(found.test_share)}"
            )
    lines += [*_of_target(table, made), *_last_row(table)]
    if tried.summary.duplicates:
        lines.append(f"{tried.summary.duplicates:,} rows repeat an earlier one in every cell")
    return lines
