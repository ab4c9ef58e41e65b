"""`load_release` loads a release that was verified, and nothing of any other."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from release_folder import model, rows
from sealing import FORGER, MINE

from fairmark import api
from fairmark.api import load_release
from fairmark.errors import FairmarkError, InputError, VerificationError
from fairmark.signing.keys import PublicKey

pytest_plugins = ("release_fixtures",)

pytestmark = pytest.mark.slow


def _file(folder: Path, key: PublicKey) -> Path:
    path = folder / "public.key"
    path.write_text(key.ssh + "\n")
    return path


def test_a_verified_release_scores_raw_rows_as_its_model_does(small_release: Path, tmp_path: Path) -> None:
    loaded = load_release(small_release, _file(tmp_path, MINE.public))

    raw = rows().astype(object)
    raw["home"] = np.array([" own", "rent ", "own", None], dtype=object)
    np.testing.assert_array_equal(loaded.predict_proba(raw)[:, 1], model().score(rows()))
    np.testing.assert_array_equal(loaded.predict(raw), model().decide(rows()))
    assert loaded.classes_.tolist() == [0, 1]
    with pytest.raises(InputError, match="row 2: column income <€>: must be a finite number, got 'much'"):
        loaded.predict(raw.assign(**{"income <€>": pd.Series([1, "much", 2, 3], dtype=object)}))


def test_an_archive_is_loaded_too(small_release: Path, tmp_path: Path) -> None:
    folder = small_release
    packed = shutil.make_archive(str(tmp_path / folder.name), "zip", folder.parent, folder.name)

    loaded = load_release(packed, _file(tmp_path, MINE.public))

    np.testing.assert_array_equal(loaded.predict(rows()), model().decide(rows()))


@pytest.mark.parametrize("name", ["model/model.json", "model/encoder.json", "schema.json", "params.yaml"])
def test_nothing_of_a_release_that_was_changed_is_loaded(
    small_release: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.Estimator, "load", lambda *_: pytest.fail("loaded"))
    (small_release / name).write_text((small_release / name).read_text() + "\n")

    with pytest.raises(VerificationError, match="must be what was released before it is loaded"):
        load_release(small_release, _file(tmp_path, MINE.public))


def test_nothing_of_a_release_by_another_key_is_loaded(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.Estimator, "load", lambda *_: pytest.fail("loaded"))

    with pytest.raises(FairmarkError, match=r"seal statement\.json"):
        load_release(small_release, _file(tmp_path, FORGER.public))
