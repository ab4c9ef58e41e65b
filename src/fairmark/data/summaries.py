"""What the data stages found, as documents: the prepare summary, the data audit and the split summary.

`prepare` says what it read, `audit` who is in it and which columns give something away, `split` how the rows
were parted. No value of a single row is in any of them. Shares and rates run from 0 to 1.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from fairmark.data.schema import KindName
from fairmark.params.base import Share
from fairmark.record import Record

Rows = Annotated[int, Field(ge=0)]
Auc = Share
"""Area under the ROC curve: 0.5 says nothing, 1 gives everything away."""


class SampledPart(Record):
    """How many rows of a part were looked at, and of how many."""

    rows: int
    of: int


class SourceFile(Record):
    """A raw file as it was read; `duplicates` are rows whose content stands in an earlier row of it."""

    name: str
    rows: Rows
    duplicates: Rows
    packed: bool
    sha256: str


class SourceFiles(Record):
    """The main file, and the published test file where there is one."""

    main: SourceFile
    test: SourceFile | None

    @property
    def all(self) -> tuple[SourceFile, ...]:
        """The files that there are."""
        return (self.main,) if self.test is None else (self.main, self.test)


class Exclusion(Record):
    """A rule of `prepare.drop_rows` in words, and how many rows it left out."""

    column: str
    when: str
    reason: str
    rows: Rows


class ColumnReading(Record):
    """What a column of the main file was taken for, and what of its texts would speak for another kind."""

    kind: KindName
    said: bool
    """Whether params.yaml says the kind; if not, it was read off the cells."""
    missing: Share
    values: Rows | None
    """Different values of a named kind; null for the others."""
    numbers: Share | None
    """Share of the given cells of a named kind that read as numbers."""
    zero_led: bool
    alike: Rows
    """Texts that differ from another one in case, spaces or Unicode form alone."""
    unit: str | None


class PrepareSummary(Record):
    """What `prepare` read: files, rows, and how much of them is missing, repeated or left out."""

    files: SourceFiles
    rows: Rows
    positives: Rows
    duplicates: Rows
    """Rows whose content stands in an earlier row of any file, row ids apart."""
    shared_rows: Rows
    """Different rows that stand in both files."""
    missing: dict[str, Share]
    unseen: dict[str, Rows]
    """Rows of the test file, per column, whose category the main file does not hold."""
    dropped: tuple[str, ...]
    unread: dict[str, str]
    """Dropped columns that hold no single values, each with its type."""
    index: tuple[str, ...]
    """Columns that the file's own metadata calls an index."""
    excluded: tuple[Exclusion, ...]
    respelt: dict[str, Rows]
    columns: dict[str, ColumnReading]


class ClassBalance(Record):
    """Rows of each class; `ratio` is the smaller over the larger (1 = balanced)."""

    positive: Rows
    negative: Rows
    ratio: Share
    weighted_label_rate: Share


class GroupSummary(Record):
    """Who is in a group: rows, their share of all, their label rate, and the share of missing cells."""

    rows: Rows
    share: Share
    label_rate: Share
    missing: Share
    small: bool
    """Whether it holds fewer persons than `audit.min_group_rows`."""


class Proxy(Record):
    """A column that stands for a protected attribute, by its AUC over all groups or over the clearest one."""

    attribute: str
    column: str
    auc: Auc
    withheld: bool
    group: str
    group_auc: Auc


class LeakageSuspect(Record):
    """A column that knows the label too well on its own."""

    column: str
    auc: Auc
    withheld: bool


class PersonalColumn(Record):
    """A column that seems to hold personal data of a kind, in a share of its given cells."""

    column: str
    kind: str
    share: Share


class Clusters(Record):
    """Columns whose patterns repeat as the rows of one person would."""

    columns: tuple[str, ...]
    patterns: Rows
    rows_each: float
    """Rows of a pattern in the mean."""
    repeated: Share
    """Share of rows that share their pattern with another."""
    by_chance: Share
    """The same with each column shuffled by itself."""
    label_constant: Share
    """Share of patterns that hold one label alone."""


class DataAudit(Record):
    """Who is in the data, which columns stand for a protected attribute, which know the label."""

    rows: Rows
    label_rate: Share
    class_balance: ClassBalance
    groups: dict[str, dict[str, GroupSummary]]
    associations: dict[str, dict[str, Auc]]
    """Of each attribute, how well each column alone predicts its groups, out of fold."""
    proxies: tuple[Proxy, ...]
    label_power: dict[str, Auc]
    """How well each column alone predicts the label, out of fold."""
    leakage: tuple[LeakageSuspect, ...]
    personal: tuple[PersonalColumn, ...]
    clusters: Clusters | None
    questions: tuple[str, ...]
    """What the data can't answer and its owner must."""
    independence: tuple[str, ...] = ()
    """What speaks against rows that are independent, which the verdict's bounds take them for."""

    def in_order(self, groups: Mapping[str, Sequence[str]]) -> "DataAudit":
        """Return the audit with the groups of each attribute in the order given, not as texts."""
        ordered = {
            name: {
                group: summaries[group] for group in groups.get(name, sorted(summaries)) if group in summaries
            }
            for name, summaries in self.groups.items()
        }
        return self.model_copy(update={"groups": ordered})


class IndependenceTest(Record):
    """A permutation test of part against label among rows alike; without such rows it says nothing."""

    strata: Rows
    """Sets of rows alike in features and groups that hold both labels and several parts."""
    rows: Rows
    statistic: float | None
    """Pearson's chi-square, added up over the strata."""
    expected: float | None
    deviations: float | None
    """Standard deviations of the statistic above what is expected."""
    p: Share | None
    independent: bool | None


class Distance(Record):
    """Total variation distance between two parts (0 = alike, 1 = nothing in common), and its p-value."""

    distance: Share
    p: Share


class LabelDistance(Distance):
    """The distance of the label, with the label rates of the train part and of this one."""

    train: Share | None
    here: Share | None


class PartShift(Record):
    """How one part differs from the train part."""

    label: LabelDistance
    groups: dict[str, Distance]
    features: dict[str, Distance]


class Shift(Record):
    """How validation and test part differ from the train part; beyond chance is a p of at most `chance`."""

    valid: PartShift
    test: PartShift
    findings: tuple[str, ...]
    chance: float

    @property
    def later(self) -> dict[str, PartShift]:
        """The parts that are measured on, by name."""
        return {"valid": self.valid, "test": self.test}


class PartSummary(Record):
    """Rows and label rate of a part, and the rows of each group of each attribute."""

    rows: Rows
    label_rate: Share
    groups: dict[str, dict[str, Rows]]


class Parts(Record):
    """The parts that rows are split into."""

    train: PartSummary
    valid: PartSummary
    test: PartSummary

    @property
    def by_name(self) -> dict[str, PartSummary]:
        """The parts by name, in the order in which rows are used."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


class PersonsByPart(Record):
    """Persons whose rows are in each part."""

    train: Rows
    valid: Rows
    test: Rows


class SplitSummary(Record):
    """How rows were parted, and how the parts differ."""

    parts: Parts
    unused: Rows
    """Rows in no part."""
    persons: PersonsByPart | None
    """Null where nobody said whose the rows are."""
    test_file: bool
    order: Literal["hash", "time"]
    alike: Literal["spread", "together"]
    gap_days: float | None
    sampled_by: str | None = None
    """The attribute by whose groups test rows were drawn with different shares."""
    independence: IndependenceTest
    shift: Shift
    findings: tuple[str, ...]
