"""Time a runtime: outputs, loading time, latency of one image."""

from __future__ import annotations

import importlib
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import MissingExtraError

Array = npt.NDArray[Any]
Predict = Callable[[Array], Array]
_REPEATS, _BUDGET_S = 50, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeMeasurement:
    """Outputs of a runtime (in pellucid's layout), and how long it took."""

    runtime: str
    outputs: Array
    load_s: float
    latency_s: float


def import_runtime(package: str, format_name: str) -> Any:
    """Import a runtime.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs, about themselves
            return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f"format '{format_name}' must be checked in {package}; got {error}. "
            f"Run: pip install {package.partition('.')[0].replace('_', '-')}."
        ) from error


def channels_first(array: Array) -> Array:
    """Return images as (N, C, H, W); anything else as it is."""
    if array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2))


def channels_last(array: Array) -> Array:
    """Undo `channels_first`."""
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def time_runtime(
    load: Callable[[], Predict], images: Array, runtime: str
) -> RuntimeMeasurement:
    """Open, predict all, and time one image: the median of up to 50 calls."""
    begin = time.perf_counter()
    predict = load()
    load_s = time.perf_counter() - begin
    outputs = predict(images)
    latencies: list[float] = []
    while len(latencies) < _REPEATS and sum(latencies) < _BUDGET_S:
        begin = time.perf_counter()
        predict(images[:1])
        latencies.append(time.perf_counter() - begin)
    return RuntimeMeasurement(
        runtime=runtime,
        outputs=np.asarray(outputs),
        load_s=load_s,
        latency_s=statistics.median(latencies),
    )
