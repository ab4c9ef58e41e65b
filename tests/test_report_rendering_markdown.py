"""Markdown becomes HTML with captions and scopes, and nothing in it runs or styles itself."""

from markup import read

from fairmark.report.rendering import rendered

TABLE = """Table: Who *won*

| Name | Points |
|---|---:|
| a | 1 |
| b | 2 |
"""


def test_the_paragraph_before_a_table_becomes_its_caption() -> None:
    found = read(rendered(TABLE))

    assert [it.text for it in found.all("caption")] == ["Who won"]
    assert found.all("p") == []
    assert found.all("div")[0].attributes["aria-label"] == "Who won"


def test_another_paragraph_before_a_table_stays_what_it_is() -> None:
    found = read(rendered(TABLE.replace("Table: Who *won*", "Hello")))

    assert [it.text for it in found.all("p")] == ["Hello"]


def test_every_heading_cell_says_what_it_heads() -> None:
    found = read(rendered(TABLE))

    scopes = [(it.text, it.attributes["scope"]) for it in found.all("th")]
    assert scopes == [("Name", "col"), ("Points", "col"), ("a", "row"), ("b", "row")]


def test_numbers_stand_on_the_right_by_class_and_not_by_style() -> None:
    found = read(rendered(TABLE))

    assert [it.attributes for it in found.all("td")] == [{"class": "number"}, {"class": "number"}]
    assert "style=" not in rendered(TABLE)


def test_html_is_shown_as_text() -> None:
    found = read(rendered("<script>alert(1)</script> <b>x</b>"))

    assert found.all("script") == []
    assert found.all("p")[0].text == "<script>alert(1)</script> <b>x</b>"


def test_what_comes_out_is_balanced() -> None:
    assert read(rendered(f"# T\n\n- a\n- b\n\n{TABLE}\n{TABLE}")).faults == []
