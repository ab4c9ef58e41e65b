"""`fairmark judge MEASUREMENTS PARAMS`: the verdict on a measurements file by the policy of a params file."""

import argparse
from pathlib import Path

from fairmark.verbs.told import print_json

HELP = "judge measurements by the policy of a params file"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("measurements", type=Path, metavar="MEASUREMENTS", help="a measurements.json")
    parser.add_argument("params", type=Path, metavar="PARAMS", help="a params.yaml")
    parser.add_argument("--json", action="store_true", help="write the verdict as JSON")


def run(given: argparse.Namespace) -> int:
    """Judge by today's date, say what was found, and return 0 for `pass`, else 3."""
    import datetime as dt

    from fairmark.files import read_json
    from fairmark.judge.verdict import judge
    from fairmark.params import read_params

    policy = read_params(given.params).policy
    verdict = judge(read_json(given.measurements), policy, dt.datetime.now(tz=dt.UTC).date())
    if given.json:
        print_json(verdict.to_json())
    else:
        for finding in verdict.findings:
            print(f"{finding.outcome}: {finding.text}")
        print(f"verdict: {verdict.outcome}")
    return 0 if verdict.outcome == "pass" else 3
