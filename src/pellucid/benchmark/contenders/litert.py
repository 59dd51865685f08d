"""LiteRT: TensorFlow's converter, the XNNPACK kernels."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.files import get_litert_file
from pellucid.benchmark.inputs import Array, load_batches
from pellucid.machine import count_usable_cpus


def predictor(case: Case, *, threads: int | None = None) -> Callable[[int], Array]:
    """Return a run of the interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(
        str(get_litert_file(case)), num_threads=threads or count_usable_cpus()
    )
    entry, out = (
        interpreter.get_input_details()[0]["index"],
        interpreter.get_output_details()[0]["index"],
    )
    interpreter.resize_tensor_input(
        entry, (case.batch_size, *case.network.input_shape), strict=True
    )
    interpreter.allocate_tensors()
    data = [x for x, _ in load_batches(case)]

    def predict(i: int) -> Array:
        interpreter.set_tensor(entry, data[i % len(data)])
        interpreter.invoke()
        output: Array = interpreter.get_tensor(out)
        return output

    return predict
