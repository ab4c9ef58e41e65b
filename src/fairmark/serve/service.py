"""The service: an ASGI application, whose path `POST /v1/decide` passes by every framework.

All else goes to FastAPI (`serve.api`), after the same checks of the body. Whatever happens inside, a caller
is told no more than that it happened; and every answer is counted.
"""

import hashlib
import logging
import re
import time
from collections.abc import Mapping

from fastapi import FastAPI

from fairmark.errors import FairmarkError
from fairmark.journal.entry import IdempotencyKey
from fairmark.serve.api import DECIDE, make_api
from fairmark.serve.body import Fault, Refused, encode, strict_json
from fairmark.serve.decision import Answers
from fairmark.serve.desk import Desk, unavailable
from fairmark.serve.exchange import (
    SECURITY,
    WHOLE,
    Message,
    Receive,
    Scope,
    Send,
    headers_of,
    read_body,
    refuse,
    reply,
)

log = logging.getLogger("fairmark.serve")
_KEY = re.compile(rb"[!-~]{1,128}")


class Service:
    """The application that uvicorn runs.

    Parameters
    ----------
    desk
        What decides.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._lead, self._api = desk.lead, make_api(desk)

    @property
    def api(self) -> FastAPI:
        """The paths beside the one that decides, described for the release that leads now."""
        if self._lead is not self.desk.lead:
            self._lead, self._api = self.desk.lead, make_api(self.desk)
        return self._api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.desk.start()
        except FairmarkError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.desk.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status, started = time.perf_counter(), 500, False

        async def counted(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                given = {name for name, _ in message["headers"]}
                message["headers"] += [each for each in SECURITY if each[0] not in given]
            await send(message)

        decides = scope["path"] == DECIDE and scope["method"] == "POST"
        try:
            if decides:
                await self._decide(headers_of(scope), receive, counted, whole=WHOLE in scope)
            else:
                await self._other(scope, receive, counted)
        except Refused as refused:
            if not started:
                await refuse(counted, refused)
        except FairmarkError as error:
            log.warning("%s", error)
            if not started:
                await refuse(counted, unavailable())
        except Exception:
            log.exception("a request could not be answered")
            if not started:
                await refuse(counted, Refused(500, "an error of the service"))
        # Paths hold ids: the route's own pattern is counted, never the path.
        route = DECIDE if decides else getattr(scope.get("route"), "path", "other")
        self.desk.metrics.answered(route, status, time.perf_counter() - began)

    async def _decide(
        self, headers: Mapping[bytes, bytes], receive: Receive, send: Send, *, whole: bool
    ) -> None:
        desk = self.desk
        caller = desk.access.caller(headers, "decide")
        body = await read_body(headers, receive, desk.lead.params.limits.body_bytes, whole=whole)
        key = idempotency_key(headers, caller.name, body)
        asked = desk.router.reader.request(body)
        answers = await desk.decide(asked, caller.name, key)
        await reply(send, 200, encode(answers[0] if asked.single else Answers(answers)))

    def _takes(self, scope: Scope) -> bool:
        """Return whether a POST may go there; to other paths the framework says 404 or 405."""
        return any(route.matches(scope)[0].name == "FULL" for route in self.api.routes)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == DECIDE:
            raise Refused(405, "no such method", Fault("must be POST", scope["method"][:20]))
        if scope["method"] != "POST" or not self._takes(scope):
            await self.api(scope, receive, send)
            return
        headers, limits = headers_of(scope), self.desk.lead.params.limits
        # Before anything is parsed, and before the body is read, who asks must be known.
        self.desk.access.known(headers)
        body = await read_body(headers, receive, limits.body_bytes)
        strict_json(body, limits)
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.api(scope, again, send)


def idempotency_key(headers: Mapping[bytes, bytes], caller: str, body: bytes) -> IdempotencyKey | None:
    """Return what makes a repeated request the same one; None where the caller does not name it.

    Raises
    ------
    Refused
        422 for a key that is no plain word.
    """
    given = headers.get(b"idempotency-key")
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        must = "must be 1 to 128 printable characters of ASCII"
        raise Refused(422, "no key", Fault(must, f"{len(given)} bytes", field="idempotency-key"))
    return IdempotencyKey(caller, given.decode("ascii"), hashlib.sha256(body).hexdigest())
