"""This file is a request and its answer, as lean as the answering of small ones needs.

Starlette's own classes serve the rest of the app; on the paths that clients take
thousands of times a second they would cost more than the network does.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.serving.refusal import RequestError
from pellucid.serving.settings import Limits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"
BINARY = b"application/octet-stream"
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STEP = np.zeros(256, np.int8)  # what a byte adds to the depth of JSON
_STEP[[ord("["), ord("{")]] = 1
_STEP[[ord("]"), ord("}")]] = -1


@dataclass(slots=True)
class Request:
    """What came: header names in small letters, the body whole."""

    headers: dict[bytes, bytes]
    query: bytes
    body: bytes

    def header(self, name: bytes) -> str:
        """Return a header's value, or an empty text."""
        return self.headers.get(name, b"").decode("latin-1")


@dataclass(slots=True)
class Answer:
    """What goes back."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class Disconnected(Exception):  # noqa: N818 - no error: the client went away
    """The client is gone; there is nobody to answer."""


def answer_json(document: Any, *, status: int = 200) -> Answer:
    """Return a JSON answer.

    Raises
    ------
    RequestError
        If a number in it is not finite.
    """
    try:
        text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise RequestError(
            "serve: the output must be finite to be written as JSON; got NaN or "
            "infinity. Are the images in the range that the network was trained on?",
            status=422,
        ) from error
    return Answer(text.encode(), status=status)


def answer_error(sentence: str, status: int, headers: Mapping[str, str] = {}) -> Answer:
    """Return an error in the form that all protocols here have: {"error": …}."""
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    body = json.dumps({"error": sentence}).encode()
    return Answer(body, status=status, headers=extra)


async def read(
    scope: Scope, receive: Receive, *, limits: Limits, within_s: float
) -> Request:
    """Read the whole request.

    Raises
    ------
    RequestError
        413 if it is too large, 408 if it takes too long, 415 if its encoding is
        unknown.
    Disconnected
        If the client went away.
    """
    headers = dict(scope["headers"])
    body = await read_body(scope, receive, limits=limits, within_s=within_s)
    encoding = headers.get(b"content-encoding")
    if encoding is not None:
        body = _decompressed(body, encoding.decode("latin-1"), limits.body_bytes)
    return Request(headers, scope["query_string"], body)


async def read_body(
    scope: Scope, receive: Receive, *, limits: Limits, within_s: float
) -> bytes:
    """Read a body as it came.

    Raises
    ------
    RequestError, Disconnected
        As `read`, but for the encoding.
    """
    headers = dict(scope["headers"])
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limits.body_bytes:
        raise _too_large(int(announced), limits.body_bytes)
    message: MutableMapping[str, Any] = await _in_time(receive(), within_s)
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _rest(receive, body, limits.body_bytes, within_s)
    if len(body) > limits.body_bytes:
        raise _too_large(len(body), limits.body_bytes)
    return body


async def read_rest(request: Any, limits: Limits, within_s: float = 30.0) -> bytes:
    """Return the body of one of Starlette's requests, with the same limits.

    Raises
    ------
    RequestError, Disconnected
        As `read`.
    """
    came = await read(request.scope, request.receive, limits=limits, within_s=within_s)
    return came.body


async def _rest(receive: Receive, body: bytes, most: int, within_s: float) -> bytes:
    parts, size = [body], len(body)

    async def collect() -> None:
        nonlocal size
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise _too_large(size, most)
            if not message.get("more_body"):
                return

    await _in_time(collect(), within_s)
    return b"".join(parts)


async def _in_time(work: Any, within_s: float) -> Any:
    try:
        async with asyncio.timeout(within_s):
            result = await work
    except TimeoutError as error:
        raise RequestError(
            f"serve: a request must arrive within {within_s:g} s; got part of it.",
            status=408,
            headers={"connection": "close"},
        ) from error
    if isinstance(result, dict) and result.get("type") == "http.disconnect":
        raise Disconnected
    return result


def _too_large(size: int, most: int) -> RequestError:
    return RequestError(
        f"serve: a body must have at most {most} bytes; got {size}. Send fewer images.",
        status=413,
        headers={"connection": "close"},
    )


def _decompressed(body: bytes, encoding: str, most: int) -> bytes:
    windows = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
    if encoding == "identity":
        return body
    if encoding not in windows:
        raise RequestError(
            "serve: Content-Encoding must be gzip, deflate or identity; "
            f"got {encoding[:40]!r}.",
            status=415,
        )
    unpacker = zlib.decompressobj(windows[encoding])
    try:
        whole = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise RequestError(
            f"serve: the body must be whole {encoding}; got {error}."
        ) from error
    if len(whole) > most:
        raise _too_large(len(whole), most)
    if not unpacker.eof:
        raise RequestError(f"serve: the body must be whole {encoding}; got part of it.")
    return whole


def parse_json(body: bytes, *, depth: int) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    RequestError
        If it is none, is nested too deep, or holds NaN or infinity.
    """
    check_depth(body, depth)
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"serve: the body must be JSON; got {error}.") from error
    if not isinstance(document, dict):
        raise RequestError(
            f"serve: the body must be a JSON object; got {type(document).__name__}."
        )
    return document


def check_depth(body: bytes, depth: int) -> None:
    """Refuse JSON that is nested too deep; RequestError."""
    opened = body.count(b"[") + body.count(b"{")
    if opened > depth and _depth(body) > depth:
        raise RequestError(
            f"serve: JSON must be nested at most {depth} deep; got {_depth(body)}."
        )


def _depth(body: bytes) -> int:
    """Return how deep JSON is nested, its texts left out."""
    bare = np.frombuffer(_TEXT.sub(b"", body), np.uint8)
    return int(np.cumsum(_STEP[bare], dtype=np.int64).max(initial=0))


def _refuse_constant(name: str) -> float:
    raise RequestError(f"serve: numbers in JSON must be finite; got {name}.")


async def write(send: Send, answer: Answer, extra: list[tuple[bytes, bytes]]) -> None:
    """Send an answer, with headers that all answers have."""
    body = answer.body
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(body)),
        *answer.headers,
        *extra,
    ]
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": headers}
    )
    await send({"type": "http.response.body", "body": body})
