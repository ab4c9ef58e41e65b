"""Papers say what the sealed files of a release say: each number is theirs; the bytes are the same twice."""

import datetime as dt
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from docx import Document
from huggingface_hub import ModelCard, ModelCardData
from pypdf import PdfReader
from pypdf.generic import Destination
from sklearn.metrics import roc_curve

from fairmark.cli.main import main
from fairmark.data.reference import ScoreReference
from fairmark.errors import UsageError
from fairmark.export.figures import calibration, limit_figures, roc
from fairmark.export.hub_card import hub_card
from fairmark.export.paper import (
    MOST_COLUMNS,
    Figure,
    Grid,
    Heading,
    Paper,
    Paragraph,
    Run,
    grid,
    of_markdown,
    said,
)
from fairmark.export.papers import assessment_paper, card_paper, report_paper
from fairmark.export.pdf import write_pdf
from fairmark.export.word import write_word
from fairmark.governance.assessment import assess, committed_assessment
from fairmark.release.folder import ReleaseFolder
from fairmark.release.statement import release_digest
from fairmark.yaml12 import parse_yaml

pytest_plugins = ("release_fixtures",)
TODAY = dt.datetime.now(tz=dt.UTC).date()
NUMBER = re.compile(r"(?<![\w.])[\u2212-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w])")


@pytest.fixture(scope="module")
def release(released: Path) -> ReleaseFolder:
    return ReleaseFolder(released / "releases" / "loans-v0.1.0")


@pytest.fixture(scope="module")
def papers(release: ReleaseFolder) -> dict[str, Paper]:
    root = release.folder.parents[1]
    items = assess(committed_assessment(root), release, TODAY)
    return {
        "model-card": card_paper(release),
        "report": report_paper(release),
        "self-assessment": assessment_paper("loans", "loans-v0.1.0", items, TODAY),
    }


@pytest.fixture(scope="module")
def known(release: ReleaseFolder) -> set[str]:
    return sealed(release)


