"""FastAPI's routes: everything but inference."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pellucid.errors import PellucidError
from pellucid.serving import management, openapi
from pellucid.serving.errors import RequestError, status_of
from pellucid.serving.state import State

_DESCRIPTION = (
    "Convolutional neural networks over the Open Inference Protocol v2, TensorFlow "
    "Serving's REST interface and a plain POST of a picture."
)


def build(state: State, studio: Any = None) -> FastAPI:
    """Return the routes as an app; with a studio, its page too."""
    from pellucid import __version__

    app = FastAPI(
        title="pellucid",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # FastAPI's pages would load scripts from elsewhere
        redoc_url=None,
    )
    app.add_exception_handler(PellucidError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_form)
    app.add_exception_handler(HTTPException, _refuse_http)
    _describe(app)
    app.include_router(management.router(state))
    if studio is not None:
        app.include_router(studio.router())
    return app


def _describe(app: FastAPI) -> None:
    """Describe everything at /openapi.json."""
    described = app.openapi

    def everything() -> dict[str, Any]:
        document = described()
        document["paths"] = {**openapi.paths(), **document["paths"]}
        return document

    app.openapi = everything  # type: ignore[method-assign]


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    del request
    more = error.headers if isinstance(error, RequestError) else {}
    status = status_of(error) if isinstance(error, PellucidError) else 500
    return JSONResponse({"error": str(error)}, status, headers=more)


async def _refuse_form(request: Request, error: Exception) -> JSONResponse:
    """Say in our form what FastAPI found wrong."""
    del request
    first: dict[str, Any] = {}
    if isinstance(error, RequestValidationError):
        first = next(iter(error.errors()), {})
    place = ".".join(str(part) for part in first.get("loc", ())) or "request"
    reason = str(first.get("msg", "something else")).lower()
    sentence = f"serve: '{place[:80]}' must fit; got one that does not: {reason[:200]}."
    return JSONResponse({"error": sentence}, 400)


async def _refuse_http(request: Request, error: Exception) -> JSONResponse:
    """Say in our form that there is no such path or method."""
    if not isinstance(error, HTTPException):
        return JSONResponse({"error": "serve: got an unknown error."}, 500)
    if error.status_code == 404:
        sentence = f"Not found: {request.url.path[:80]}. See /docs."
    else:
        sentence = (
            f"serve: the request must fit its path; got {request.method[:20]} "
            f"'{request.url.path[:80]}' ({str(error.detail).lower()})."
        )
    return JSONResponse({"error": sentence}, error.status_code, headers=error.headers)
