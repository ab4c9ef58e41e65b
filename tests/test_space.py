"""The Space shows one verified release: what it answers is the model's, and foreign text acts nowhere."""

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import launched
from markdown_it import MarkdownIt
from ports import free_port
from processes import python_of

from fairmark.errors import FairmarkError
from fairmark.signing.key_store import own_public
from space.app import Shown, shown

pytest_plugins = ("release_fixtures",)

ROOT = Path(__file__).parents[1]
ROW: Mapping[str, object] = {"income <€>": 3, "home": "own", "member": "True", "since": "2021-01-01"}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Return the file of the public key that releases of the tests are sealed with."""
    own = own_public()
    assert own is not None
    path = tmp_path / "key.pub.pem"
    path.write_text(own.pem)
    return path


@pytest.fixture
def space(small_release: Path, key: Path) -> Shown:
    """Return the release as the page shows it."""
    return shown(small_release, key)


def test_the_decision_is_that_of_the_model(space: Shown) -> None:
    import pandas as pd

    answer = space.decide(ROW)
    [[_, score]] = space.model.predict_proba(pd.DataFrame([ROW]).astype(object))

    assert f"Score {score:.3f}; decided by the threshold 0.500." in answer
    right = score if score >= 0.5 else 1 - score
    assert f"{right:.0%} of decisions like this are right" in answer.replace("more than 99%", f"{right:.0%}")
    assert "paid yes, paid" in answer


def test_what_would_change_it_is_only_what_params_call_mutable(space: Shown) -> None:
    answer = space.decide({**ROW, "income <€>": 2})
    changed = answer.partition("### What would change it")[2]

    assert "Hypothetical" in changed
    assert "home own to rent" in changed
    assert "income" not in changed


def test_every_fault_of_a_row_is_said_and_nothing_is_decided(space: Shown) -> None:
    answer = space.decide({"income <€>": "many", "since": "yesterday"})

    assert answer.startswith("**No decision")
    assert "row 1" not in answer
    assert "income" in answer
    assert "since" in answer
    assert "Score" not in answer


def test_a_name_of_the_data_acts_nowhere(space: Shown) -> None:
    rendered = MarkdownIt("commonmark", {"html": True}).render(space.decide(ROW))

    assert "<€" not in rendered
    assert "income &lt;€&gt;" in rendered
    assert "<script" not in space.groups()


def test_groups_stand_with_their_rows_and_intervals(space: Shown) -> None:
    table = space.groups()
    entry = space.release.measurements.groups["sex"]["Female"]
    rate = entry.measures["selection_rate"]

    assert f"<td>{entry.rows:,}</td>" in table
    assert f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})" in table


def test_an_objection_is_a_text_and_must_say_what_and_why(space: Shown) -> None:
    assert space.contest("", "", "") == "Please say the decision and why it is wrong."
    text = space.contest("D-17 of 3 May", "My income is wrong", "")

    assert "D-17 of 3 May" in text
    assert "that a person decides again" in text
    assert "loans@v0.1.0" in text


def test_a_changed_release_is_not_shown(small_release: Path, key: Path) -> None:
    path = small_release / "model" / "model.json"
    path.write_text(path.read_text().replace("0.5", "0.4"))

    with pytest.raises(FairmarkError, match="must be what was released"):
        shown(small_release, key)


@contextmanager
def _served(release: Path, key: Path) -> Iterator[str]:
    """Yield the address of the Space, run by its own environment."""
    python = python_of("space")
    port = free_port()
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),  # the code as it stands, not the wheel that was made of it
        "FAIRMARK_RELEASE": str(release),
        "FAIRMARK_KEY_PUB": str(key),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
    }
    program = subprocess.Popen([str(python), str(ROOT / "space/app.py")], env=env, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while True:
            assert program.poll() is None, "the Space ended"
            assert time.monotonic() < end, "the Space does not answer"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/"
    finally:
        program.terminate()
        program.wait(120)


@pytest.mark.proof
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_visitor_decides_by_keyboard_offline_and_axe_finds_nothing_serious(
    small_release: Path, key: Path, tmp_path: Path, scheme: str
) -> None:
    axe = next(python_of("delivery").parents[1].glob("lib/*/site-packages/axe_playwright_python/axe.min.js"))
    with _served(small_release, key) as address, launched() as browser:
        page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}?__theme={scheme}")
        page.get_by_label("income", exact=False).first.fill("3")
        page.get_by_label("since").fill("2021-01-01")
        for label, value in (("home", "own"), ("member", "True")):
            box = page.get_by_label(label)
            box.focus()
            box.fill(value)
            page.keyboard.press("Enter")
        page.locator("#decide").focus()
        page.keyboard.press("Enter")
        page.locator("#answer h2").wait_for(timeout=30_000)

        answer = page.locator("#answer").inner_text()
        assert "Decision: paid yes, paid" in answer
        assert "home (own)" in answer
        serious: list[str] = []
        for tab in ("One decision", "How groups fare", "Model card", "Contest a decision"):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_timeout(500)
            page.screenshot(path=str(tmp_path / f"{scheme}-{tab}.png"), full_page=True)
            page.add_script_tag(path=str(axe))
            found = page.evaluate("() => axe.run()")
            serious += [
                f"{tab}: {each['id']} {[node['html'][:160] for node in each['nodes']][:3]}"
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
        page.locator("#contest").click()
        page.wait_for_function("document.querySelector('#objection textarea').value != ''")
        assert "Please say" in page.locator("#objection textarea").input_value()
        assert serious == []
        assert {re.sub(r"^(\w+://[^/]+/).*", r"\1", url) for url in asked if url.startswith("http")} == {
            address
        }
