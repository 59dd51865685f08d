"""Exporters of each engine."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.registry import ENGINES
from pellucid.errors import ExchangeError
from pellucid.exchange.runtime_timing import RuntimeMeasurement, time_runtime
from pellucid.model import Model

Array = npt.NDArray[Any]
Predict = Callable[[Array], Array]


def run_one_by_one(predict: Predict) -> Predict:
    """Return predict for a file whose batch is fixed at one image."""
    return lambda images: np.concatenate(
        [predict(images[i : i + 1]) for i in range(len(images))]
    )


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A written file or folder, and how it is opened to predict images (N, H, W, C).

    ``clocked`` stands instead where the runtime keeps the clock itself.
    """

    path: Path
    open: Callable[[], Predict] | None
    run_timed: Callable[[Array], RuntimeMeasurement] | None = None

    def measure(self, images: Array, name: str) -> RuntimeMeasurement:
        """Open, predict, and time."""
        if self.run_timed is not None:
            return self.run_timed(images)
        if self.open is None:
            raise ExchangeError(f"export: {name} must be openable; got no opener.")
        return time_runtime(self.open, images, name)


#: from a model, images (N, H, W, C) as float32, and an empty folder
Export = Callable[[Model, Array, Path], ExportedFile]


def get_exporters(engine: str) -> Mapping[str, Export]:
    """Return an engine's exporters by the name of what they write."""
    home = f"from_{engine}" if ENGINES[engine].is_framework else "ours"
    module = importlib.import_module(f"{__package__}.{home}")
    found: Mapping[str, Export] = module.EXPORTS
    return found
