"""OpenVINO in float32, compiled for the batch size it will see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.files import get_onnx_file
from pellucid.benchmark.inputs import Array, load_batches
from pellucid.engines.ports import join
from pellucid.engines.protocol import Arrays


def predictor(case: Case, *, threads: int | None = None) -> Callable[[int], Arrays]:
    """Return a run of one inference request, arrays shared instead of copied."""
    import openvino
    from openvino import properties

    model = openvino.Core().read_model(get_onnx_file(case))
    data = [
        [
            _to_layout(x, entry.get_partial_shape())
            for entry, x in zip(model.inputs, images, strict=True)
        ]
        for images, _ in load_batches(case)
    ]
    model.reshape({i: list(x.shape) for i, x in enumerate(data[0])})
    config = {
        properties.hint.inference_precision: openvino.Type.f32,
        properties.hint.performance_mode: properties.hint.PerformanceMode.LATENCY,
    }
    if threads is not None:
        config[properties.inference_num_threads] = threads
    request = openvino.compile_model(model, "CPU", config).create_infer_request()

    def predict(i: int) -> Arrays:
        found = request.infer(
            data[i % len(data)], share_inputs=True, share_outputs=True
        )
        return join([found[k] for k in range(len(found))])

    return predict


def _to_layout(x: Array, shape: Any) -> Array:
    """Return an input with channels first, where the file wants it so."""
    wanted = tuple(shape[i].get_length() for i in range(1, x.ndim))
    return x if wanted == x.shape[1:] else np.moveaxis(x, -1, 1).copy()
