"""Rows of other tables are decided over HTTP with the bits of `Model.score`, as the file's texts and as JSON.

Two tables beside the default one: loans (decimal commas, dates, an order, letters for yes and no, a weight),
and hirings whose columns and categories have every odd character, amounts with units and marks, and gaps.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import lightgbm as lgb
import loans_table
import numpy as np
import pandas as pd
import pytest
from release_folder import CHOSEN
from served_release import make_desk

from fairmark.data.prepare import Prepared, prepared
from fairmark.data.reader import Reader
from fairmark.data.roles import LABEL
from fairmark.model import boosted_trees
from fairmark.model.boosted_trees import Boosted
from fairmark.model.encoder import Encoder
from fairmark.model.model import Model
from fairmark.model.model_file import Calibration
from fairmark.model.row import RowModel
from fairmark.params.learn import Chosen
from fairmark.params.parse import read_yaml, typed
from fairmark.params.prepare import Prepare
from fairmark.params.serve import Serve
from fairmark.serve.access import SCOPES, new_key
from fairmark.serve.router import Router
from fairmark.serve.scorer import Scorer, check_golden
from fairmark.serve.service import Service

ROOT = Path(__file__).parents[1]
SERVE = typed(Serve, read_yaml(ROOT / "params.yaml")["serve"], "params.yaml")
AMOUNT, CITY, SKILL = 'pay "asked" [$]', "città/ort: 城", "skill's \\ name"
CITIES = ["São Paulo", "a,b; c", "<b>Köln</b>", "O'Hare\tfield", '"quoted"', "null", "1e5", "東京 🗼"]
Texts = Mapping[str, Sequence[str]]


def hirings(rows: int) -> Texts:
    """Return a made table as texts: hired rather with more skill and less pay asked, and by city."""
    draw = np.random.default_rng(3)
    pay, skill, city = draw.uniform(900, 9000, rows), draw.integers(0, 5, rows), draw.integers(0, 8, rows)
    hired = draw.random(rows) < 1 / (1 + np.exp(-(0.8 * skill + 0.3 * city - pay / 2500)))
    gap = draw.random((2, rows)) < 0.08
    return {
        AMOUNT: ["NA" if none else f"${each:,.2f}" for each, none in zip(pay, gap[0], strict=True)],
        SKILL: [str(each) for each in skill],
        CITY: ["NA" if none else CITIES[each] for each, none in zip(city, gap[1], strict=True)],
        "abroad?": ["no" if each else "yes" for each in draw.random(rows) < 0.7],
        "sex": draw.choice(["Female", "Male"], rows).tolist(),
        "hired": ["1" if each else "0" for each in hired],
    }


HIRING = loans_table.PREPARE | {
    "files": {"main": {"name": "table.csv", "skip_rows": 0, "rows": {"min": 1, "max": 9999}}, "test": None},
    "format": loans_table.PREPARE["format"]
    | {"decimal": ".", "missing": ["NA"], "thousands": ",", "units": ["$"]},
    "target": {"column": "hired", "positive": "1", "negative": "0", "strip": ""},
    "row_id": None, "weight": None, "drop": [],
    "columns": {
        AMOUNT: {"kind": "numeric", "min": 0, "max": None, "missing": 0.2},
        "abroad?": {"kind": "boolean", "true": "yes", "false": "no", "missing": 0},
        CITY: {"kind": "categorical", "values": None, "missing": 0.2},
    },
    "protected": {"sex": {"by": "column", "column": "sex"}},
}  # fmt: skip
TABLES: dict[str, tuple[dict[str, Any], Callable[[], Texts]]] = {
    "loans": (loans_table.PREPARE, lambda: loans_table.loans(400, 1)),
    "hirings": (HIRING, lambda: hirings(400)),
}


@dataclass
class Table:
    """A table with a model of it, and the service that answers with it."""

    raw: pd.DataFrame
    made: Prepared
    params: Prepare
    model: Model
    service: Service
    token: str

    @property
    def wanted(self) -> list[str]:
        """What `Model.score` says of every row, as hexadecimal digits."""
        read = Reader.of(self.params, self.made.schema).read(self.raw, self.model.features)
        return [each.hex() for each in self.model.score(read).tolist()]

    def asked(self, rows: Sequence[Mapping[Any, Any]]) -> httpx.Response:
        """Return the service's answer to a request for decisions on rows."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.service)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                headers = {"authorization": f"Bearer {self.token}"}
                return await client.post("/v1/decide", json={"rows": list(rows)}, headers=headers)

        return asyncio.run(ask())

    def answered(self, rows: Sequence[Mapping[Any, Any]]) -> list[dict[str, Any]]:
        """Return the service's decisions on rows."""
        found = self.asked(rows)
        assert found.status_code == 200, found.text[:400]
        decisions: list[dict[str, Any]] = found.json()["decisions"]
        return decisions


