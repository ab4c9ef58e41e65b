"""Find personal data in columns: by kind and share, never the values themselves."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmark.data.kinds import Cells

FEW = 20
"""Columns with fewer different values than this name no single person."""

UNIQUE = 0.99
"""Share of different values from which a column tells rows apart."""

MANY = 0.1
"""Share of different values from which texts such as `Ada Lovelace` are people, not `New York`."""

WORD = re.compile(r"[^\W\d_]{2,}")
WORDS = 5
"""Words from which a text says something in its own way."""

PROSE = 0.5
"""Share of different values from which such texts are free text, and no long names of categories."""

DATED = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([ T].*)?", re.ASCII)
PATTERNS = {
    "e-mail": re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    "national id": re.compile(
        r"\d{3}-\d{2}-\d{4}|[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]", re.ASCII
    ),
    "ip address": re.compile(
        r"((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)|([0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}",
        re.ASCII | re.IGNORECASE,
    ),
}
PHONE = re.compile(
    r"(\+|00)[\d ()./-]{8,20}|\(?\d{2,5}\)?([ .-]+\d{2,5}){2,4}|\(\d{2,5}\) ?\d{3,8}([ -]\d+)?", re.ASCII
)
BARE_PHONE = re.compile(r"\+?[\d ()./-]{6,20}", re.ASCII)
CARD = re.compile(r"\d(?:[ -]?\d){12,18}", re.ASCII)
IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}", re.ASCII)
PERSON = re.compile(r"[^\W\d_][\w'\u2019.-]+,? (?:[^\W\d_][\w'\u2019.-]* )?[^\W\d_][\w'\u2019-]+")

NAME_WORDS = frozenset(
    {"surname", "firstname", "lastname", "fullname", "forename", "vorname", "nachname", "apellido"}
)
WHOSE_WORDS = frozenset(
    {
        "applicant",
        "borrower",
        "client",
        "contact",
        "customer",
        "employee",
        "member",
        "owner",
        "patient",
        "person",
    }
    | {"student", "teacher", "tenant", "user"}
)
"""Whose name it is, beside `name`: a hotel's or a product's is no person's."""
NAME_PAIRS = frozenset({"first", "last", "full", "given", "family", "maiden", "middle"})
PHONE_WORDS = frozenset({"phone", "telephone", "tel", "mobile", "cell", "fax", "handy"})
PLACE_WORDS = frozenset({"address", "street", "addr"})
BIRTH_WORDS = frozenset({"birth", "birthdate", "birthday", "dob", "born"})
NATIONAL_WORDS = frozenset({"ssn", "nino", "passport"})


@dataclass(frozen=True)
class PersonalData:
    """Personal data in one column: its kind, and the share of given cells that look like it."""

    kind: str
    share: float


@dataclass(frozen=True)
class _Column:
    """One column to look at: words of its name, different texts with their rows, and what kind it is."""

    words: frozenset[str]
    texts: list[str]
    counts: npt.NDArray[np.int64]
    kind: str
    rows: int

    def share(self, fits: Callable[[str], object]) -> float:
        """Return the share of rows whose text fits."""
        hits = np.fromiter((bool(fits(text)) for text in self.texts), bool, len(self.texts))
        return float(self.counts[hits].sum() / self.rows)

    @property
    def spread(self) -> float:
        """The share of different values among the rows."""
        return len(self.texts) / self.rows


def personal(name: str, cells: Cells, kind: str, least: float) -> list[PersonalData]:
    """Return what personal data a column seems to hold, in at least the share `least` of its given cells.

    Parameters
    ----------
    name
        The column's name; its words count.
    cells
        [n] typed cells, missing ones ignored.
    kind
        The column's kind, such as `numeric`.
    """
    given = cells.dropna()
    if given.empty or kind == "boolean":
        return []
    counts = given.value_counts()
    column = _Column(
        _words(name),
        _as_texts(counts.index.tolist()),
        counts.to_numpy().astype(np.int64),
        kind,
        len(given),
    )
    if kind == "date":
        # Any day looks like any other: only the name says that it is somebody's birth.
        return [PersonalData("birth date", 1.0)] if _born(column.words) else []
    return [one for one in _kinds_of_data(column) if one.share >= least]


