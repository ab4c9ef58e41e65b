"""What docs/deploy.md tells somebody to type exists: targets, verbs, options, variables, outputs, prices."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from fairmark.cli.main import VERBS
from fairmark.release.image import LOCK_OF
from flows import traffic

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
TERRAFORM = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "terraform").glob("*.tf")))


def commands() -> list[str]:
    """Return each command of the page: of its indented and inline code, with lines that go on joined."""
    joined = PAGE.replace("\\\n", " ")
    lines = [line.strip() for line in joined.split("\n") if line.startswith("    ")]
    lines += re.findall(r"`([^`\n]+)`", joined)
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def words_after(program: str) -> list[list[str]]:
    """Return the words that follow a program, for every call of it; variables before it are not counted."""
    found = []
    for command in commands():
        words = shlex.split(command.replace("$(", "").replace(")", "")) if program in command else []
        for k, word in enumerate(words):
            if word == program and all("=" in each for each in words[:k]):
                rest = words[k + 1 :]
                found.append(rest[: rest.index(">")] if ">" in rest else rest)
    return found


def test_every_make_target_exists_and_its_variables_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w./-]+):", makefile, re.MULTILINE))
    calls = words_after("make")

    assert len(calls) >= 5
    assert [words for words in calls if words[0] not in targets] == []
    named = {word.partition("=")[0] for words in calls for word in words[1:]}
    assert {each for each in named if f"\n{each} ?=" not in makefile} == set()
    assert {word.partition("=")[2] for words in calls for word in words if word.startswith("TARGET=")} <= set(
        LOCK_OF
    )


@pytest.mark.parametrize("words", words_after("fairmark"), ids=" ".join)
def test_every_verb_takes_the_options_that_it_is_given(words: list[str]) -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    VERBS[words[0]].arguments(parser)
    named = [word.partition("=")[0] for word in words[1:] if word.startswith("-")]

    assert set(named) <= set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", parser.format_help()))
    if any(not word.startswith("-") for word in words[1:]):  # a whole call, and no name in a sentence
        assert parser.parse_known_args(words[1:])[1] == []


@pytest.mark.parametrize("words", [each for each in words_after("python") if each[0] == "flows/traffic.py"],
                         ids=" ".join)  # fmt: skip
def test_every_call_of_the_traffic_is_one_that_its_parser_takes(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reached(Exception):  # noqa: N818 -- no error: the parser has let the words through
        pass

    def reached(_: str) -> None:
        raise Reached

    monkeypatch.setattr(traffic, "balancer", reached)

    with pytest.raises(Reached):
        traffic.main(words[1:])
    assert capsys.readouterr().err == ""


def test_variables_and_outputs_of_terraform_are_declared() -> None:
    variables = set(re.findall(r'^variable "(\w+)"', TERRAFORM, re.MULTILINE))
    outputs = set(re.findall(r'^output "(\w+)"', TERRAFORM, re.MULTILINE))

    assert len(given := set(re.findall(r"TF_VAR_(\w+)=", PAGE))) >= 6
    assert given <= variables
    asked = set(re.findall(r"terraform(?: -chdir=terraform)? output (?:-raw |-json )?(\w+)", PAGE))
    assert {"secrets", "dvc_remote", "address"} <= asked
    assert asked <= outputs
    assert set(re.findall(r"`(\w+_\w+) = ", PAGE)) <= variables


def test_what_has_no_default_is_given_before_the_first_apply() -> None:
    blocks = re.findall(r'^variable "(\w+)" \{(.*?)^\}', TERRAFORM, re.MULTILINE | re.DOTALL)
    needed = {name for name, body in blocks if "default" not in body}
    for environment in (ROOT / "terraform/environments").glob("*.tfvars"):
        values = set(re.findall(r"^(\w+) ", environment.read_text(encoding="utf-8"), re.MULTILINE))

        assert needed <= values | set(re.findall(r"TF_VAR_(\w+)=", PAGE)), environment.name


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`((?:tests|terraform|flows|space|src|\.github)/[\w./-]+\.\w+)`", PAGE))
    named |= set(re.findall(r"\]\(([\w./-]+\.md)\)", PAGE))

    assert len(named) >= 5
    assert [
        each for each in sorted(named) if not (ROOT / each).exists() and not (ROOT / "docs" / each).exists()
    ] == []


HOURS = 730


def value(name: str, text: str) -> float:
    """Return a number of an environment's file."""
    found = re.search(rf"\b{name}\s*=\s*([\d.]+)", text)
    assert found is not None, name
    return float(found[1])


@pytest.mark.parametrize(("column", "environment"), [(0, "development"), (1, "staging"), (2, "production")])
def test_what_a_month_costs_is_the_units_of_the_environment_at_the_prices_of_the_page(
    column: int, environment: str
) -> None:
    text = (ROOT / f"terraform/environments/{environment}.tfvars").read_text(encoding="utf-8")
    cpu, gb = (0.04048, 0.004445)
    classes = {"db.t4g.micro": 0.016, "db.t4g.small": 0.032, "db.m7g.large": 0.168}
    listed = re.findall(r'class = "([\w.]+)", storage = (\d+), days = \d+, standby = (\w+)', text)
    copies = [(kind, float(size), 2 if standby == "true" else 1) for kind, size, standby in listed]
    gateways = text.count('"a", "b", "c"') * 3 if "nat_per_zone" in text else 1
    task = value("cpu", text) / 1024 * cpu + value("memory", text) / 1024 * gb
    wanted = [
        2 * value("fewest", text) * task * HOURS,
        ((0.5 + 0.5 + 2) * cpu + (2 + 2 + 8) * gb) * HOURS,
        sum(classes[kind] * many for kind, _, many in copies) * HOURS,
        sum(size * many for _, size, many in copies) * 0.115,
        gateways * 0.045 * HOURS,
        0.0225 * HOURS,
        3 * 1 + 8 * 0.40,
    ]
    rows = re.findall(r"^\|[^|\n]*\|[^|\n]*\|[^|\n]*\| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    told = [int(row[column]) for row in rows]

    assert told == [round(each) for each in wanted]
    assert f"**{sum(told)}**" in PAGE
    for price in (*classes.values(), cpu, gb, 0.115, 0.045, 0.0225):
        assert str(price) in PAGE
