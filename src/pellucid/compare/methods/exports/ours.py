"""Pellucid's exporters: every format of `pellucid.exchange`, and ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid import exchange
from pellucid.compare.methods.exports.table import Array, Export, ExportedFile, Predict
from pellucid.exchange.verify_export import run
from pellucid.model import Model, load


def _format(name: str) -> Export:
    entry = exchange.FORMATS[name]

    def export(model: Model, images: Array, folder: Path) -> ExportedFile:
        path = folder / f"model{entry.suffix}"
        calibration = images if entry.is_calibrated else None
        exchange.write(model, path, format=name, calibration=calibration)

        return ExportedFile(path, None, lambda x: run(path, name, model.network, x))

    return export


def _own(model: Model, images: Array, folder: Path) -> ExportedFile:
    path = folder / "model.pellucid"
    model.save(path)
    engine = model.engine

    def open_() -> Predict:
        loaded = load(path, engine=engine)
        return lambda x: np.asarray(loaded.predict(x))

    return ExportedFile(path, open_)


EXPORTS: dict[str, Export] = {
    ".pellucid": _own,
    **{
        f"{entry.name} ({entry.suffix})": _format(entry.name)
        for entry in exchange.FORMATS.values()
        if entry.is_written
    },
}
