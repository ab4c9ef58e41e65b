"""All paths beside the one that decides, by FastAPI: health, metrics, other protocols, and the description.

The OpenAPI description names every path, `POST /v1/decide` among them, with the columns that the release
reads. Its page is plain HTML of the same: nothing is fetched from anywhere.
"""

import html
import logging
from functools import partial
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from fairmark.data.row import ColumnReader
from fairmark.errors import FairmarkError
from fairmark.serve import protocols
from fairmark.serve.access import Caller
from fairmark.serve.body import Fault, Refused, problem, strict_json
from fairmark.serve.desk import Desk, unavailable
from fairmark.serve.metrics import CONTENT_TYPE
from fairmark.serve.paths import (
    PROBLEM,
    STRUCTS,
    Responses,
    answers,
    as_json,
    case_paths,
    needs,
    release_paths,
)
from fairmark.serve.scorer import Scorer

log = logging.getLogger("fairmark.serve")
DECIDE = "/v1/decide"
OPEN: dict[str, Any] = {"security": []}
"""Of a path that asks for no key."""
PAGE = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class Health(msgspec.Struct, frozen=True):
    """Whether the service can answer, and if not, why."""

    ready: bool
    why: tuple[str, ...] = ()


def make_api(desk: Desk) -> FastAPI:
    """Return the paths of the service beside the one that decides."""
    lead = desk.lead
    api = FastAPI(
        title=lead.name,
        version=lead.version,
        summary=f"Decisions by the release {lead.name}-{lead.version}.",
        docs_url=None,
        redoc_url=None,
        default_response_class=Response,
    )
    api.include_router(case_paths(desk))
    api.include_router(release_paths(desk))
    _health(api, desk)
    _protocols(api, desk)
    api.add_exception_handler(Refused, _refused)  # type: ignore[arg-type]
    api.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    api.add_exception_handler(FairmarkError, _unreadable)  # type: ignore[arg-type]
    for status, title in ((404, "not found"), (405, "no such method")):
        api.add_exception_handler(status, partial(_no_such, Refused(status, title)))
    described = api.openapi

    def whole() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = describe(described(), lead)
        return api.openapi_schema

    api.openapi = whole  # type: ignore[method-assign]
    return api


def _health(api: FastAPI, desk: Desk) -> None:
    async def health() -> Health:
        why = []
        try:
            await desk.journal.head()
        except FairmarkError:
            why.append("the journal can't be read")
        if not desk.is_open:
            why.append("no person has opened the service for this release")
        return Health(not why, tuple(why))

    async def ready() -> Response:
        """Return whether decisions can be answered now."""
        found = await health()
        return as_json(found, 200 if found.ready else 503)

    async def alive() -> Response:
        """Return that the process runs."""
        return as_json(Health(ready=True))

    for path in ("/healthz", "/ping", "/v2/health/live"):
        api.add_api_route(
            path,
            alive,
            name=path,
            operation_id=f"alive {path}",
            openapi_extra=OPEN,
            responses=answers(Health),
        )
    for path in ("/readyz", "/v2/health/ready", f"/v2/models/{desk.lead.name}/ready"):
        api.add_api_route(
            path,
            ready,
            name=path,
            operation_id=f"ready {path}",
            openapi_extra=OPEN,
            responses=answers(Health),
        )

    _pages(api, desk)


def _pages(api: FastAPI, desk: Desk) -> None:
    witness = needs(desk, "evidence")

    @api.get("/metrics", responses=text_answers())
    async def metrics(_: Caller = witness) -> Response:
        """Return the counters, for Prometheus."""
        return Response(desk.metrics.text(), media_type=CONTENT_TYPE)

    @api.get("/version", responses=text_answers(), openapi_extra=OPEN)
    async def version() -> Response:
        """Return the version of fairmark, as MLflow's servers return theirs."""
        from importlib.metadata import version as installed

        return Response(installed("fairmark"), media_type="text/plain")

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        page = description_page(api.openapi())
        return Response(page, media_type="text/html", headers={"content-security-policy": PAGE.decode()})


def _protocols(api: FastAPI, desk: Desk) -> None:
    lead, decider = desk.lead, needs(desk, "decide")

    async def posted(request: Request) -> object:
        return strict_json(await request.body(), desk.lead.params.limits)

    content = {"application/json": {"schema": {"type": "object"}}}
    body = {"requestBody": {"content": content, "required": True}}

    @api.post("/invocations", responses=free_answers(), openapi_extra=body)
    async def invocations(request: Request, caller: Caller = decider) -> Response:
        """Decide by MLflow's scoring protocol."""
        asked = protocols.mlflow_rows(await posted(request), desk.router.reader)
        return as_json(protocols.mlflow_answer(await desk.decide(asked, caller.name)))

    @api.get("/v2", responses=free_answers(), openapi_extra=OPEN)
    async def server() -> Response:
        """Return what serves, by the Open Inference Protocol."""
        from importlib.metadata import version as installed

        return as_json({"name": "fairmark", "version": installed("fairmark"), "extensions": []})

    at = f"/v2/models/{lead.name}"

    @api.get(at, responses=free_answers(), openapi_extra=OPEN)
    async def model() -> Response:
        """Return the model's tensors."""
        return as_json(protocols.v2_metadata(desk.lead))

    async def infer(request: Request, caller: Caller = decider) -> Response:
        """Decide by the Open Inference Protocol."""
        value = await posted(request)
        decided = await desk.decide(protocols.v2_rows(value, desk.router.reader), caller.name)
        return as_json(protocols.v2_answer(value, decided, desk.lead))

    for path in (f"{at}/infer", f"{at}/versions/{lead.version}/infer"):
        api.add_api_route(
            path, infer, methods=["POST"], name=path, operation_id=f"infer {path}", openapi_extra=body,
            responses=free_answers(),
        )  # fmt: skip


