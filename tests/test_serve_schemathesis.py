"""The service keeps to its own OpenAPI description, whatever schemathesis makes of it.

`FAIRMARK_CASES` says how many bodies it makes up for each path (50) beside those at the description's limits;
the number of all of them and the seed are printed.
"""

import os
import subprocess
from pathlib import Path

import pytest
from service import running

pytest_plugins = ("release_fixtures",)
pytestmark = pytest.mark.proof
ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / ".venv-security" / "bin" / "schemathesis"
# A body that the schema allows may still be refused: a schema can't say that probabilities sum to 1, or that
# there is a subject for each row.
WORDS = [
    "--max-examples",
    os.environ.get("FAIRMARK_CASES", "50"),
    "--workers",
    "1",
    "--no-color",
    "--exclude-checks",
    "positive_data_acceptance",
]


def test_every_path_keeps_to_its_description(released: Path, tmp_path: Path) -> None:
    if not PROGRAM.exists():
        pytest.skip("needs the security environment (make .venv-security/.ready)")
    key = Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"
    with running(released / "releases" / "loans-v0.1.0", key, tmp_path) as client:
        header = f"Authorization: Bearer {client.token}"
        words = [str(PROGRAM), "run", f"{client.url}/openapi.json", "-H", header, *WORDS]
        done = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, text=True)

    print(done.stdout[-400:])
    assert done.returncode == 0, done.stdout[-6000:]
