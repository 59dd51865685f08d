"""gRPC service: guarded, counted calls of the protocol."""

from __future__ import annotations

import itertools
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.json_format import (  # type: ignore[import-untyped]
    ParseDict,
)

from pellucid.errors import PellucidError
from pellucid.serving import model_metadata
from pellucid.serving.errors import RequestError, status_of
from pellucid.serving.rpc.inference import infer
from pellucid.serving.rpc.messages import SERVICE, methods
from pellucid.serving.rpc.stream import in_order
from pellucid.serving.rpc.unimplemented import UnimplementedMethods
from pellucid.serving.state import State

_OPEN = frozenset({"ServerLive", "ServerReady"})  # as over HTTP, without a token
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
STREAM = "ModelStreamInfer"
_CANCELLED = 499  # nginx's: the client closed the request


class Service:
    """Answer the calls of one server.

    Parameters
    ----------
    state : State
        What is served.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._types = methods()
        self._prefix = secrets.token_hex(4)
        self._count = itertools.count(1)
        self._calls: dict[str, Callable[[Any], Awaitable[Any]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return what a grpc.aio server is given."""
        by_name = {}
        for name, (takes, gives) in self._types.items():
            kinds: dict[str, Any] = {
                "request_deserializer": _reader(takes),
                "response_serializer": gives.SerializeToString,
            }
            by_name[name] = (
                grpc.stream_stream_rpc_method_handler(self._answer_stream, **kinds)
                if name == STREAM
                else grpc.unary_unary_rpc_method_handler(self._guard(name), **kinds)
            )
        return [
            grpc.method_handlers_generic_handler(SERVICE, by_name),
            UnimplementedMethods(),
        ]

    async def _answer_stream(self, requests: Any, context: Any) -> Any:
        """Answer a stream; each of its requests is counted as one of its own."""
        path = f"/{SERVICE}/{STREAM}"
        headers = _headers(context)
        stream_id = self._request_id(headers)
        try:
            self._state.guard.check_token(headers)
        except PellucidError as error:
            self._count_call(path, status_of(error), time.perf_counter(), stream_id)
            await _refuse(context, status_of(error), error)

        async def answer(request: Any) -> Any:
            start, status = time.perf_counter(), _CANCELLED
            try:
                found, status = await self._model_infer(_readable(request)), 200
                found.parameters["triton_final_response"].bool_param = True
                return self._of(STREAM, infer_response=found)
            except PellucidError as error:
                status, sentence = status_of(error), str(error)
            except Exception:  # noqa: BLE001 - the outermost place
                status, sentence = 500, self._log_failure(stream_id)
            finally:
                self._count_call(path, status, start, stream_id)
            identity = {"id": getattr(request, "id", "")}  # the client knows which
            return self._of(STREAM, error_message=sentence, infer_response=identity)

        async for response in in_order(requests, answer, self._state.stopping):
            yield response

    def _guard(self, name: str) -> Callable[[Any, Any], Awaitable[Any]]:
        """Return a call that checks who asks, says what is refused, and counts."""
        call, guard = self._calls[name], self._state.guard
        path = f"/{SERVICE}/{name}"

        async def handle(request: Any, context: Any) -> Any:
            start, status = time.perf_counter(), _CANCELLED
            headers = _headers(context)
            request_id = self._request_id(headers)
            try:
                if name not in _OPEN:
                    guard.check_token(headers)
                answer = await call(_readable(request))
                status = 200
                return answer
            except PellucidError as error:
                status = status_of(error)
                await _refuse(context, status, error)
            except Exception:  # noqa: BLE001 - the outermost place
                status = 500
                await self._report(context, request_id)
            finally:
                self._count_call(path, status, start, request_id)

        return handle

    def _count_call(self, path: str, status: int, start: float, identity: str) -> None:
        said = {"method": "gRPC", "path": path, "request_id": identity}
        self._state.answered(path, status, start, **said)

    def _request_id(self, headers: dict[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id", b"")[:64].decode("latin-1")
        return given or f"{self._prefix}-{next(self._count)}"

    async def _report(self, context: Any, request_id: str) -> None:
        await context.abort(grpc.StatusCode.INTERNAL, self._log_failure(request_id))

    def _log_failure(self, request_id: str) -> str:
        """Keep the traceback for the log; return the sentence for the client."""
        self._state.log.event(
            "error", request_id=request_id, traceback=traceback.format_exc()
        )
        return (
            "serve: every request must have an answer; got a bug of ours. Its "
            f"traceback is in the server's log under {request_id}."
        )

    def _of(self, call: str, **fields: Any) -> Any:
        return self._types[call][1](**fields)

    async def _server_live(self, request: Any) -> Any:
        del request
        return self._of("ServerLive", live=True)

    async def _server_ready(self, request: Any) -> Any:
        del request
        return self._of("ServerReady", ready=self._state.is_ready)

    async def _model_ready(self, request: Any) -> Any:
        rows = self._state.repository.index()
        versions = [
            row
            for row in rows
            if row["name"] == request.name and request.version in ("", row["version"])
        ]
        if not versions:
            self._find_model(request.name, request.version)  # says that it is not known
        is_ready = any(row["state"] == "READY" for row in versions)
        return self._of("ModelReady", ready=is_ready)

    async def _server_metadata(self, request: Any) -> Any:
        del request
        return self._of("ServerMetadata", **model_metadata.server())

    async def _model_metadata(self, request: Any) -> Any:
        served = self._find_model(request.name, request.version)
        document = model_metadata.metadata(served)
        if not request.version:
            versions = self._state.repository.versions(request.name)
            document["versions"] = [one.version for one in versions]
        return self._of("ModelMetadata", **document)

    async def _model_infer(self, request: Any) -> Any:
        served = self._find_model(request.model_name, request.model_version)
        return await infer(served, request)

    async def _model_config(self, request: Any) -> Any:
        served = self._find_model(request.name, request.version)
        document = {"config": model_metadata.config(served)}
        return ParseDict(document, self._of("ModelConfig"))

    async def _model_statistics(self, request: Any) -> Any:
        repository = self._state.repository
        if request.version:
            wanted = [self._find_model(request.name, request.version)]
        else:
            name = request.name
            wanted = repository.versions(name) if name else repository.all()
        rows = [model_metadata.statistics(served) for served in wanted]
        return self._of("ModelStatistics", model_stats=rows)

    async def _index(self, request: Any) -> Any:
        rows = self._state.repository.index()
        wanted = [r for r in rows if not request.ready or r["state"] == "READY"]
        return self._of("RepositoryIndex", models=wanted)

    async def _load(self, request: Any) -> Any:
        if request.parameters:
            raise RequestError(
                "serve: loading must be without parameters, for where a model comes "
                "from is said at the start; got some."
            )
        await self._state.repository.load(request.model_name)
        return self._of("RepositoryModelLoad")

    async def _unload(self, request: Any) -> Any:
        await self._state.repository.unload(request.model_name)
        return self._of("RepositoryModelUnload")

    def _find_model(self, name: str, version: str) -> Any:
        return self._state.repository.get(name, version or None)


class _Unreadable:
    """What stands for a message that could not be read, until it is refused."""


def _reader(takes: Any) -> Callable[[bytes], Any]:
    """Return what reads a message; gRPC takes an exception for the server's fault."""

    def read(content: bytes) -> Any:
        try:
            return takes.FromString(content)
        except Exception:  # noqa: BLE001 - protobuf's differ by implementation
            return _Unreadable()

    return read


def _readable(request: Any) -> Any:
    """Return a message that could be read; RequestError for another."""
    if isinstance(request, _Unreadable):
        raise RequestError(
            "serve: a message must be one of the protocol's; got bytes that are none."
        )
    return request


def _headers(context: Any) -> dict[bytes, bytes]:
    """Return a call's metadata as HTTP headers are."""
    pairs = context.invocation_metadata() or ()
    return {
        key.encode(): value if isinstance(value, bytes) else value.encode()
        for key, value in pairs
    }


async def _refuse(context: Any, status: int, error: PellucidError) -> None:
    more = error.headers if isinstance(error, RequestError) else {}
    code = _CODES.get(status, grpc.StatusCode.INVALID_ARGUMENT)
    await context.abort(code, str(error), tuple(more.items()))
