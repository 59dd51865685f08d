"""This file is what a server says of itself and its models, and their loading."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from pellucid.serving import tensorflow_serving
from pellucid.serving.http import parse_json, read_rest
from pellucid.serving.metrics import CONTENT_TYPE
from pellucid.serving.refusal import RequestError
from pellucid.serving.served import Served
from pellucid.serving.settings import Limits
from pellucid.serving.state import State
from pellucid.serving.tensors import datatype_of

Name = Annotated[str, Path(description="A model's name.")]
Version = Annotated[str, Path(description="A version's number.")]
Refused = {"description": "Refused, with the reason.", "model": dict[str, str]}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: Refused}
_ODD: dict[int | str, dict[str, Any]] = {
    400: Refused,
    408: Refused,
    413: Refused,
}
_OPTIONS = {
    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}
}
_LOADING: dict[int | str, dict[str, Any]] = {**_ODD, 404: Refused, 503: Refused}
_OFF: dict[int | str, dict[str, Any]] = {503: Refused}


def router(state: State) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()
    _add_health(routes, state)
    _add_metadata(routes, state)
    _add_repository(routes, state)
    _add_tensorflow(routes, state)
    return routes


def _add_health(routes: APIRouter, state: State) -> None:
    @routes.get("/v2/health/live", tags=["health"])
    async def live() -> dict[str, bool]:
        """Say that the process answers."""
        return {"live": True}

    @routes.get("/v2/health/ready", tags=["health"], responses=_OFF)
    async def ready() -> Response:
        """Say whether every model answers."""
        return _readiness(state.is_ready)

    @routes.get("/metrics", tags=["health"], response_class=Response)
    async def metrics() -> Response:
        """Return counters as Prometheus reads them."""
        text = state.metrics.text(state.repository)
        return Response(text, media_type=CONTENT_TYPE.decode())

    @routes.get("/v2", tags=["health"])
    async def server() -> dict[str, Any]:
        """Say what server this is."""
        from pellucid import __version__

        extensions = ["binary_tensor_data", "classification", "model_repository"]
        extensions += ["model_configuration", "statistics"]
        return {"name": "pellucid", "version": __version__, "extensions": extensions}


def _readiness(is_ready: bool) -> Response:
    if is_ready:
        return JSONResponse({"ready": True})
    raise RequestError(
        "serve: models must be loaded; got some that are not.", status=503
    )


def _add_metadata(routes: APIRouter, state: State) -> None:
    repository = state.repository

    def of(kind: Any) -> tuple[Any, Any]:
        async def newest(name: Name) -> dict[str, Any]:
            result: dict[str, Any] = kind(repository.get(name))
            if "versions" in result:
                result["versions"] = [s.version for s in repository.versions(name)]
            return result

        async def one(name: Name, version: Version) -> dict[str, Any]:
            result: dict[str, Any] = kind(repository.get(name, version))
            return result

        newest.__doc__ = one.__doc__ = kind.__doc__
        return newest, one

    # /stats before the names: a model's name may not be "stats" there
    @routes.get("/v2/models/stats", tags=["models"])
    async def all_statistics() -> dict[str, Any]:
        """Say how often each model was asked, and how long it took."""
        return {"model_stats": [_statistics(served) for served in repository.all()]}

    kinds = {"": _metadata, "/config": _config, "/stats": _stats, "/ready": _ready}
    for end, kind in kinds.items():
        newest, one = of(kind)
        title = kind.__name__.strip("_")
        for path, function, suffix in (
            ("/v2/models/{name}", newest, ""),
            ("/v2/models/{name}/versions/{version}", one, "_of_version"),
        ):
            routes.get(
                path + end,
                tags=["models"],
                responses=_NOT_FOUND,
                operation_id=title + suffix,
                name=title,
            )(function)


def _metadata(served: Served) -> dict[str, Any]:
    """Say what a model takes and gives."""
    network, datatype = served.network, datatype_of(served.model.dtype)
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": f"pellucid_{served.model.engine.name}",
        "inputs": [
            {
                "name": served.input_name,
                "datatype": datatype,
                "shape": [-1, *network.input_shape],
            }
        ],
        "outputs": [
            {
                "name": served.output_name,
                "datatype": datatype,
                "shape": [-1, *network.output_shape],
            }
        ],
    }


def _config(served: Served) -> dict[str, Any]:
    """Say how a model is run, in Triton's words."""
    network, datatype = served.network, datatype_of(served.model.dtype)
    return {
        "name": served.name,
        "platform": f"pellucid_{served.model.engine.name}",
        "backend": "pellucid",
        "max_batch_size": served.settings.limits.images,
        "input": [
            {
                "name": served.input_name,
                "data_type": f"TYPE_{datatype}",
                "dims": list(network.input_shape),
            }
        ],
        "output": [
            {
                "name": served.output_name,
                "data_type": f"TYPE_{datatype}",
                "dims": list(network.output_shape),
            }
        ],
        "dynamic_batching": {
            "preferred_batch_size": [served.settings.batching.size],
            "max_queue_delay_microseconds": round(
                1e6 * served.settings.batching.delay_s
            ),
        },
        "parameters": {
            "network": {"string_value": network.name},
            "parameters": {"string_value": str(network.parameter_count)},
            "multiply_adds": {"string_value": str(network.multiply_adds)},
            "classes": {"string_value": ",".join(served.model.classes)},
        },
    }


