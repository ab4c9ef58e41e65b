"""Bytes to rows: msgspec decodes what is well made, and a slow path lists every fault of the rest.

A request's faults are told by row and field, as the release's own schema and params have them. What msgspec
passes over in silence, a key that comes twice, is found by counting.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from fairmark.data.row import CellFault
from fairmark.model.row import Encoded
from fairmark.params.serve import RequestLimits
from fairmark.serve.body import LONGEST_SHOWN, Fault, Refused, shown, strict_json
from fairmark.serve.scorer import Scorer

Scalar = str | int | float | bool | None
Raw = dict[str, Scalar]
LONGEST_SUBJECT = 200
_NUMERALS = bytes(ord("0") if byte in b"-+.0123456789eE" else 0 for byte in range(256))


class DecisionRequest(msgspec.Struct, frozen=True):
    """A request for decisions.

    Parameters
    ----------
    rows
        Raw rows, as they came.
    subjects
        Whose each row is, as the caller names them; None where it does not say.
    single
        Whether one row came alone, so that one decision is answered.
    reasons
        Whether adverse and referred decisions are to carry reason codes now; `/v1/explain` tells them later.
    """

    rows: Sequence[Raw]
    subjects: Sequence[str | None]
    single: bool
    reasons: bool = True


class Reader:
    """Reads the requests of one release.

    Parameters
    ----------
    scorer
        The release: its columns, and what each cell must hold.
    others
        Releases that may answer in its place: their columns may come too, and are not looked at here.
    """

    def __init__(self, scorer: Scorer, others: Sequence[Scorer] = ()) -> None:
        self.scorer = scorer
        self.limits: RequestLimits = scorer.params.limits
        self.columns = frozenset(name for each in (scorer, *others) for name in each.columns)
        self.withheld = {
            column.name: column.why
            for column in scorer.schema.withheld
            # A model that decides by thresholds of groups' own, which its policy allows, must be told them.
            if column.name not in self.columns
        }
        subject = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_SUBJECT)]
        rows = Annotated[list[Raw], msgspec.Meta(min_length=1, max_length=self.limits.rows)]
        one = msgspec.defstruct(
            "OneRow",
            [("row", Raw), ("subject", subject | None, None), ("reasons", bool | None, None)],
            forbid_unknown_fields=True,
        )
        many = msgspec.defstruct(
            "ManyRows",
            [
                ("rows", rows),
                ("subjects", list[subject | None] | None, None),
                ("reasons", bool | None, None),
            ],
            forbid_unknown_fields=True,
        )
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(one)
        self._many: msgspec.json.Decoder[Any] = msgspec.json.Decoder(many)
        self._long = b"0" * (self.limits.number_length + 1)

    def request(self, body: bytes) -> DecisionRequest:
        """Return what a request for decisions asks.

        Raises
        ------
        Refused
            With every fault, when it is no such request.
        """
        single = body[:60].lstrip().startswith(b'{"row"')
        try:
            found = (self._one if single else self._many).decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = None
        # What may stand in a number is told apart by a table: an expression would begin anew at each byte.
        if found is not None and self._long not in body.translate(_NUMERALS):
            reasons = found.reasons is not False
            if single:
                asked = DecisionRequest((found.row,), (found.subject,), single=True, reasons=reasons)
            else:
                subjects = [None] * len(found.rows) if found.subjects is None else found.subjects
                asked = DecisionRequest(found.rows, subjects, single=False, reasons=reasons)
            if len(asked.rows) == len(asked.subjects) and self._plain(body, asked, found):
                return asked
        return self._slowly(body)

    def _plain(self, body: bytes, asked: DecisionRequest, found: object) -> bool:
        """Return whether every key came once: a colon for each, but for those in texts, and no more."""
        # An escaped colon in a text would make up for one too many.
        if b"\\u" in body:
            return False
        keys = sum(getattr(found, name) is not None for name in found.__struct_fields__)  # type: ignore[attr-defined]
        given = sum(len(row) for row in asked.rows)
        texts = 0
        if body.count(b":") != keys + given:
            for row in asked.rows:
                for key, value in row.items():
                    texts += key.count(":") + (value.count(":") if type(value) is str else 0)
            texts += sum(subject.count(":") for subject in asked.subjects if subject is not None)
        return body.count(b":") == keys + given + texts

    def _slowly(self, body: bytes) -> DecisionRequest:
        value = strict_json(body, self.limits)
        faults: list[Fault] = []
        single = isinstance(value, dict) and "row" in value
        known = {"row", "subject", "reasons"} if single else {"rows", "subjects", "reasons"}
        if not isinstance(value, dict):
            raise Refused(
                422, "no request for decisions", Fault('must be an object with "row" or "rows"', shown(value))
            )
        faults += [
            Fault(f"must be one of {', '.join(sorted(known))}", "an unknown key", field=key[:LONGEST_SHOWN])
            for key in value
            if key not in known
        ]
        reasons = value.get("reasons")
        if reasons is not None and not isinstance(reasons, bool):
            faults.append(Fault("must be true or false", shown(reasons), field="reasons"))
        rows = [value["row"]] if single else value.get("rows")
        subjects = [value.get("subject")] if single else value.get("subjects")
        if not isinstance(rows, list) or not rows:
            faults.append(Fault("must be a list of rows, one at least", shown(rows), field="rows"))
            raise Refused(422, "no request for decisions", *faults)
        if len(rows) > self.limits.rows:
            must = f"must hold at most {self.limits.rows} rows"
            raise Refused(422, "too many rows", Fault(must, str(len(rows)), field="rows"))
        if subjects is None:
            subjects = [None] * len(rows)
        faults += _subject_faults(subjects, len(rows))
        for number, row in enumerate(rows, 1):
            faults += self.row_faults(row, number)
        if faults:
            raise Refused(422, "no request for decisions", *faults)
        return DecisionRequest(rows, subjects, single, reasons is not False)

    def encoded(self, rows: Sequence[Raw]) -> list[Encoded]:
        """Return the numbers of rows, each checked against the release's schema.

        Raises
        ------
        Refused
            With every fault of every row.
        """
        columns = self.columns
        try:
            if all(columns >= row.keys() for row in rows):
                return self.scorer.model.read_all(rows)
        except CellFault:
            pass
        faults = [fault for number, row in enumerate(rows, 1) for fault in self.row_faults(row, number)]
        raise Refused(422, "rows that the release does not take", *faults)

    def row_faults(self, row: object, number: int) -> list[Fault]:
        """Return every fault of one row, by its number from 1."""
        if not isinstance(row, dict):
            return [Fault("must be an object, column to value", shown(row), number)]
        faults = []
        for name in row:
            if name in self.withheld:
                must = f"must not come with a decision, because it is {self.withheld[name]}"
                faults.append(Fault(must, "a value", number, name))
            elif name not in self.columns:
                must = "must be a column that the model reads"
                faults.append(Fault(must, "another", number, str(name)[:LONGEST_SHOWN]))
        for column in self.scorer.model.reader.columns:
            try:
                column.read(row.get(column.name))
            except CellFault as fault:
                faults.append(Fault(fault.must, fault.got, number, column.name))
        return faults

    def only_read(self, row: Mapping[str, Any]) -> Raw:
        """Return the columns of a row that the model reads: no other is looked at, nor kept."""
        return {name: value for name, value in row.items() if name in self.columns}


def _subject_faults(subjects: object, rows: int) -> list[Fault]:
    if not isinstance(subjects, list) or len(subjects) != rows:
        got = shown(subjects) if not isinstance(subjects, list) else str(len(subjects))
        return [Fault(f"must be a list of {rows}, one for each row", got, field="subjects")]
    must = f"must be a text of 1 to {LONGEST_SUBJECT} characters, or null"
    return [
        Fault(must, shown(each), number, "subject")
        for number, each in enumerate(subjects, 1)
        if not (each is None or (isinstance(each, str) and 0 < len(each) <= LONGEST_SUBJECT))
    ]
