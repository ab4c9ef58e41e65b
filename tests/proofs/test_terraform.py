"""terraform/ is applied to an emulator, planned again without a change, moves a canary, and is destroyed.

It shows that arguments are of the right shape and that nothing drifts; that rights suffice and tasks start,
only AWS shows. The provider comes from a mirror on disk: $FAIRMARK_TERRAFORM_MIRROR names it.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from processes import python_of

from fairmark.errors import StateError
from flows import traffic

ROOT = Path(__file__).parents[2]
MIRROR = "FAIRMARK_TERRAFORM_MIRROR"
REGION, STATE, DIGEST = "eu-central-1", "example-state", "@sha256:" + 64 * "1"
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/x{DIGEST}"

pytestmark = pytest.mark.proof


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of an emulator of AWS that holds nothing."""
    python = python_of("delivery")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("emulator") / "log").open("wb")
    program = [str(python), str(ROOT / "tests/helpers/aws_emulator.py"), "-H", "127.0.0.1", "-p", str(port)]
    known = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    emulator = subprocess.Popen(program, stdout=log, stderr=subprocess.STDOUT, env=known)
    try:
        _answers(port, emulator)
        yield f"http://127.0.0.1:{port}"
    finally:
        # It keeps nothing, and its server waits for open connections when it is asked to end.
        emulator.kill()
        emulator.wait()
        log.close()


