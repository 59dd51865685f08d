"""ASGI entry point: routing, guarding and inference."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from pellucid.errors import PellucidError
from pellucid.renamed import former_names
from pellucid.serving import (
    health,
    image_predict,
    open_inference,
    pages,
    tensorflow_serving,
)
from pellucid.serving.errors import RequestError, status_of
from pellucid.serving.http import (
    Answer,
    Disconnected,
    Receive,
    Request,
    Scope,
    Send,
    answer_error,
    check_json,
    read,
    read_body,
    write,
)
from pellucid.serving.lazy_app import LazyApp
from pellucid.serving.security import NO_SNIFF, OPEN_PATHS, PAGE_HEADERS, check_once
from pellucid.serving.state import QUIET_S, State

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_NAME = r"(?P<name>[^/:]+)(?:/versions/(?P<version>[^/:]+))?"
_INFER = re.compile(rf"/v2/models/{_NAME}/infer")
_TENSORFLOW = re.compile(rf"/v1/models/{_NAME}:(?P<verb>predict|classify|regress)")
_VERBS = {
    "predict": tensorflow_serving.predict,
    "classify": tensorflow_serving.classify,
    "regress": tensorflow_serving.regress,
}


class _Route(NamedTuple):
    label: str
    answer: Callable[[Request], Awaitable[Answer]]
    method: str = "POST"


class AsgiApp:
    """An ASGI app: guards, answers inference itself, hands the rest on.

    Parameters
    ----------
    state : State
        What is served.
    rest : LazyApp
        Everything but inference and health.
    studio : Studio, optional
        What people look at, where there is a studio.
    """

    def __init__(self, state: State, rest: LazyApp, studio: Any = None) -> None:
        self.state = state
        self.rest = rest
        self.studio = studio
        self._prefix = secrets.token_hex(4)
        self._count = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        start = time.perf_counter()
        send = reach = _ClientStream(send)
        headers = dict(scope["headers"])
        request_id = self._request_id(headers)
        extra = [(b"x-request-id", request_id), NO_SNIFF]
        label, status = "other", 499  # nginx's: the client closed the request
        try:
            check_once(scope["headers"])
            entry = self.state.guard.entry(scope["path"], scope["query_string"])
            if entry is not None:
                status = 303
                await write(send, Answer(b"", status, headers=entry), extra)
                return
            self.state.guard.check(scope["path"], headers)
            route = self._route(scope["path"])
            if route is None:
                status = await self._delegate(scope, receive, send, extra)
                label = getattr(scope.get("route"), "path", label)
            else:
                label = route.label
                answer = await self._answer(route, scope, receive)
                status = answer.status
                await write(send, answer, extra)
        except PellucidError as error:
            status = status_of(error)
            more = error.headers if isinstance(error, RequestError) else {}
            with contextlib.suppress(Disconnected):
                await write(send, answer_error(str(error), status, more), extra)
        except Disconnected:
            status = 499
        except Exception:  # noqa: BLE001 - the outermost place
            status = 500
            await self._report(reach, request_id, extra)
        finally:
            said = {"method": scope["method"], "path": scope["path"]}
            said["request_id"] = request_id.decode()
            self.state.answered(label, status, start, **said)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        """Start and stop with the program that runs the app (ASGI's lifespan)."""
        await receive()
        try:
            await self.state.start()
        except PellucidError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.state.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def complete(self) -> None:
        """Make what is not needed for the first answers, so that it is there later.

        Importing holds every request up for a tenth of a second: it waits until
        nobody asks, or until somebody asks for what is not there yet. A studio's page
        asks for it at once.
        """
        while self.studio is None and not self.state.is_quiet:
            await asyncio.sleep(QUIET_S / 4)
        await self.rest.load()
        await asyncio.to_thread(importlib.import_module, "pellucid.explain")

    def _request_id(self, headers: dict[bytes, bytes]) -> bytes:
        given = headers.get(b"x-request-id")
        if given is not None and _ID.fullmatch(given):
            return given
        return f"{self._prefix}-{next(self._count)}".encode()

    def _route(self, path: str) -> _Route | None:
        """Return who answers a path, if that is inference."""
        state = self.state
        limits = state.settings.limits
        if path in OPEN_PATHS:
            return _Route(path, lambda request: health.answer(state, path), "GET")
        if path == "/metrics":
            return _Route(path, lambda request: health.metrics(state), "GET")
        if path.startswith(pages.PREFIX):
            return _Route("/static", lambda request: pages.file(path), "GET")
        if path == "/docs":
            return _Route(path, lambda request: pages.page("docs.html"), "GET")
        if path == "/" and self.studio is not None:
            return _Route(path, lambda request: pages.page("studio/index.html"), "GET")
        if path == "/predict":
            return _Route(
                path, lambda request: image_predict.predict(state.repository, request)
            )
        if (found := _INFER.fullmatch(path)) is not None:
            name, version = found["name"], found["version"]
            return _Route(
                "/v2/models/{name}/infer",
                lambda request: open_inference.infer(
                    state.repository.get(name, version), request, limits
                ),
            )
        if (found := _TENSORFLOW.fullmatch(path)) is not None:
            name, version, verb = found["name"], found["version"], found["verb"]
            return _Route(
                f"/v1/models/{{name}}:{verb}",
                lambda request: _VERBS[verb](
                    state.repository.get(name, version), request, limits
                ),
            )
        return None

    async def _answer(self, route: _Route, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != route.method:
            raise RequestError(
                f"serve: the method must be {route.method}; "
                f"got {scope['method'][:20]}.",
                status=405,
                headers={"allow": route.method},
            )
        settings = self.state.settings
        request = await read(
            scope, receive, limits=settings.limits, within_s=settings.time_limit_s
        )
        return await route.answer(request)

    async def _delegate(
        self, scope: Scope, receive: Receive, send: Send, extra: list[Any]
    ) -> int:
        """Let the rest answer, with a body that was read within the limits."""
        status = 499
        settings = self.state.settings
        left = [
            await read_body(
                scope, receive, limits=settings.limits, within_s=settings.time_limit_s
            )
        ]
        if b"json" in dict(scope["headers"]).get(b"content-type", b""):
            check_json(left[0], settings.limits.json_depth)

        async def receive_again() -> MutableMapping[str, Any]:
            if left:
                return {"type": "http.request", "body": left.pop(), "more_body": False}
            return await receive()

        async def send_more(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *extra, *PAGE_HEADERS]
            if status != 500:  # Starlette's; what it stands for is raised, and told
                await send(message)

        await self.rest(scope, receive_again, send_more)
        return status

    async def _report(
        self, reach: _ClientStream, request_id: bytes, extra: list[Any]
    ) -> None:
        """Keep the traceback for the log; the client gets a sentence."""
        self.state.log.event(
            "error", request_id=request_id.decode(), traceback=traceback.format_exc()
        )
        sentence = (
            "serve: every request must have an answer; got a bug of ours. Its "
            f"traceback is in the server's log under {request_id.decode()}."
        )
        if not reach.has_begun:
            with contextlib.suppress(Disconnected):
                await write(reach, answer_error(sentence, 500), extra)


class _ClientStream:
    """What is sent to a client; one that is gone is no bug of ours."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.has_begun = True
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:  # uvloop's for a closed connection
            raise Disconnected from error


__getattr__ = former_names(__name__, {"Front": "AsgiApp"})
