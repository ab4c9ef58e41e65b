"""What a missing extra is told by: one line that names it, and no other missing module."""

import sys
from importlib import import_module

import pytest

from fairmark import extras
from fairmark.cli import main as command
from fairmark.cli.releases import Pack
from fairmark.errors import StateError


def without(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let every import of `module` fail as where it is not installed."""

    class Absent:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == module:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])


def test_the_import_of_a_missing_module_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "optuna")

    with pytest.raises(StateError) as raised, extras.required():
        import optuna.samplers  # noqa: F401

    assert raised.value.faults == (
        "environment: must have the extra pipeline (pip install 'fairmark[pipeline]'), got no module optuna",
    )


def test_another_missing_module_is_a_fault_of_our_own() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"), extras.required():
        import_module("nowhere")


def test_a_verb_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def importing(*_: object) -> int:
        raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")

    monkeypatch.setattr(Pack, "run", importing)

    assert command.main(["pack", "folder"]) == 1
    assert capsys.readouterr().err == (
        "fairmark pack:\n"
        "  environment: must have the extra flows (pip install 'fairmark[flows]'), got no module mlflow\n"
    )


@pytest.mark.parametrize("extra", [name for name in extras.EXTRAS if name != "space"])
def test_an_extra_that_is_there_is_not_missed(extra: str) -> None:
    extras.require(extra)


def test_all_that_is_missing_of_an_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRAS, "flows", ("none_such", "sys", "nor_this"))

    with pytest.raises(StateError, match=r"must have the extra flows .*, got no module none_such, nor_this$"):
        extras.require("flows")
