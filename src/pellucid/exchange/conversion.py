"""Write a file only once it has been proven in its own runtime."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy.typing as npt

from pellucid.engines.integer_networks import find_integer_layer
from pellucid.errors import ExchangeError
from pellucid.exchange import formats
from pellucid.exchange.api import contents_of
from pellucid.exchange.disk import Contents, write_sets
from pellucid.exchange.int8.aware import is_aware
from pellucid.exchange.verify_export import Array, ExportReport, verify_export
from pellucid.model import Model

#: of the largest output, that float32 arithmetic in another order may differ by
TOLERANCE = 1e-3


def write_verified(
    model: Model,
    path: Path,
    entry: formats.Format,
    images: Array,
    *,
    calibration: npt.ArrayLike | None = None,
) -> ExportReport:
    """Write a model, after its file has been run beside the place and compared.

    Parameters
    ----------
    model : Model
    path : Path
        File, or folder where the format is one.
    entry : Format
    images : array, shape (N, *input shape)
        What both are run on.
    calibration : array, optional
        Images of an int8 format.

    Raises
    ------
    ExchangeError
        If the format cannot hold the network, or its runtime does not run the file or
        gives other outputs; then nothing has been written.
    MissingExtraError
        If the runtime is not installed; then nothing has been written.
    """
    content = Contents(
        contents_of(model, entry, path.name, calibration=calibration), entry.marker
    )
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder) / path.name
        write_sets({there: content})
        try:
            report = verify_export(model, there, images, format=entry.name)
        except ExchangeError as error:
            raise ExchangeError(str(error).replace(f"{folder}/", "")) from error
    # where numbers are rounded to steps, another order of sums may round elsewhere
    network = model.network
    rounds = is_aware(network) or find_integer_layer(network) is not None
    is_rounded = entry.is_calibrated or rounds
    if not is_rounded and not report.relative <= TOLERANCE:
        raise ExchangeError(
            f"convert: '{path}' must give the outputs of the model; got a difference "
            f"of {report.difference:.2g}, {report.relative:.2g} of the largest output, "
            f"in {report.runtime}. Nothing has been written; please report the model."
        )
    write_sets({path: content})
    return replace(report, path=str(path))