def _words(name: str) -> frozenset[str]:
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return frozenset(word.lower() for word in re.findall(r"[^\W_]+", split))


def _as_texts(values: Sequence[object]) -> list[str]:
    """Return different cells as texts; a whole number without a point, as a card's or an account's is."""
    return [
        str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in values
    ]


def _born(words: frozenset[str]) -> bool:
    return bool(words & BIRTH_WORDS)


def _kinds_of_data(column: _Column) -> Iterator[PersonalData]:
    """Yield each kind of personal data with its share, the surest first."""
    alike = [PersonalData(kind, column.share(pattern.fullmatch)) for kind, pattern in PATTERNS.items()]
    alike += [
        PersonalData("card number", column.share(_card)),
        PersonalData("bank account", column.share(_iban)),
    ]
    if len(column.texts) >= FEW:
        alike += [PersonalData("phone", column.share(_phone(column.words)))]
        alike += [PersonalData("name", _names(column)), PersonalData("address", _addresses(column))]
    if column.words & NATIONAL_WORDS:
        alike.append(PersonalData("national id", column.share(lambda text: any(c.isdigit() for c in text))))
    if _born(column.words) and column.kind != "numeric":
        alike.append(PersonalData("birth date", column.share(DATED.fullmatch)))
    if column.kind != "numeric" and len(column.texts) >= FEW and column.spread >= PROSE:
        alike.append(PersonalData("free text", column.share(lambda text: len(WORD.findall(text)) >= WORDS)))
    hits = [one for one in alike if one.share > 0]
    yield from {one.kind: one for one in sorted(hits, key=lambda one: one.share)}.values()
    # Whatever tells a person apart by its own kind need not be called an id as well.
    if not any(one.share >= 0.5 for one in hits) and _id_like(column):
        yield PersonalData("id-like", column.spread)


def _phone(words: frozenset[str]) -> Callable[[str], object]:
    pattern = BARE_PHONE if words & PHONE_WORDS else PHONE

    def fits(text: str) -> bool:
        digits = sum(char.isdigit() for char in text)
        return 7 <= digits <= 15 and bool(pattern.fullmatch(text)) and not DATED.fullmatch(text)

    return fits


def _names(column: _Column) -> float:
    # A column called `name` and nothing else names people, however often each stands there.
    alone = column.words <= WHOSE_WORDS | {"name"}
    sure = bool(column.words & NAME_WORDS) or (
        "name" in column.words and (column.words & NAME_PAIRS or alone)
    )
    if column.kind == "numeric" or not (sure or column.spread >= MANY):
        return 0.0
    if sure or "name" in column.words:
        return column.share(lambda text: not any(char.isdigit() or char == "@" for char in text))
    return column.share(lambda text: text[:1].isupper() and text.istitle() and PERSON.fullmatch(text))


def _addresses(column: _Column) -> float:
    if not column.words & PLACE_WORDS or column.kind == "numeric":
        return 0.0
    return column.share(lambda text: any(char.isdigit() for char in text) and " " in text)


def _card(text: str) -> bool:
    """Return whether a text is 13 to 19 digits with a Luhn check digit (ISO/IEC 7812-1, annex B)."""
    if not CARD.fullmatch(text):
        return False
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    # Of a doubled digit the digits are added: 16 counts 7.
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _iban(text: str) -> bool:
    """Return whether a text is an account number with its check digits (ISO 13616-1, modulo 97)."""
    if not IBAN.fullmatch(text):
        return False
    bare = text.replace(" ", "")
    # The country and the check digits go to the end, and letters count from A = 10, as in base 36.
    return int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4])) % 97 == 1


def _id_like(column: _Column) -> bool:
    if column.rows < FEW or column.spread < UNIQUE:
        return False
    if column.kind != "numeric":
        return True
    if not all(text.lstrip("-").isdigit() for text in column.texts):
        return False
    # Sums of money differ from row to row too: an id counts through, or has one length.
    numbers = [int(text) for text in column.texts]
    lengths = {len(text) for text in column.texts}
    return max(numbers) - min(numbers) < 2 * column.rows or (len(lengths) == 1 and min(lengths) >= 6)
