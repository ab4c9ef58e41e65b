"""A bare ASGI handler around the native predictor: HTTP, msgspec and the trees, no check, no journal, no key.

Run `python bare_handler.py RELEASE PORT`: what a service with the same model can't be faster than.
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from fairmark.data.schema import Schema
from fairmark.model.row import RowModel
from fairmark.params.parse import read_yaml, typed
from fairmark.params.prepare import Prepare


class One(msgspec.Struct):
    """A request with one row."""

    row: dict[str, str | int | float | bool | None]


def main(release: Path, port: int) -> None:
    """Serve until the process is ended."""
    params = typed(Prepare, read_yaml(release / "params.yaml")["prepare"], "params.yaml")  # type: ignore[index]
    model = RowModel.load(release / "model", Schema.read(release / "schema.json"), params)
    decode, encode = msgspec.json.Decoder(One).decode, msgspec.json.encode

    async def handler(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        row = model.read(decode(body).row)
        score = model.score(row)
        answer = encode({"score": score, "decision": int(score >= row.threshold)})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    uvicorn.run(
        handler,
        port=port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
