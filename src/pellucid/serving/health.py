"""Health checks and counters."""

from __future__ import annotations

from pellucid.serving.errors import RequestError
from pellucid.serving.http import Answer, answer_json
from pellucid.serving.security import LIVE, PAGE_HEADERS, READY
from pellucid.serving.state import State


async def answer(state: State, path: str) -> Answer:
    """Answer either path.

    Raises
    ------
    RequestError
        503 where it is not ready.
    """
    if path == READY and not state.is_ready:
        raise RequestError(
            "serve: models must be loaded; got some that are not.", status=503
        )
    return answer_json({"live" if path == LIVE else "ready": True})


async def metrics(state: State) -> Answer:
    """Return counters as Prometheus reads them."""
    text = state.metrics.text(state.repository)
    kind = state.metrics.content_type
    return Answer(text, content_type=kind, headers=list(PAGE_HEADERS))
