"""One image through each engine, with the same weights."""

from __future__ import annotations

import statistics
import threading
import time
from typing import Any

import numpy as np

from pellucid.engines import NAMES, missing_package
from pellucid.engines.registry import REFERENCE
from pellucid.model import Model
from pellucid.model.inputs import prepare_images
from pellucid.studio.images import decode
from pellucid.studio.verdict import verdict

_WARM_UP, _TIMED = 5, 30
_one_at_a_time = threading.Lock()  # two that are timed at once would time each other


def list_engines() -> list[dict[str, Any]]:
    """Return the engines, and whether each is here."""
    return [
        {"name": name, "is_installed": missing_package(name) is None} for name in NAMES
    ]


def copy_to_numpy(model: Model) -> Model:
    """Return a model of the same weights on the numpy engine."""
    return model.to(REFERENCE)


def compare_engine(model: Model, image: str, engine: str) -> dict[str, Any]:
    """Return an engine's output, how far it is from numpy's, and its latency.

    The model is one on the numpy engine, and nobody else's.
    Latency is the median of 30 calls with one image after 5 to warm up, in
    milliseconds, and the spread from the first to the third quartile.
    """
    pixels = decode(model, image)[None]
    x = prepare_images(pixels, model.network, model.preprocessing, model.dtype)
    other = model if engine == REFERENCE else model.to(engine)
    reference = model.predict(x)
    seconds = []
    with _one_at_a_time:
        for _ in range(_WARM_UP):
            output = other.predict(x)
        for _ in range(_TIMED):
            start = time.perf_counter()
            output = other.predict(x)
            seconds.append(time.perf_counter() - start)
    first, median, third = statistics.quantiles(seconds, n=4)
    return {
        "engine": engine,
        "output": [float(v) for v in output[0].ravel()],
        "columns": list(model.output_meaning.column_names(model.classes)),
        **verdict(other, output),
        "difference": float(np.abs(output - reference).max()),
        "latency_ms": 1000 * median,
        "quartiles_ms": [1000 * first, 1000 * third],
    }
