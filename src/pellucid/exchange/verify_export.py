"""Verify an export: run the file in its own runtime and compare outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError, PellucidError
from pellucid.exchange import formats
from pellucid.exchange.packing import pack, unpack
from pellucid.exchange.preprocess import preprocess_images
from pellucid.exchange.runtimes import RUNTIMES, RuntimeMeasurement
from pellucid.model import Model
from pellucid.model.ports import prepare_inputs
from pellucid.network import Network
from pellucid.network.ports import has_several

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """Outcome of verifying a written file.

    ``difference`` is the largest of ‖a − b‖∞ over all outputs, ``relative`` the same
    divided by ‖b‖∞, b what the model itself predicts. ``latency_s`` is the median for
    one image.

    Parameters
    ----------
    format, path : str
        What was written, and where.
    size_bytes : int
        Size on disk.
    runtime : str
        What ran it.
    images : int
        How many were predicted.
    difference : float
        Largest absolute difference of an output from the model's.
    relative : float
        The same divided by the model's largest output.
    load_s : float
        Time to load the file.
    latency_s : float
        Median time for one image.
    """

    format: str
    path: str
    size_bytes: int
    runtime: str
    images: int
    difference: float
    relative: float
    load_s: float
    latency_s: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        return asdict(self)


def verify_export(
    model: Model, path: str | Path, images: Array, *, format: str = ""
) -> ExportReport:
    """Run a written file in its own runtime and compare with the model.

    Parameters
    ----------
    model : Model
        What was written.
    path : path
        Where it was written.
    images : array, shape (N, *input shape)
        As `Model.predict` takes them; one at least.
    format : str
        The format's name; by the path's ending if left out.

    Returns
    -------
    ExportReport
        Largest difference, size and latency.

    Raises
    ------
    ExchangeError
        If the format's runtime is not there, or gives another shape.
    """
    where = Path(path)
    entry = formats.select(where, format)
    if has_several(model.network):
        return _verify_several(model, where, entry, images)
    x = preprocess_images(model, images)
    expected = model.predict(x)
    measured = run(where, entry.name, model.network, x.astype(np.float32))
    difference = float(np.max(np.abs(measured.outputs - expected)))
    return ExportReport(
        format=entry.name,
        path=str(where),
        size_bytes=size_of(where, entry.name),
        runtime=measured.runtime,
        images=len(x),
        difference=difference,
        relative=difference / (float(np.max(np.abs(expected))) or 1.0),
        load_s=measured.load_s,
        latency_s=measured.latency_s,
    )


def _verify_several(
    model: Model, path: Path, entry: formats.Format, images: Any
) -> ExportReport:
    """Compare every output; the differences told are the largest of all."""
    network = model.network
    inputs = prepare_inputs(model, images)
    expected = model.predict(inputs if len(inputs) > 1 else inputs[0])
    outputs = expected if isinstance(expected, tuple) else (expected,)
    packed = pack([array.astype(np.float32) for array in inputs])
    with _translate(path):
        measured = RUNTIMES[entry.name](path, network, packed)
    if measured.outputs.shape != pack(outputs).shape:
        raise ExchangeError(
            f"export: '{path}' must give outputs of {pack(outputs).shape[1]} elements; "
            f"got {measured.outputs.shape[1]} in {measured.runtime}."
        )
    shapes = [network.shapes[name] for name in network.outputs]
    found = unpack(measured.outputs, shapes)
    apart = [float(np.max(np.abs(a - b))) for a, b in zip(found, outputs, strict=True)]
    scales = [float(np.max(np.abs(output))) or 1.0 for output in outputs]
    return ExportReport(
        format=entry.name,
        path=str(path),
        size_bytes=size_of(path, entry.name),
        runtime=measured.runtime,
        images=len(packed),
        difference=max(apart),
        relative=max(a / b for a, b in zip(apart, scales, strict=True)),
        load_s=measured.load_s,
        latency_s=measured.latency_s,
    )


def run(
    path: Path, format_name: str, network: Network, images: Array
) -> RuntimeMeasurement:
    """Return what a file's own runtime makes of images, in pellucid's layout."""
    with _translate(path):
        measured = RUNTIMES[format_name](path, network, images)
    expected = (len(images), *network.output_shape)
    if measured.outputs.shape != expected:
        raise ExchangeError(
            f"export: '{path}' must give outputs of shape {expected}; got "
            f"{measured.outputs.shape} in {measured.runtime}."
        )
    return measured


@contextlib.contextmanager
def _translate(path: Path) -> Iterator[None]:
    """Turn whatever a runtime raises into one sentence."""
    try:
        yield
    except PellucidError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0][:200] if lines else type(error).__name__
        raise ExchangeError(
            f"export: '{path}' must run in its own runtime; got {reason.rstrip('.')}."
        ) from error


def size_of(path: Path, format_name: str) -> int:
    """Return the bytes of a file, of C's two, or of all in a folder."""
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    has_header = format_name in ("c", "c_int8", "native", "native_int8")
    both = [path, path.with_suffix(".h")] if has_header else [path]
    return sum(p.stat().st_size for p in both)
