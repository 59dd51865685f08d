"""Server and model metadata, loading and unloading."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from pellucid.serving import model_metadata, tensorflow_serving
from pellucid.serving.errors import RequestError
from pellucid.serving.http import check_json, read_json, read_rest
from pellucid.serving.settings import Limits
from pellucid.serving.state import State

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


def router(state: State) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()
    _add_server(routes)
    _add_metadata(routes, state)
    _add_repository(routes, state)
    _add_tensorflow(routes, state)
    return routes


def _add_server(routes: APIRouter) -> None:
    @routes.get("/v2", tags=["health"])
    async def server() -> dict[str, Any]:
        """Say what server this is."""
        return model_metadata.server()


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
        return {
            "model_stats": [
                model_metadata.statistics(served) for served in repository.all()
            ]
        }

    kinds = {
        "": model_metadata.metadata,
        "/config": model_metadata.config,
        "/stats": model_metadata.stats,
        "/ready": model_metadata.ready,
    }
    for end, kind in kinds.items():
        newest, one = of(kind)
        title = kind.__name__
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
    check_json(body, limits.json_depth)
    return await read_json(body, depth=limits.json_depth) if body else {}


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
