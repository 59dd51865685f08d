"""`create_app`: models behind HTTP, and the studio's pages."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pellucid.errors import MissingExtraError
from pellucid.serving.asgi import Front
from pellucid.serving.lazy_app import Late
from pellucid.serving.logs import Log
from pellucid.serving.repository import Source
from pellucid.serving.settings import Settings
from pellucid.serving.state import State

if TYPE_CHECKING:
    from pellucid.studio import Workbench


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
    studio: Any = None
    if bench is not None:
        from pellucid.studio import Studio

        studio = Studio(bench, state)
        state.at_stop.append(studio.end)
    return Front(state, Late(lambda: _rest(state, studio)), studio)


def _rest(state: State, studio: Any) -> Any:
    from pellucid.serving import fastapi_app  # FastAPI, which is slow to import

    return fastapi_app.build(state, studio)


def _check_installed() -> None:
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                "serve: needs a package that cannot be imported; got No module named "
                f"'{package}'. Run: pip install 'pellucid[serve]'."
            )
