"""The service over a real socket: what it decides is on record, and what it refuses is told whole."""

import contextlib
import gzip
import json
import os
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from service import Client, running

pytest_plugins = ("release_fixtures",)

ROW = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}
BAD = {"income <€>": "much", "home": "own", "member": "perhaps", "since": "2021-03-01", "sex": "Female"}


@pytest.fixture(scope="module")
def service(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of a service of the small release, with a key of every scope."""
    place, key = tmp_path_factory.mktemp("service"), Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"
    with running(released / "releases" / "loans-v0.1.0", key, place) as client:
        yield client


def test_one_row_gets_one_decision_that_can_be_looked_up(service: Client) -> None:
    answer = service.ask("/v1/decide", {"row": ROW, "subject": "person 7"}).json

    kept = service.ask(f"/v1/decisions/{answer['id']}").json
    assert kept["decision"] == answer
    assert kept["row"] == ROW


def test_every_fault_is_told_by_row_and_field(service: Client) -> None:
    answered = service.ask("/v1/decide", {"rows": [ROW, BAD]})

    faults = {(each["row"], each["field"]) for each in answered.json["faults"]}
    assert answered.status == 422
    assert faults == {(2, "income <€>"), (2, "member"), (2, "sex")}


def test_a_request_that_is_sent_again_gets_the_same_bytes(service: Client) -> None:
    body = json.dumps({"rows": [ROW, ROW]}).encode()
    first, again = (service.ask("/v1/decide", body, headers={"idempotency-key": "r-1"}) for _ in range(2))

    assert (first.status, first.body) == (200, again.body)
    other = service.ask("/v1/decide", {"row": ROW}, headers={"idempotency-key": "r-1"})
    assert other.status == 409


def test_each_path_asks_for_its_scope(service: Client) -> None:
    nobody, shop = Client(service.url, None), service.with_key("decide")
    answer = shop.ask("/v1/decide", {"row": ROW}).json

    assert nobody.ask("/v1/decide", {"row": ROW}).status == 401
    assert nobody.ask("/v1/decide", {"row": ROW}).headers["www-authenticate"].startswith("Bearer")
    for path, body in [
        (f"/v1/decisions/{answer['id']}", None),
        ("/v1/review", None),
        (f"/v1/review/{answer['id']}", {"decision": 1, "reason": "x"}),
        ("/v1/outcome", {"outcomes": [{"id": answer["id"], "label": 1}]}),
        (
            "/v1/membership",
            {"memberships": [{"id": answer["id"], "attribute": "sex", "groups": {"Male": 1.0}}]},
        ),
        ("/v1/open", {"open": True, "reason": "x"}),
        ("/v1/release", None),
        ("/v1/overrides", None),
        ("/metrics", None),
    ]:
        assert shop.ask(path, body).status == 403, path
        assert nobody.ask(path, body).status == 401, path


def test_a_decision_is_contested_reviewed_explained_and_its_outcome_reported(service: Client) -> None:
    answer = service.ask("/v1/decide", {"row": ROW}).json
    words = {"id": answer["id"], "words": "I earn less.", "correction": {"income <€>": -4}}
    contested = service.ask("/v1/contest", words).json
    said = service.ask("/v1/explain", {"id": answer["id"]}).json
    done = service.ask(f"/v1/review/{contested['case']}", {"decision": 0, "reason": "pay slip"}).json
    reported = service.ask("/v1/outcome", {"outcomes": [{"id": answer["id"], "label": 0}]}).json

    assert contested["redecision"]["decision"] == 0
    assert sum(each["effect"] for each in said["contributions"]) + said["base"] == pytest.approx(
        said["margin"]
    )
    assert (done["kind"], reported) == ("confirmation", {"recorded": 1})
    events = service.ask(f"/v1/decisions/{answer['id']}").json["events"]
    assert [each["kind"] for each in events] == ["contest", "correction", "confirmation", "outcome"]


def test_the_release_is_told_with_card_verdict_and_statement(service: Client) -> None:
    release = service.ask("/v1/release").json

    assert (release["name"], release["version"], release["path"]) == ("loans", "v0.1.0", "scorecard")
    assert release["digest"].startswith("sha256:")
    assert release["card"].startswith("# Model card")
    assert release["verdict"]["outcome"] == "pass"
    assert release["statement"]["payloadType"] == "application/vnd.in-toto+json"


def test_health_needs_no_key_and_metrics_tell_what_was_answered(service: Client) -> None:
    nobody = Client(service.url, None)
    service.ask("/v1/decide", {"row": ROW})
    text = service.ask("/metrics").body.decode()

    assert [nobody.ask(path).status for path in ("/healthz", "/readyz", "/ping", "/version")] == [200] * 4
    assert 'fairmark_decisions_total{arm="champion",decision="1"}' in text
    assert 'fairmark_responses_total{route="/v1/decisions/{entry_id}",status="200"}' in text


def test_every_answer_has_the_headers_of_security(service: Client) -> None:
    for path in ("/v1/decide", "/healthz", "/docs", "/v1/nothing"):
        headers = service.ask(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


def test_the_description_names_every_column_and_path(service: Client) -> None:
    found = service.ask("/openapi.json").json
    one, _ = found["paths"]["/v1/decide"]["post"]["requestBody"]["content"]["application/json"]["schema"][
        "oneOf"
    ]
    page = service.ask("/docs").body.decode()

    assert list(one["properties"]["row"]["properties"]) == list(ROW)
    assert all(path in page for path in found["paths"])
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(found)))
    assert references <= set(found["components"]["schemas"])


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/nothing", "GET", 404),
        ("/v1/decide", "GET", 405),
        ("/v1/explain", "GET", 405),
        ("/v1/decide", "PUT", 405),
    ],
)
def test_a_path_or_method_that_is_not_there_is_told(
    service: Client, path: str, method: str, status: int
) -> None:
    answered = service.ask(path, method=method)

    assert answered.status == status
    assert answered.headers["content-type"] == "application/problem+json"


@pytest.mark.filterwarnings("ignore")  # MLflow's, about itself
def test_mlflow_s_own_client_asks_and_is_answered(
    service: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    host, port = service.url.removeprefix("http://").split(":")
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {host} login anybody password {service.token}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client = ScoringServerClient(host, int(port))
    client.wait_server_ready(timeout=120)
    scored = client.invoke(pd.DataFrame([ROW, ROW])).get_predictions()

    wanted = service.ask("/v1/decide", {"row": ROW}).json
    assert scored["score"].tolist() == [wanted["score"]] * 2
    assert scored["decision"].tolist() == [1, 1]
    assert client.get_version()


FORMS: list[dict[str, object]] = [
    {"dataframe_split": {"columns": [*ROW], "data": [[*ROW.values()]]}},
    {"dataframe_split": {"columns": [*ROW, "zip"], "index": [7], "data": [[*ROW.values(), 1]]}},
    {"dataframe_records": [ROW]},
    {"instances": [ROW]},
    {"instances": [[*ROW.values()]]},
    {"inputs": {name: [value] for name, value in ROW.items()}},
    {"inputs": [ROW], "params": {}, "client_request_id": "x"},
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_scoring_protocol_is_the_same_row(service: Client, form: dict[str, object]) -> None:
    (scored,) = service.ask("/invocations", form).json["predictions"]

    assert scored["score"] == service.ask("/v1/decide", {"row": ROW}).json["score"]
    assert service.ask(f"/v1/decisions/{scored['id']}").json["row"] == ROW


@pytest.mark.parametrize(
    "form",
    [
        {},
        [],
        {"inputs": [ROW], "instances": [ROW]},
        {"instances": []},
        {"instances": [[1]]},
        {"instances": {"a": 1}},
        {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 1]]}},
        {"dataframe_split": {"columns": ["a"], "data": [[1, 1]]}},
        {"inputs": {"home": ["own"], "member": []}},
        {"inputs": [ROW], "params": {"t": 1}},
        {"inputs": [ROW], "more": 1},
    ],
)
def test_another_form_is_refused(service: Client, form: object) -> None:
    answered = service.ask("/invocations", form)

    assert (answered.status, bool(answered.json["faults"])) == (422, True)


V2: dict[str, object] = {
    "id": "r-9",
    "inputs": [
        {"name": name, "shape": [2, 1] if name == "home" else [2], "datatype": kind, "data": data}
        for (name, value), kind in zip(ROW.items(), ["FP64", "BYTES", "BOOL", "BYTES"], strict=True)
        for data in [[[value], [value]] if name == "home" else [value, value]]
    ],
}


def test_the_open_inference_protocol_tells_its_tensors_and_answers(service: Client) -> None:
    nobody = Client(service.url, None)
    model = nobody.ask("/v2/models/loans").json
    answered = service.ask("/v2/models/loans/infer", V2).json
    outputs = {each["name"]: each for each in answered["outputs"]}

    assert [each["name"] for each in model["inputs"]] == list(ROW)
    assert nobody.ask("/v2").json["name"] == "fairmark"
    assert [
        nobody.ask(f"/v2/{path}").status for path in ("health/live", "health/ready", "models/loans/ready")
    ] == [
        200,
        200,
        200,
    ]
    assert (answered["model_name"], answered["id"]) == ("loans", "r-9")
    assert outputs["decision"] == {"name": "decision", "datatype": "INT64", "shape": [2], "data": [1, 1]}
    assert outputs["score"]["data"] == [service.ask("/v1/decide", {"row": ROW}).json["score"]] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": []},
        {"inputs": [{"name": "home"}]},
        {"inputs": [{"name": "home", "shape": [2], "datatype": "BYTES", "data": ["own"]}]},
        {"inputs": [{"name": "home", "shape": [1], "datatype": "BYTES", "data": [{}]}]},
        {"outputs": [{"name": "loss"}]},
        {"outputs": "score"},
    ],
)
def test_tensors_that_do_not_fit_are_refused_before_anything_is_decided(service: Client, change: Any) -> None:
    answered = service.ask("/v2/models/loans/infer", V2 | change)

    assert (answered.status, bool(answered.json["faults"])) == (422, True)


def raw(service: Client, *pieces: bytes, wait_s: float = 0.0) -> bytes:
    """Return what the service says to bytes on a socket, piece by piece."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as line:
        with contextlib.suppress(OSError):
            for piece in pieces:
                line.sendall(piece)
                time.sleep(wait_s)
            line.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(OSError):
            while chunk := line.recv(65536):
                found += chunk
    return found


def head(service: Client, *more: str) -> bytes:
    lines = ["POST /v1/decide HTTP/1.1", "host: x", f"authorization: Bearer {service.token}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


HOSTILE: dict[str, tuple[dict[str, str], bytes, int]] = {
    "packed": ({"content-encoding": "gzip"}, gzip.compress(b" " * 10**6), 415),
    "a bomb": ({"content-encoding": "br, gzip"}, b"x", 415),
    "another kind": ({"content-type": "text/csv"}, b"a,b", 415),
    "another encoding": ({"content-type": "application/json; charset=utf-16"}, b"{}", 415),
    "deep": ({}, b'{"row":' * 100_000, 422),
    "NUL": ({}, b'{"row": {"home": "\x00"}}', 400),
    "a long number": ({}, b'{"row": {"income": ' + b"9" * 100_000 + b"}}", 422),
    "no text": ({}, bytes(range(256)), 400),
    "a key of spaces": ({"idempotency-key": "a b"}, b'{"row": {}}', 422),
}


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/explain", "/invocations", "/v2/models/loans/infer"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_and_nothing_of_the_program_is_told(
    service: Client, name: str, path: str
) -> None:
    headers, body, status = HOSTILE[name]
    answered = service.ask(path, body, headers=headers)

    assert answered.status == status
    assert answered.headers["content-type"] == "application/problem+json"
    assert not re.search(rb"Traceback|\.py|site-packages|fairmark\.", answered.body)


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ((b"NONSENSE\r\n\r\n",), b"400"),
        ((b"POST /v1/decide HTTP/1.1\r\ncontent-length: x\r\n\r\n",), b"400"),
        ((b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 20_000,), b""),
    ],
)
def test_what_is_no_http_ends_the_connection(
    service: Client, pieces: tuple[bytes, ...], status: bytes
) -> None:
    found = raw(service, *pieces)

    assert found.split(b" ")[1:2] == [status] or (status == b"" and b" 200 " not in found)
    assert service.ask("/healthz").status == 200