def fitted(made: Prepared) -> Model:
    """Return trees of a prepared table."""
    encoder = Encoder.fit(made.table[made.schema.feature_names], made.schema.features, 50)
    places = [place for place, each in enumerate(encoder.columns) if each.categories is not None]
    settings = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": 1}
    matrix = encoder.transform(made.table[made.schema.feature_names])
    data = lgb.Dataset(matrix, made.table[LABEL].astype(int), categorical_feature=places, params=settings)
    text = lgb.train(settings, data, 12).model_to_string()
    trees = Boosted(text[: text.index(boosted_trees.END)] + boosted_trees.REST)
    chosen = typed(Chosen, CHOSEN | {"family": "boosted", "settings": {"num_leaves": 7}}, "chosen")
    return Model(encoder, trees, Calibration(a=0.9, b=0.1), 0.5, 1, chosen)


@pytest.fixture(scope="module", params=TABLES)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Table:
    written, texts = TABLES[request.param]
    place, params = tmp_path_factory.mktemp(request.param), typed(Prepare, written, "params.yaml")
    raw = pd.DataFrame(dict(texts()), dtype="str")
    raw.to_csv(place / params.files.main.name, sep=";", index=False)
    made = prepared(place, params)
    model = fitted(made)
    model.save(place / "model")
    rows = RowModel.load(place / "model", made.schema, params)
    scorer = Scorer(
        name=request.param, version="v0.1.0", digest=f"sha256:{'d' * 64}", schema=made.schema, params=SERVE,
        texts=None, model=rows, ranges={}, reference=None, documents={},
    )  # fmt: skip
    check_golden(scorer)
    desk, _ = make_desk(Router(scorer), place)
    token = new_key(place / "keys.jsonl", "tables", SCOPES)
    desk.access.refresh()
    return Table(raw, made, params, model, Service(desk), token)


def test_rows_as_the_file_has_them_score_to_the_bits_of_the_table(table: Table) -> None:
    rows = table.raw[table.model.features].to_dict("records")

    assert [each["score"].hex() for each in table.answered(rows)] == table.wanted


def test_rows_as_json_has_them_score_to_the_same_bits(table: Table) -> None:
    kinds = {each.name: each.kind for each in table.made.schema.features}
    # A date stays the text that its format reads, and so do a name and an amount with its unit.
    kept = {name for name, kind in kinds.items() if kind not in {"numeric", "boolean"}} | {AMOUNT} & {*kinds}
    cells = table.made.table.assign(**{name: table.raw[name] for name in kept})[table.model.features]
    gaps = table.params.format.missing
    rows = [
        {name: None if pd.isna(value) or value in gaps else value for name, value in row.items()}
        for row in cells.astype("object").to_dict("records")
    ]

    assert {float, bool} <= {type(value) for row in rows for value in row.values()}
    assert [each["score"].hex() for each in table.answered(rows)] == table.wanted


def test_a_category_that_nobody_saw_is_flagged_and_scores_to_the_bits_of_the_table(table: Table) -> None:
    named = next(each.name for each in table.made.schema.features if each.kind == "categorical")
    table = replace(table, raw=table.raw.head(20).assign(**{named: "nowhere: ☃"}))
    answers = table.answered(table.raw[table.model.features].to_dict("records"))

    assert [each["score"].hex() for each in answers] == table.wanted
    assert all({"flag": "unknown_category", "field": named} in each["flags"] for each in answers)


@pytest.mark.parametrize("table", ["hirings"], indirect=True)
def test_a_bare_number_is_no_amount_of_a_column_in_dollars(table: Table) -> None:
    row = table.raw[table.model.features].iloc[0].to_dict()
    found = table.asked([row | {AMOUNT: 1593.76}])

    assert found.status_code == 422
    assert found.json()["faults"] == [
        {"must": "must be a finite number with $", "got": "'1593.76'", "row": 1, "field": AMOUNT}
    ]