@pytest.fixture(scope="module")
def written(papers: dict[str, Paper], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("papers")
    for name, paper in papers.items():
        write_word(paper, folder / f"{name}.docx")
        write_pdf(paper, folder / f"{name}.pdf")
    return folder


# ------------------------------------------------------------------ each number is one of the release's


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from leaves(below)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def sealed(release: ReleaseFolder) -> set[str]:
    """Return every number of the release's documents, as it is and as pages round it."""
    folder, decimals = release.folder, release.params.document.decimals
    documents = [
        json.loads((folder / name).read_text())
        for name in ("measurements.json", "verdict.json", "schema.json")
    ]
    found = {"1", "0", "5"}  # the ends of the scales
    for leaf in leaves([*documents, release.written_params, release.statement.to_json()]):
        if isinstance(leaf, int | float) and not isinstance(leaf, bool):
            found |= {
                f"{leaf:.{decimals}f}".replace("-", "\u2212"),
                f"{leaf:,.0f}",
                f"{leaf:g}",
                f"{leaf:.4g}",
            }
        elif isinstance(leaf, str):
            found |= set(NUMBER.findall(leaf))
    return found


def numbers(texts: Iterator[str]) -> list[str]:
    return [each for text in texts for each in NUMBER.findall(text.replace("SHA-256", ""))]


def test_every_number_of_the_report_is_one_of_the_sealed_files(
    known: set[str], papers: dict[str, Paper]
) -> None:
    found = numbers(papers["report"].texts())

    assert len(found) > 100
    assert [each for each in found if each not in known] == []


def test_every_number_of_the_card_stands_in_the_sealed_card(
    release: ReleaseFolder, known: set[str], papers: dict[str, Paper]
) -> None:
    card = release.text("model-card.md").replace("\\", "")
    digits = {*NUMBER.findall(card), *NUMBER.findall(release_digest(release.folder)), *known}

    assert set(numbers(papers["model-card"].texts())) - digits == set()


def test_a_figure_that_is_none_of_the_release_would_be_found(
    known: set[str], papers: dict[str, Paper]
) -> None:
    wrong = Paper("", "", (*papers["report"].blocks, said("ROC AUC 0.98765")))

    assert [each for each in numbers(wrong.texts()) if each not in known] == ["0.98765"]


def test_the_report_says_the_verdict_and_every_limit_with_its_outcome(
    release: ReleaseFolder, papers: dict[str, Paper]
) -> None:
    (limits,) = [b for b in papers["report"].blocks if isinstance(b, Grid) and "limits" in b.caption]

    assert f"Verdict: {release.verdict.state}." in [*papers["report"].texts()]
    assert {row[0]: row[-1] for row in limits.rows} == release.verdict.limits


def test_persons_that_no_column_names_are_not_known(papers: dict[str, Paper]) -> None:
    (limits,) = [b for b in papers["report"].blocks if isinstance(b, Grid) and "limits" in b.caption]
    rows = {row[0]: row for row in limits.rows}

    assert rows["finding-shared-persons"][3:5] == ("not known", "not known")
    assert rows["four-fifths"][3] != "not known"


def test_the_files_say_what_the_papers_say(papers: dict[str, Paper], written: Path) -> None:
    for name, paper in papers.items():
        word, pages = Document(str(written / f"{name}.docx")), PdfReader(written / f"{name}.pdf").pages
        in_word = [
            *(each.text for each in word.paragraphs),
            *(cell.text for table in word.tables for row in table.rows for cell in row.cells),
        ]
        in_pdf = re.sub(r"\s+", "", "".join(page.extract_text() for page in pages))

        wanted = [text for text in paper.texts() if text]
        assert [text for text in wanted if text not in in_word] == []
        # A cell that goes over a page is cut by the head of the next one; every number stands whole.
        assert [each for each in numbers(iter(wanted)) if each not in in_pdf] == []


# ------------------------------------------------------------------ the figures


def figures(paper: Paper) -> list[Figure]:
    return [each for each in paper.blocks if isinstance(each, Figure)]


def test_each_limit_on_groups_and_the_scores_have_a_figure_that_is_told_in_words(
    papers: dict[str, Paper], written: Path
) -> None:
    limit, scores = figures(papers["report"])
    shown = Document(str(written / "report.docx")).element.xpath("//wp:docPr/@descr")

    assert limit.caption.startswith("four-fifths: Selection rate ratio by sex must be at least 0.800")
    assert "area under the whole curve" in scores.caption
    assert shown == [limit.caption, scores.caption]
    assert [len(page.images) for page in PdfReader(written / "report.pdf").pages if page.images]


def test_the_roc_curve_is_that_of_the_rows_with_their_bins_for_scores() -> None:
    counts = ScoreReference(edges=(0.2, 0.5), negatives=(6, 3, 1), positives=(1, 2, 5), mean=0.4)
    label = [0] * 10 + [1] * 8
    bins = np.repeat([0, 1, 2, 0, 1, 2], [6, 3, 1, 1, 2, 5])
    x, y, _ = roc_curve(label, bins, drop_intermediate=False)

    assert np.allclose(roc(counts).x, x)
    assert np.allclose(roc(counts).y, y)
    assert calibration(counts) == [(0, 0.2, 1 / 7), (0.2, 0.5, 2 / 5), (0.5, 1, 5 / 6)]


def test_names_of_groups_that_no_font_or_formula_can_show_are_drawn_as_text(release: ReleaseFolder) -> None:
    strange = "$\\frac{1}$ \u65e5 " + "long " * 30
    changed = [each.model_copy(update={"group": strange}) for each in release.verdict.findings]
    verdict = release.verdict.model_copy(update={"findings": tuple(changed)})
    made: Any = SimpleNamespace(verdict=verdict, params=release.params)
    ((name, figure),) = limit_figures(made, release.params.policy)
    again = dict(limit_figures(made, release.params.policy))

    assert figure.png[:8] == b"\x89PNG\r\n\x1a\n"
    assert again[name].png == figure.png


# ------------------------------------------------------------------ the files


def test_a_paper_twice_is_the_same_bytes_and_holds_no_time_of_its_making(
    papers: dict[str, Paper], written: Path, tmp_path: Path
) -> None:
    for name in ("report", "self-assessment"):
        write_word(papers[name], tmp_path / f"{name}.docx")
        write_pdf(papers[name], tmp_path / f"{name}.pdf")
        for kind in ("docx", "pdf"):
            file = f"{name}.{kind}"
            assert (tmp_path / file).read_bytes() == (written / file).read_bytes()
    with zipfile.ZipFile(written / "report.docx") as package:
        assert {part.date_time[0] for part in package.infolist()} == {1980}
    assert str(TODAY.year) not in str(PdfReader(written / "report.pdf").metadata)


def test_headings_and_heads_of_tables_are_what_a_reader_finds_its_way_by(written: Path) -> None:
    word, pdf = Document(str(written / "report.docx")), PdfReader(written / "report.pdf")
    headings = [each.text for each in word.paragraphs if each.style and each.style.name == "Heading 1"]

    assert headings == ["Verdict", "Each limit", "Quality", "Groups", "What was released"]
    assert [str(each.title) for each in pdf.outline if isinstance(each, Destination)] == headings
    assert all("w:tblHeader" in table.rows[0]._tr.xml for table in word.tables)  # noqa: SLF001
    assert str(pdf.root_object["/Lang"]) == "en"


def test_what_people_wrote_is_text_and_what_no_page_can_show_is_seen(tmp_path: Path) -> None:
    hostile = "<b>bold</b> & \x1b[31m \u202e\u65e5 {0}"
    paper = Paper("T", "", (said(hostile), *grid("C", ("a", hostile), [(hostile, "1")])))
    write_word(paper, tmp_path / "x.docx")
    write_pdf(paper, tmp_path / "x.pdf")
    word = [each.text for each in Document(str(tmp_path / "x.docx")).paragraphs]
    text = PdfReader(tmp_path / "x.pdf").pages[0].extract_text()

    assert "<b>bold</b> & \\x1b[31m \\u202e\u65e5 {0}" in word
    assert "<b>bold</b> & \\x1b[31m \\u202e\\u65e5 {0}" in text.replace("\n", " ")


def test_a_long_name_and_a_long_table_stay_on_the_page(tmp_path: Path) -> None:
    rows = [("a-name-without-any-place-to-break-" * 8, str(number)) for number in range(120)]
    write_pdf(Paper("T", "", (*grid("C", ("name", "number"), rows, (1,)),)), tmp_path / "x.pdf")
    pages = PdfReader(tmp_path / "x.pdf").pages

    assert len(pages) > 3
    assert all("number" in page.extract_text() for page in pages[:-1])


def test_a_table_of_many_groups_is_told_in_parts_that_each_begin_with_the_measure() -> None:
    header = ("Measure", *(f"g{at}" for at in range(12)))
    parts = [*grid("C", header, [tuple("mabcdefghijkl")], range(1, 13))]

    assert [len(each.header) for each in parts] == [MOST_COLUMNS, MOST_COLUMNS, 3]
    assert {each.rows[0][0] for each in parts} == {"m"}
    assert "".join(cell for each in parts for cell in each.rows[0][1:]) == "abcdefghijkl"


def test_a_card_becomes_its_blocks() -> None:
    text = "# T\n\n**Yes.** No \\*.\n\n- a\n- b `c`\n\nTable: C\n\n"
    text += "| x | y |\n|---|---:|\n| 1\\|2 | 3 |\n\n## H\n"

    assert of_markdown(text) == Paper(
        "T",
        "",
        (
            Paragraph((Run("Yes.", bold=True), Run(" No *."))),
            Paragraph((Run("a"),), item=True),
            Paragraph((Run("b "), Run("c", code=True)), item=True),
            Grid("C", ("x", "y"), (("1|2", "3"),), frozenset({1})),
            Heading(1, "H"),
        ),
    )


# ------------------------------------------------------------------ the card for Hugging Face


def test_hugging_face_reads_the_measured_metrics(release: ReleaseFolder) -> None:
    data = ModelCard(hub_card(release, "apache-2.0")).data
    assert isinstance(data, ModelCardData)
    found = {each.metric_name: each.metric_value for each in data.eval_results or []}
    seen = json.loads((release.folder / "measurements.json").read_text())

    assert data.license == "apache-2.0"
    assert found["Accuracy"] == round(seen["overall"]["accuracy"]["value"], release.params.document.decimals)
    known = [entry for entry in seen["overall"].values() if entry["value"] is not None]
    gaps = [e for entries in seen["disparities"].values() for e in entries.values() if e["value"] is not None]
    assert len(found) == len(known) + len(gaps)


def test_its_body_is_the_sealed_card_below_the_verdict(release: ReleaseFolder) -> None:
    text = hub_card(release)
    head, body = text.split("---\n")[1], text.split("---\n", 2)[2]

    assert parse_yaml(head, "README.md")["license"] == "other"
    assert f"verdict **{release.verdict.state}**" in body
    assert release.text("model-card.md").partition("\n")[2] in body


def test_a_licence_that_is_no_name_is_refused(release: ReleaseFolder) -> None:
    with pytest.raises(UsageError, match="--licence: must be a name of Hugging Face's list"):
        hub_card(release, "Apache 2.0\nmalicious: yes")


# ------------------------------------------------------------------ the verb


def test_the_verb_verifies_and_writes_all_of_them(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(small_release), "--into", str(tmp_path / "papers"), "--clone",
             str(small_release.parents[1])]  # fmt: skip

    assert main(words) == 0
    names = [
        f"{name}.{kind}" for name in ("model-card", "report", "self-assessment") for kind in ("docx", "pdf")
    ]
    assert sorted(path.name for path in (tmp_path / "papers").iterdir()) == sorted(["README.md", *names])
    (small_release / "report.html").write_text("better")
    shutil.rmtree(tmp_path / "papers")
    assert main(words) == 4
    assert not (tmp_path / "papers").exists()
    assert "must be verified" in capsys.readouterr().err