def _stats(served: Served) -> dict[str, Any]:
    """Say how often a model was asked, and how long it took."""
    return {"model_stats": [_statistics(served)]}


def _ready(served: Served) -> dict[str, Any]:
    """Say that a model answers."""
    return {"name": served.name, "ready": True}


def _statistics(served: Served) -> dict[str, Any]:
    took = {"count": served.batches, "ns": round(1e9 * served.seconds)}
    return {
        "name": served.name,
        "version": served.version,
        "inference_count": served.images,
        "execution_count": served.batches,
        "inference_stats": {"compute_infer": took},
    }


def _add_repository(routes: APIRouter, state: State) -> None:
    repository = state.repository

    limits = state.settings.limits

    @routes.post(
        "/v2/repository/index",
        tags=["repository"],
        responses=_ODD,
        openapi_extra=_OPTIONS,
    )
    async def index(request: Request) -> list[dict[str, str]]:
        """List the models there are, loaded or not."""
        only_ready = (await _options(request, limits)).get("ready") is True
        rows = repository.index()
        return [row for row in rows if not only_ready or row["state"] == "READY"]

    @routes.post(
        "/v2/repository/models/{name}/load",
        tags=["repository"],
        responses=_LOADING,
        openapi_extra=_OPTIONS,
    )
    async def load(name: Name, request: Request) -> dict[str, Any]:
        """Read a model's run again, and answer by it; nobody's request is dropped."""
        if (await _options(request, limits)).get("parameters"):
            raise RequestError(
                "serve: loading must be without parameters, for where a model comes "
                "from is said at the start; got some."
            )
        await repository.load(name)
        return {}

    @routes.post(
        "/v2/repository/models/{name}/unload",
        tags=["repository"],
        responses=_LOADING,
        openapi_extra=_OPTIONS,
    )
    async def unload(name: Name, request: Request) -> dict[str, Any]:
        """Let a model go, when it has answered what it took."""
        await _options(request, limits)
        await repository.unload(name)
        return {}


async def _options(request: Request, limits: Limits) -> dict[str, Any]:
    """Return a body of options; clients send it as JSON without saying so."""
    body = await read_rest(request, limits)
    return parse_json(body, depth=limits.json_depth) if body else {}


def _add_tensorflow(routes: APIRouter, state: State) -> None:
    repository = state.repository

    @routes.get("/v1/models/{name}", tags=["TensorFlow Serving"], responses=_NOT_FOUND)
    async def status(name: Name) -> dict[str, Any]:
        """Say which versions of a model there are."""
        return tensorflow_serving.status(repository.versions(name))

    @routes.get(
        "/v1/models/{name}/versions/{version}",
        tags=["TensorFlow Serving"],
        responses=_NOT_FOUND,
    )
    async def status_of_version(name: Name, version: Version) -> dict[str, Any]:
        """Say how a version of a model is."""
        return tensorflow_serving.status([repository.get(name, version)])

    @routes.get(
        "/v1/models/{name}/metadata", tags=["TensorFlow Serving"], responses=_NOT_FOUND
    )
    async def signature(name: Name) -> dict[str, Any]:
        """Say what a model takes and gives, in TensorFlow's words."""
        return tensorflow_serving.metadata(repository.get(name))

    @routes.get(
        "/v1/models/{name}/versions/{version}/metadata",
        tags=["TensorFlow Serving"],
        responses=_NOT_FOUND,
    )
    async def signature_of_version(name: Name, version: Version) -> dict[str, Any]:
        """Say what a version of a model takes and gives, in TensorFlow's words."""
        return tensorflow_serving.metadata(repository.get(name, version))
