"""ONNX Runtime: one session, arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.files import get_onnx_file
from pellucid.benchmark.inputs import Array, load_batches


def predictor(case: Case, *, threads: int | None = None) -> Callable[[int], Array]:
    """Return a run of the session."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(get_onnx_file(case)), options, providers=["CPUExecutionProvider"]
    )
    entry = session.get_inputs()[0]
    data = [_to_layout(x, case, list(entry.shape)) for x, _ in load_batches(case)]

    def predict(i: int) -> Array:
        output: Array = session.run(None, {entry.name: data[i % len(data)]})[0]
        return output

    return predict


def _to_layout(x: Array, case: Case, shape: list[object]) -> Array:
    """Return the images with channels first, where the file wants them so."""
    if tuple(shape[1:]) == case.network.input_shape:
        return x
    return x.transpose(0, 3, 1, 2).copy()
