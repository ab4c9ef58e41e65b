"""A stage that an overlay of the policy names takes no release that does not pass under it."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from maker_and_forger import MINE
from release_attacks import edit_yaml, restate

from fairmark.errors import RefusedError
from fairmark.governance.request import refuse_overlays

pytest_plugins = ("release_fixtures",)

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)


def _ask_for_parity(params: Any) -> None:
    params["policy"]["overlays"][0]["limits"][0]["at_least"] = 0.9999


def test_a_stage_asks_for_a_pass_under_the_overlays_that_name_it(small_release: Path) -> None:
    refuse_overlays(small_release, "abroad", NOW)
    edit_yaml(small_release / "params.yaml", _ask_for_parity)
    restate(small_release, MINE)

    refuse_overlays(small_release, "production", NOW)
    with pytest.raises(RefusedError, match="must pass under elsewhere to go to abroad"):
        refuse_overlays(small_release, "abroad", NOW)
