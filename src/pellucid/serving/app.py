"""This file is the app: models behind HTTP, and the pages beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from pellucid.errors import PellucidError
from pellucid.serving import control, openapi
from pellucid.serving.front import Front
from pellucid.serving.logs import Log
from pellucid.serving.pages import STATIC
from pellucid.serving.refusal import RequestError, status_of
from pellucid.serving.repository import Source
from pellucid.serving.settings import Settings
from pellucid.serving.state import State

if TYPE_CHECKING:
    from pellucid.serving.studio import Workbench

_DESCRIPTION = (
    "Convolutional neural networks over the Open Inference Protocol v2, TensorFlow "
    "Serving's REST interface and a plain POST of a picture."
)


def create_app(
    sources: Iterable[Source],
    *,
    settings: Settings | None = None,
    log: Log | None = None,
    follows: bool = False,
    bench: Workbench | None = None,
) -> Front:
    """Return an ASGI app that serves models.

    Parameters
    ----------
    sources : iterable of Source
        What is served; loaded when the app starts.
    settings : Settings, optional
        Batching, limits, token.
    log : Log, optional
        Where requests are logged; to stderr if left out.
    follows : bool
        Whether a run that improves is loaded again.
    bench : Workbench, optional
        The model that the studio shows; without it there is no studio.

    Returns
    -------
    Front
        For any ASGI server; `pellucid.serving.serve` runs it on uvicorn.

    Raises
    ------
    RunError
        If a name is given twice. What cannot be loaded is refused at the start.
    """
    state = State(
        sources, settings or Settings(), Log() if log is None else log, follows=follows
    )
    app = _fastapi(state)
    app.include_router(control.router(state))
    front = Front(state, app)
    if bench is not None:
        from pellucid.serving import studio  # the server alone starts faster without

        front.studio = studio.Studio(bench, state)
        state.at_stop.append(front.studio.end)
        app.include_router(studio.router(front.studio))
    return front


def _fastapi(state: State) -> FastAPI:
    from pellucid import __version__

    app = FastAPI(
        title="pellucid",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # FastAPI's pages would load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan(state),
    )
    app.add_exception_handler(PellucidError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_form)
    app.add_exception_handler(HTTPException, _refuse_http)
    _add_docs(app)
    return app


def _lifespan(state: State) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        await state.start()
        yield
        await state.stop()

    return lifespan


def _add_docs(app: FastAPI) -> None:
    """Describe everything at /openapi.json, and show it at /docs."""
    described = app.openapi

    def everything() -> dict[str, Any]:
        document = described()
        document["paths"] = {**openapi.paths(), **document["paths"]}
        return document

    app.openapi = everything  # type: ignore[method-assign]
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(STATIC / "docs.html")


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
        sentence = (
            "serve: the path must be one of those at /docs; "
            f"got '{request.url.path[:80]}'."
        )
    else:
        sentence = (
            f"serve: the request must fit its path; got {request.method[:20]} "
            f"'{request.url.path[:80]}' ({str(error.detail).lower()})."
        )
    return JSONResponse({"error": sentence}, error.status_code, headers=error.headers)