def free_answers() -> Responses:
    """Return what a path of another protocol answers: JSON of its own, or a problem."""
    said = answers(Health, 409)
    said[200]["content"] = {"application/json": {"schema": {"type": "object"}}}
    return said


def text_answers() -> Responses:
    """Return what a path answers with text, or a problem."""
    said = answers(Health)
    said[200]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return said


async def _refused(_: Request, error: Refused) -> Response:
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="fairmark"'
    return Response(problem(error), error.status, headers, PROBLEM)


async def _unreadable(request: Request, error: FairmarkError) -> Response:
    """Answer where the journal holds what no journal wrote: as where it can't be read."""
    log.warning("%s", error)
    return await _refused(request, unavailable())


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    faults = []
    for each in error.errors():
        place = [part for part in each["loc"] if part not in {"body", "query", "path"}]
        row = next((part + 1 for part in place if isinstance(part, int)), None)
        field = ".".join(str(part) for part in place if not isinstance(part, int)) or None
        must = each["msg"].replace("Input should be", "must be", 1)
        faults.append(Fault(must, str(type(each.get("input")).__name__), row, field))
    return await _refused(_, Refused(422, "no request for this path", *faults))


async def _no_such(refused: Refused, request: Request, error: Exception) -> Response:
    answer = await _refused(request, refused)
    answer.headers.update(getattr(error, "headers", None) or {})  # which methods there are
    return answer


def describe(found: dict[str, Any], lead: Scorer) -> dict[str, Any]:
    """Return the description with what FastAPI does not know: the path that decides, and our own structs."""
    _, parts = msgspec.json.schema_components([*STRUCTS, Health], ref_template="#/components/schemas/{name}")
    components = found.setdefault("components", {})
    components.setdefault("schemas", {}).update(parts)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"key": []}]
    from fairmark.serve.decision import Answer

    said = answers(Answer, 409)
    said[200]["content"]["application/json"]["schema"] = {
        "anyOf": [{"$ref": "#/components/schemas/Answer"}, {"$ref": "#/components/schemas/Answers"}]
    }
    found["paths"][DECIDE] = {
        "post": {
            "summary": "Decide",
            "description": "Decide on one row or many; every decision is on record before it is answered.",
            "operationId": "decide",
            "parameters": [
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
                    "description": "The same key with the same body gets the same answer, once decided.",
                }
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": request_schema(lead)}},
            },
            "responses": {str(status): each for status, each in said.items()},
        }
    }
    return found


def request_schema(lead: Scorer) -> dict[str, object]:
    """Return the JSON Schema of a request for decisions: the columns that the release reads."""
    columns = {column.name: _column_schema(column) for column in lead.model.reader.columns}
    row = {
        "type": "object",
        "properties": columns,
        "required": [column.name for column in lead.model.reader.columns if column.required],
        "additionalProperties": False,
    }
    subject = {"type": ["string", "null"], "minLength": 1, "maxLength": 200}
    said = {"reasons": {"type": ["boolean", "null"]}}
    one = {"type": "object", "properties": {"row": row, "subject": subject, **said}, "required": ["row"]}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": lead.params.limits.rows}
    subjects = {"type": ["array", "null"], "items": subject}
    lists = {"rows": rows, "subjects": subjects, **said}
    many = {"type": "object", "properties": lists, "required": ["rows"]}
    return {"oneOf": [{**each, "additionalProperties": False} for each in (one, many)]}


def _column_schema(column: ColumnReader) -> dict[str, object]:
    # The usual type first: each cell may also come as its text in the raw file, and a code of a category or a
    # day as the number that its text is.
    kinds = {"numeric": ["number", "string"], "boolean": ["boolean", "string", "number"]}.get(
        column.kind.name, ["string", "number", "boolean"]
    )
    if column.kind.numerals.unit:
        kinds = ["string"]  # a number without its unit is refused
    found: dict[str, object] = {"type": kinds if column.required else [*kinds, "null"]}
    for bound in column.bounds:
        # In JSON Schema these two speak of numbers alone.
        if kinds[0] == "number" and bound.least is not None:
            found["minimum"] = bound.least
        if kinds[0] == "number" and bound.most is not None:
            found["maximum"] = bound.most
        if bound.among is not None:
            found["enum"] = [*bound.among, *([] if column.required else [None])]
    return found


def description_page(described: dict[str, Any]) -> str:
    """Return the description as one plain page of HTML."""
    info = described["info"]
    title = html.escape(f"{info['title']} {info['version']}")
    rows = []
    for path, methods in sorted(described["paths"].items()):
        for method, about in methods.items():
            text = about.get("description") or about.get("summary", "")
            statuses = ", ".join(about.get("responses", {}))
            cells = (f"{method.upper()} {path}", text, statuses)
            rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>body{{font:1rem/1.5 system-ui;margin:2rem;max-width:70rem}}"
        "td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0}td:first-child"
        "{font-family:ui-monospace,monospace;overflow-wrap:anywhere}</style></head>"
        f"<body><h1>{title}</h1><p>{html.escape(info.get('summary', ''))} As JSON: /openapi.json.</p>"
        f"<table><thead><tr><th>Path</th><th>What it does</th><th>Answers</th></tr></thead><tbody>"
        f"{''.join(rows)}</tbody></table></body></html>\n"
    )
