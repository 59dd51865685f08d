"""One image through each engine, with the same weights."""

from __future__ import annotations

import statistics
import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines import NAMES, missing_package
from pellucid.engines.registry import REFERENCE
from pellucid.model import Model
from pellucid.model.ports import output_meaning_of, prepare_inputs
from pellucid.network.ports import has_several
from pellucid.studio.images import as_batch, decode
from pellucid.studio.inspection import Held
from pellucid.studio.verdict import verdict

Array = npt.NDArray[Any]
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


def compare_engine(model: Model, image: Held, engine: str) -> dict[str, Any]:
    """Return an engine's output, how far it is from numpy's, and its latency.

    The model is one on the numpy engine, and nobody else's.
    Latency is the median of 30 calls with one image after 5 to warm up, in
    milliseconds, and the spread from the first to the third quartile.
    """
    given = prepare_inputs(model, as_batch(decode(model, image)))
    names = model.network.inputs
    x: Any = dict(zip(names, given, strict=True))
    if not has_several(model.network):
        (x,) = given
    other = model if engine == REFERENCE else model.to(engine)
    reference = _outputs(model, model.predict(x))
    seconds = []
    with _one_at_a_time:
        for _ in range(_WARM_UP):
            predicted = other.predict(x)
        for _ in range(_TIMED):
            start = time.perf_counter()
            predicted = other.predict(x)
            seconds.append(time.perf_counter() - start)
    first, median, third = statistics.quantiles(seconds, n=4)
    output = _outputs(model, predicted)
    apart = [np.abs(output[name] - reference[name]).max() for name in output]
    return {
        "engine": engine,
        "output": [float(v) for one in output.values() for v in one.ravel()],
        "columns": _columns(model),
        **_verdict(other, output),
        "difference": float(max(apart)),
        "latency_ms": 1000 * median,
        "quartiles_ms": [1000 * first, 1000 * third],
    }


def _outputs(model: Model, predicted: Any) -> dict[str, Array]:
    """Return each output by name."""
    if isinstance(predicted, dict):
        return predicted
    return {model.network.outputs[0]: predicted}


def _columns(model: Model) -> list[str]:
    """Return what the numbers of all outputs are called."""
    names = model.network.outputs
    found = {
        name: output_meaning_of(model, name).column_names(model.classes)
        for name in names
    }
    if len(names) == 1:
        return list(found[names[0]])
    return [f"{name}: {column}" for name in names for column in found[name]]


def _verdict(model: Model, outputs: dict[str, Array]) -> dict[str, Any]:
    """Return what the outputs say, of several in words only."""
    said = {name: verdict(model, one, name) for name, one in outputs.items()}
    if len(said) == 1:
        return said[model.network.outputs[0]]
    words = "; ".join(f"{name}: {one['says']}" for name, one in said.items())
    return {"says": words, "best": None}