@pytest.mark.parametrize("name", ["Upgrade", "upgrade", "UPGRADE"])
def test_a_client_that_offers_another_protocol_is_answered_in_this_one(service: Client, name: str) -> None:
    body = json.dumps({"row": ROW}).encode()
    offer = (
        "connection: upgrade, http2-settings, close",
        f"{name}: h2c",
        "http2-settings: AAMAAABkAAQBAAAAAA",
    )
    found = raw(service, head(service, f"content-length: {len(body)}", *offer) + body)

    assert found.startswith(b"HTTP/1.1 200")


def test_a_client_that_will_ask_no_more_is_answered(service: Client) -> None:
    body = json.dumps({"row": ROW}).encode()
    found = raw(service, (head(service, f"content-length: {len(body)}") + body) * 3)

    assert found.count(b"HTTP/1.1 200") == 3


def test_a_body_in_many_small_pieces_is_put_together(service: Client) -> None:
    body = json.dumps({"row": ROW}).encode()
    pieces = [body[place : place + 20] for place in range(0, len(body), 20)]
    found = raw(
        service, head(service, f"content-length: {len(body)}", "connection: close"), *pieces, wait_s=0.01
    )

    assert found.startswith(b"HTTP/1.1 200")


def test_a_body_that_is_said_to_be_too_large_is_refused_before_it_comes(service: Client) -> None:
    for path in ("/v1/decide", "/v1/explain"):
        begin = head(service, f"content-length: {8 * 2**20 + 1}").replace(b"/v1/decide", path.encode())

        assert raw(service, begin).startswith(b"HTTP/1.1 413"), path


def test_a_client_that_leaves_harms_nobody(service: Client) -> None:
    raw(service, head(service, "content-length: 100"), b'{"row"')

    assert service.ask("/v1/decide", {"row": ROW}).status == 200


def test_a_term_signal_lets_what_has_begun_be_answered_and_kept(released: Path, tmp_path: Path) -> None:
    key, body = (
        Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem",
        json.dumps({"rows": [ROW] * 2000}).encode(),
    )
    with running(released / "releases" / "loans-v0.1.0", key, tmp_path) as client:
        host, port = client.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=120) as line:
            line.sendall(head(client, f"content-length: {len(body)}", "expect: 100-continue"))
            assert line.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"  # it has begun
            assert client.process is not None
            client.process.terminate()
            line.sendall(body)
            answer = b"".join(iter(lambda: line.recv(65536), b""))
        assert client.process.wait(120) == 0
    told = json.loads(answer[answer.index(b"{") :])["decisions"]
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as journal:
        kept = {row[0] for row in journal.execute("SELECT id FROM entries WHERE kind = 'decision'")}

    assert answer.startswith(b"HTTP/1.1 200")
    assert len(told) == 2000
    assert {each["id"] for each in told} == kept
