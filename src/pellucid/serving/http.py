"""Minimal request and response for the ASGI app.

Starlette's own classes serve the rest of the app; on the paths that clients take
thousands of times a second they would cost more than the network does.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from pellucid.serving import json_pieces
from pellucid.serving.errors import RequestError
from pellucid.serving.json_depth import depth_of
from pellucid.serving.settings import Limits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

T = TypeVar("T")
JSON = b"application/json"
BINARY = b"application/octet-stream"
#: bytes from which work on a body is done in a thread, so that others are answered
LARGE = json_pieces.LARGE
_MOST_CONTAINERS = 2_000_000
_MOST_VALUES = 200_000  # of JSON that is read at once, in the event loop


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


def answer_json(document: Any) -> Answer:
    """Return a JSON answer; arrays may stand in it.

    Raises
    ------
    RequestError
        If a number in it is not finite.
    """
    try:
        text = json.dumps(
            document, allow_nan=False, separators=(",", ":"), default=_plain
        )
    except ValueError as error:
        raise not_finite() from error
    return Answer(text.encode())


async def answer_numbers(document: Any, size: int) -> Answer:
    """Return a JSON answer with arrays of ``size`` numbers in all.

    Many are written in a thread, piece by piece, while others are answered.

    Raises
    ------
    RequestError
        If one is not finite.
    """
    if size < LARGE // 8:
        return answer_json(document)
    try:
        return Answer(await asyncio.to_thread(json_pieces.dump, document))
    except ValueError as error:
        raise not_finite() from error


def not_finite() -> RequestError:
    """Return the refusal of an output that JSON cannot express."""
    return RequestError(
        "serve: the output must be finite to be written as JSON; got NaN or "
        "infinity. Are the images in the range that the network was trained on?",
        status=422,
    )


def _plain(value: Any) -> Any:
    """Return an array as lists, for `json`."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"must be an array; got {type(value).__name__}")


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
        unpack = (body, encoding.decode("latin-1"), limits.body_bytes)
        body = await apart(len(body) > LARGE // 16, _decompress, *unpack)
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
    if announced.isdigit() and int(announced[:20]) > limits.body_bytes:
        raise _too_large(int(announced[:20]), limits.body_bytes)
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


def _decompress(body: bytes, encoding: str, most: int) -> bytes:
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


async def apart(is_large: bool, work: Callable[..., T], *arguments: Any) -> T:
    """Return ``work(*arguments)``; what is large is done in a thread."""
    if is_large:
        return await asyncio.to_thread(work, *arguments)
    return work(*arguments)


async def read_json(body: bytes, *, depth: int) -> dict[str, Any]:
    """Read a JSON object as `parse_json` does; a large one in a thread, in pieces.

    Long lists of numbers may come as arrays.
    """
    return await apart(len(body) > LARGE, lambda: parse_json(body, depth=depth))


def parse_json(body: bytes, *, depth: int) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    RequestError
        If it is none, is nested too deep, or holds NaN or infinity.
    """
    check_depth(body, depth)
    try:
        if len(body) > LARGE:
            document = json_pieces.load(body, _refuse_constant)
        else:
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
    if opened > _MOST_CONTAINERS:
        raise RequestError(
            f"serve: JSON must have at most {_MOST_CONTAINERS} lists and objects; got "
            f"about {opened}. Send flat lists, or binary data.",
            status=413,
        )
    if opened > depth and (found := depth_of(body)) > depth:
        raise RequestError(
            f"serve: JSON must be nested at most {depth} deep; got {found}."
        )


def check_json(body: bytes, depth: int) -> None:
    """Refuse JSON that is nested too deep, or too long to be read at once.

    Raises
    ------
    RequestError
        400 for its depth, 413 for its length.
    """
    values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if values > _MOST_VALUES:
        raise RequestError(
            f"serve: JSON must have at most {_MOST_VALUES} values here; "
            f"got about {values}.",
            status=413,
        )
    check_depth(body, depth)


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