def _answers(port: int, emulator: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 120
    while True:
        assert emulator.poll() is None, "the emulator ended: see its log"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end, "the emulator does not answer"
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="module")
def env(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the environment in which the same configuration speaks to the emulator."""
    if not os.environ.get(MIRROR) or shutil.which("terraform") is None:
        pytest.skip(f"needs terraform on PATH and a mirror of its providers in ${MIRROR}")
    config = tmp_path_factory.mktemp("terraform") / "rc"
    config.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{os.environ[MIRROR]}"\n  }}\n}}\n'
        "disable_checkpoint = true\n"
    )
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
        "TF_CLI_CONFIG_FILE": str(config),
        "TF_IN_AUTOMATION": "1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A call that the emulator lacks is a fault at once, not after minutes of tries.
        "AWS_MAX_ATTEMPTS": "2",
        "TF_VAR_region": REGION,
        "TF_VAR_alarm_address": "oncall@example.org",
        "TF_VAR_github_repository": "example/loans",
        "TF_VAR_state_bucket": STATE,
        "TF_VAR_images": json.dumps({"blue": IMAGE, "green": IMAGE.replace("1", "2")}),
        "TF_VAR_releases": json.dumps({"blue": "loans@v0.1.0", "green": "loans@v0.2.0"}),
        "TF_VAR_worker_image": IMAGE,
        "TF_VAR_release_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    }


def test_it_is_applied_planned_again_shifted_and_destroyed(
    env: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "terraform", tmp_path / "t", ignore=shutil.ignore_patterns(".terraform"))
    for name in (name for name in env if name.startswith("AWS_")):
        monkeypatch.setenv(name, env[name])
    certificate = _bootstrap()
    took: dict[str, float] = {}
    logged: dict[str, str] = {}

    def terraform(*words: str) -> subprocess.CompletedProcess[str]:
        began = time.monotonic()
        ended = subprocess.run(
            ["terraform", *words], cwd=tmp_path / "t",
            env={**env, "TF_VAR_certificate_arn": certificate, **logged},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        took[words[0]] = time.monotonic() - began
        return ended

    given = ("-input=false", "-no-color", "-var-file=environments/development.tfvars")
    backend = [f"-backend-config={each}" for each in
               (f"bucket={STATE}", "key=fairmark/development.tfstate", f"region={REGION}")]  # fmt: skip
    ready = terraform("init", "-input=false", "-lockfile=readonly", *backend)
    assert ready.returncode == 0, ready.stderr[-2000:]

    applied = terraform("apply", *given, "-auto-approve", "-parallelism=20")
    assert applied.returncode == 0, applied.stderr[-4000:]
    assert _faults_of_policies(terraform("show", "-json").stdout) == []
    monkeypatch.setitem(logged, "TF_LOG_PROVIDER", "DEBUG")
    monkeypatch.setitem(logged, "TF_LOG_PATH", str(tmp_path / "calls.log"))
    again = terraform("plan", *given, "-detailed-exitcode")
    logged.clear()
    assert again.returncode == 0, _moved(again.stdout)  # 2 means that it would change something
    asked = _actions((tmp_path / "calls.log").read_text())
    print(f"{len(asked)} actions of a plan")
    shown = terraform("show", "-json").stdout
    assert sorted(asked - _allowed(shown)) == []
    assert sorted(_allowed(shown, "Plan", "PlanBuckets", "PlanRoles") - asked - NOT_ASKED_HERE) == []

    listener = terraform("output", "-raw", "listener").stdout
    balancer = traffic.balancer(listener)
    with pytest.raises(StateError, match="must have a healthy target"):  # no task runs in the emulator
        balancer.shift("green", 5)
    balancer.client.register_targets(
        TargetGroupArn=balancer.groups()["green"], Targets=[{"Id": "10.20.128.5"}]
    )
    fleet = traffic.fleet(terraform("output", "-raw", "cluster").stdout)
    given_to = partial(traffic.give, of=balancer, tasks=fleet, limit_s=0)
    assert given_to("loans@v0.2.0", "challenger", 0.05) == {"blue": 95, "green": 5}
    kept = terraform("plan", *given, "-detailed-exitcode")
    assert kept.returncode == 0, _moved(kept.stdout)
    assert balancer.weights() == {"blue": 95, "green": 5}

    count = len(terraform("state", "list").stdout.splitlines())
    gone = terraform("destroy", *given, "-auto-approve", "-parallelism=20")
    assert gone.returncode == 0, gone.stderr[-4000:]
    assert terraform("state", "list").stdout == ""
    print(f"{count} in the state; seconds: { ({name: round(each) for name, each in took.items()}) }")


PREFIXES = {
    "cloudwatchlogs": "logs",
    "elasticloadbalancingv2": "elasticloadbalancing",
    "applicationautoscaling": "application-autoscaling",
}
"""IAM's prefix where it is not the service's name."""

ACTIONS = {
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
    "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
}
"""IAM's action where it is not the call's name (Service Authorization Reference)."""


def _actions(log: str) -> set[str]:
    """Return the IAM actions of all calls that the provider logged; who one is needs no right."""
    found = set()
    for line in log.split("\n"):
        service = re.search(r'rpc\.service=(?:"([^"]+)"|(\w+))', line)
        method = re.search(r"rpc\.method=(\w+)", line)
        if service and method:
            prefix = (service[1] or service[2]).lower().replace(" ", "")
            action = f"{PREFIXES.get(prefix, prefix)}:{method[1]}"
            found.add(ACTIONS.get(action, action))
    return {each for each in found if not each.startswith("sts:")}


NOT_ASKED_HERE = {
    "elasticloadbalancing:DescribeTargetHealth",  # by flows/traffic.py, after the apply
    *(f"wafv2:{each}" for each in ("GetLoggingConfiguration", "GetWebACL", "GetWebACLForResource")),
    "wafv2:ListTagsForResource",  # these four for a service that is public
}
"""Actions that a plan of this environment has no use for."""


def _allowed(state: str, *sids: str) -> set[str]:
    """Return what the role may do that the workflows deploy with: by all of its statements, or by these."""
    resources = json.loads(state)["values"]["root_module"]["resources"]
    [policy] = [
        each["values"]["policy"]
        for each in resources
        if each["address"] == 'aws_iam_role_policy.github["deploy"]'
    ]
    actions = (each["Action"] for each in json.loads(policy)["Statement"] if not sids or each["Sid"] in sids)
    return {name for each in actions for name in ([each] if isinstance(each, str) else each)}


def _faults_of_policies(state: str) -> list[str]:
    """Return what an IAM linter finds in the policies of roles: unknown actions, wrong resources, shapes."""
    linter = (
        "import json, sys, parliament\n"
        "for name, text in json.load(sys.stdin).items():\n"
        "    for each in parliament.analyze_policy_string(text).findings:\n"
        "        print(name, each.issue, each.detail)\n"
    )
    policies: dict[str, str] = {}
    modules = [json.loads(state)["values"]["root_module"]]
    for module in modules:
        modules += module.get("child_modules", [])
        for each in module.get("resources", []):
            if each["type"] == "aws_iam_role_policy":
                policies[each["address"]] = each["values"]["policy"]
    ended = subprocess.run(
        [str(python_of("delivery")), "-W", "ignore", "-c", linter],
        input=json.dumps(policies), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(policies) >= 8
    # What AWS narrows to no resource is said where it stands, in terraform/; the linter knows listeners of
    # network load balancers alone.
    known = (" RESOURCE_STAR ", "RESOURCE_MISMATCH [{'action': 'elasticloadbalancing:ModifyListener'")
    return [line for line in ended.stdout.splitlines() if not any(each in line for each in known)]


def _moved(plan: str) -> str:
    """Return what a plan would change: the resources, and the lines that differ."""
    lines = [line for line in plan.splitlines() if line.lstrip().startswith(("# ", "+ ", "- ", "~ "))]
    return "\n".join(line for line in lines if "hidden)" not in line)


def _bootstrap() -> str:
    """Make what is there before the first apply: the state's bucket, and the certificate; return its ARN."""
    from botocore.session import get_session

    session = get_session()
    session.create_client("s3").create_bucket(
        Bucket=STATE, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    answer = session.create_client("acm").request_certificate(DomainName="loans.example.org")
    return str(answer["CertificateArn"])
