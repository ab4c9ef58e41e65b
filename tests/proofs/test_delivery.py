"""Workflows, Dockerfile, Compose file and Terraform are what their own linters and schemas ask for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from processes import program_of, python_of

ROOT = Path(__file__).parents[2]
MIRROR = "FAIRMARK_TERRAFORM_MIRROR"

pytestmark = pytest.mark.proof


def _passes(*words: str, env: dict[str, str] | None = None) -> None:
    ended = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, f"{ended.stdout[-3000:]}{ended.stderr[-3000:]}"


def test_the_workflows_are_of_githubs_schema_and_nothing_is_found_in_them() -> None:
    python_of("delivery")
    python_of("security")
    _passes("make", "workflows")


def test_nothing_is_found_in_the_dockerfile() -> None:
    _passes(program_of("delivery", "hadolint"), "Dockerfile")


def test_the_compose_file_is_of_the_compose_specification_and_opens_no_port_but_on_loopback() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    _passes(program_of("delivery", "check-jsonschema"), *schema, "compose.yaml")
    ports = [line for line in (ROOT / "compose.yaml").read_text().splitlines() if "ports:" in line]

    assert ports
    assert [line for line in ports if '["127.0.0.1:' not in line] == []


def test_terraform_is_formatted_valid_tested_and_checked(tmp_path: Path) -> None:
    python_of("delivery")
    if not os.environ.get(MIRROR) or shutil.which("terraform") is None:
        pytest.skip(f"needs terraform on PATH and a mirror of its providers in ${MIRROR}")
    config = tmp_path / "rc"
    config.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{os.environ[MIRROR]}"\n  }}\n}}\n'
    )
    _passes("make", "terraform", env={**os.environ, "TF_CLI_CONFIG_FILE": str(config)})
