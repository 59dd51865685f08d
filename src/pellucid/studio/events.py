"""Server-sent events of a training: a snapshot, then changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pellucid.serving.finite import dumps
from pellucid.studio.live_training import EngineTraining, LiveTraining
from pellucid.studio.studio import Studio

_SECONDS_BETWEEN_EVENTS = 0.2


@dataclass(slots=True)
class _Known:
    """What a page has been told of a lane."""

    generation: int = -1
    points: int = 0
    snapshots: int = -1
    status: str = ""


async def stream_events(studio: Studio) -> AsyncIterator[str]:
    """Tell a page everything, then what is new, until the server stops."""
    is_begun = False
    followed: LiveTraining | None = None
    known: list[_Known] = []
    was_paused = False
    while not studio.state.stopping.is_set():
        lesson = studio.lesson
        if lesson is not followed or not is_begun:
            is_begun, followed = True, lesson
            known = [_Known() for _ in lesson.lanes] if lesson else []
            wish = lesson.wish.model_dump() if lesson else None
            names = [lane.name for lane in lesson.lanes] if lesson else []
            document = {"lesson": studio.count, "wish": wish, "lanes": names}
            yield _event("begin", document)
        if lesson is not None:
            is_held = lesson.is_held  # before the news, which then hold the last step
            pairs = zip(lesson.lanes, known, strict=True)
            news = [_news(lane, told) for lane, told in pairs]
            if any(news) or was_paused != is_held:
                was_paused = is_held
                status = {"paused": was_paused, "running": lesson.is_running}
                yield _event("news", {**status, "lanes": news})
        yield ": still here\n\n"  # so that the server learns of pages that are gone
        await asyncio.sleep(_SECONDS_BETWEEN_EVENTS)


def _news(lane: EngineTraining, told: _Known) -> dict[str, Any] | None:
    """Return what a page does not know of a lane yet; None if it knows all."""
    status, generation, snapshots = lane.status, lane.generation, lane.snapshots
    is_anew = told.generation != generation
    start = 0 if is_anew else told.points
    points = lane.points[start:]
    if not (points or is_anew or told.snapshots != snapshots or told.status != status):
        return None
    news: dict[str, Any] = {
        "engine": lane.engine,
        "status": status,
        "loss": lane.loss,
        "unit": lane.unit,
        "error": lane.error,
        "step": lane.step,
        "steps": lane.steps,
        "seconds": lane.seconds,
        "rate": lane.rate,
        "is_anew": is_anew,
        "points": points,
        "tested": lane.tested,
        "snapshot": lane.snapshot if told.snapshots != snapshots else None,
    }
    told.generation, told.points = generation, start + len(points)
    told.snapshots, told.status = snapshots, status
    return news


def _event(name: str, document: Any) -> str:
    return f"event: {name}\ndata: {dumps(document)}\n\n"
