"""ONNX Runtime: one session, arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.files import get_onnx_file
from pellucid.benchmark.inputs import Array, load_batches
from pellucid.engines.ports import join
from pellucid.engines.protocol import Arrays
from pellucid.network.layers import Shape


def predictor(case: Case, *, threads: int | None = None) -> Callable[[int], Arrays]:
    """Return a run of the session."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(get_onnx_file(case)), options, providers=["CPUExecutionProvider"]
    )
    entries, names = session.get_inputs(), case.network.inputs
    data = [
        {
            entry.name: _to_layout(x, case.network.shapes[name], entry.shape)
            for entry, name, x in zip(entries, names, images, strict=True)
        }
        for images, _ in load_batches(case)
    ]

    def predict(i: int) -> Arrays:
        return join(session.run(None, data[i % len(data)]))

    return predict


def _to_layout(x: Array, shape: Shape, wanted: Sequence[object]) -> Array:
    """Return an input with channels first, where the file wants it so."""
    return x if tuple(wanted[1:]) == shape else np.moveaxis(x, -1, 1).copy()
