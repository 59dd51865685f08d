"""`create_app`: models behind HTTP, and the studio's pages."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from pellucid.errors import MissingExtraError
from pellucid.serving.asgi import AsgiApp
from pellucid.serving.lazy_app import LazyApp
from pellucid.serving.logs import Log
from pellucid.serving.repository import Source
from pellucid.serving.settings import Settings
from pellucid.serving.state import State

if TYPE_CHECKING:
    from fastapi import APIRouter


class Page(Protocol):
    """A page that people look at, beside the models that programs ask."""

    def router(self) -> APIRouter:
        """Return the routes that the page asks."""
        ...

    def end(self) -> None:
        """End what goes on; called when the server stops."""
        ...


class Mountable(Protocol):
    """What brings a page into a server: `pellucid.studio.SharedModel`."""

    def mount(self, state: State) -> Page:
        """Return the page, which may use the server's models and settings."""
        ...


def create_app(
    sources: Iterable[Source],
    *,
    settings: Settings | None = None,
    log: Log | None = None,
    follows: bool = False,
    bench: Mountable | None = None,
) -> AsgiApp:
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
    bench : SharedModel of pellucid.studio, optional
        The model that the studio shows; without it there is no studio.

    Returns
    -------
    AsgiApp
        For any ASGI server; `pellucid.serving.serve` runs it on uvicorn.

    Raises
    ------
    RunError
        If a name is given twice. What cannot be loaded is refused at the start.
    MissingExtraError
        If the extra [serve] is not installed.
    """
    _check_installed()
    from pellucid.serving.metrics import Metrics

    state = State(
        sources,
        settings or Settings(),
        Log() if log is None else log,
        metrics=Metrics(),
        follows=follows,
    )
    studio = None if bench is None else bench.mount(state)
    if studio is not None:
        state.at_stop.append(studio.end)
    return AsgiApp(state, LazyApp(lambda: _rest(state, studio)), studio)


def _rest(state: State, studio: Page | None) -> Any:
    from pellucid.serving import fastapi_app  # FastAPI, which is slow to import

    return fastapi_app.build(state, studio)


def _check_installed() -> None:
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                "serve: needs a package that cannot be imported; got No module named "
                f"'{package}'. Run: pip install 'pellucid[serve]'."
            )
