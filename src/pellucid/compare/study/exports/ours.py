"""Pellucid's exporters: every format of `pellucid.exchange`, and ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid import exchange
from pellucid.compare.study.exports.table import Array, Export, Predict, Written
from pellucid.exchange.verify_export import run
from pellucid.model import Model, load


def _format(name: str) -> Export:
    entry = exchange.FORMATS[name]

    def export(model: Model, images: Array, folder: Path) -> Written:
        path = folder / f"model{entry.suffix}"
        calibration = images if entry.is_calibrated else None
        exchange.write(model, path, format=name, calibration=calibration)

        return Written(path, None, lambda x: run(path, name, model.network, x))

    return export


def _own(model: Model, images: Array, folder: Path) -> Written:
    path = folder / "model.pellucid"
    model.save(path)
    engine = model.engine

    def open_() -> Predict:
        loaded = load(path, engine=engine)
        return lambda x: np.asarray(loaded.predict(x))

    return Written(path, open_)


EXPORTS: dict[str, Export] = {
    ".pellucid": _own,
    **{
        f"{entry.name} ({entry.suffix})": _format(entry.name)
        for entry in exchange.FORMATS.values()
        if entry.is_written
    },
}
