"""Chromium's trace of a page: tasks of the main thread, script within each frame."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

CATEGORIES = (
    "devtools.timeline",
    "devtools.timeline.frame",
    "disabled-by-default-devtools.timeline",
    "toplevel",
    "v8",
)
_TASKS = ("RunTask",)
_SCRIPT = (
    "BlinkScheduler_PerformMicrotaskCheckpoint",
    "EvaluateScript",
    "FunctionCall",
    "v8.evaluateModule",
)
_FRAME = "BeginCommitCompositorFrame"


def read_trace(content: bytes) -> tuple[list[float], list[float]]:
    """Return how long each task took, and the script's time from frame to frame.

    Parameters
    ----------
    content : bytes
        JSON, as `Browser.stop_tracing` returns it.

    Returns
    -------
    tuple of list of float
        In ms, of the page's main thread.
    """
    events = json.loads(content)["traceEvents"]
    mains = {
        (e["pid"], e["tid"])
        for e in events
        if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    by_thread: dict[Any, list[dict[str, Any]]] = {}
    for event in events:
        place = (event.get("pid"), event.get("tid"))
        if place in mains:
            by_thread.setdefault(place, []).append(event)
    own = max(by_thread.values(), key=lambda all_: len(_spans(all_, _SCRIPT)))
    tasks = [(end - start) / 1000 for start, end in _spans(own, _TASKS)]
    frames = sorted(e["ts"] for e in own if e["name"] == _FRAME)
    script = _outermost(_spans(own, _SCRIPT))
    return tasks, [_within(script, *frame) / 1000 for frame in pairwise(frames)]


def _spans(events: list[dict[str, Any]], names: tuple[str, ...]) -> list[Any]:
    """Return when events of those names begin and end, in µs."""
    return sorted(
        (e["ts"], e["ts"] + e["dur"])
        for e in events
        if e["name"] in names and e.get("ph") == "X" and "dur" in e
    )


def _outermost(spans: list[Any]) -> list[Any]:
    """Return spans that lie in no other one."""
    kept: list[Any] = []
    for start, end in spans:
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept


def _within(spans: list[Any], first: float, last: float) -> float:
    return float(sum(max(0, min(b, last) - max(a, first)) for a, b in spans))
