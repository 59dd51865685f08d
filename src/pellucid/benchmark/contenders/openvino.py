"""OpenVINO in float32, compiled for the batch size it will see."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.files import get_onnx_file
from pellucid.benchmark.inputs import Array, load_batches


def predictor(case: Case, *, threads: int | None = None) -> Callable[[int], Array]:
    """Return a run of one inference request, arrays shared instead of copied."""
    import openvino
    from openvino import properties

    model = openvino.Core().read_model(get_onnx_file(case))
    data = [x for x, _ in load_batches(case)]
    shape = model.input().get_partial_shape()
    if tuple(shape[i].get_length() for i in (1, 2, 3)) != case.network.input_shape:
        data = [x.transpose(0, 3, 1, 2).copy() for x in data]
    model.reshape(list(data[0].shape))
    config = {
        properties.hint.inference_precision: openvino.Type.f32,
        properties.hint.performance_mode: properties.hint.PerformanceMode.LATENCY,
    }
    if threads is not None:
        config[properties.inference_num_threads] = threads
    request = openvino.compile_model(model, "CPU", config).create_infer_request()

    def predict(i: int) -> Array:
        found = request.infer(
            [data[i % len(data)]], share_inputs=True, share_outputs=True
        )
        output: Array = found[0]
        return output

    return predict
