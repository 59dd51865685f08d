"""LiteRT: TensorFlow's converter, the XNNPACK kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.files import get_litert_file
from pellucid.benchmark.inputs import load_batches
from pellucid.engines.ports import join
from pellucid.engines.protocol import Arrays
from pellucid.machine import count_usable_cpus
from pellucid.network import Network
from pellucid.network.ports import has_several


def predictor(case: Case, *, threads: int | None = None) -> Callable[[int], Arrays]:
    """Return a run of the interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(
        str(get_litert_file(case)), num_threads=threads or count_usable_cpus()
    )
    entries, outs = _find_ports(interpreter, case.network)
    data = [images for images, _ in load_batches(case)]
    for entry, x in zip(entries, data[0], strict=True):
        interpreter.resize_tensor_input(entry, x.shape, strict=True)
    interpreter.allocate_tensors()

    def predict(i: int) -> Arrays:
        for entry, x in zip(entries, data[i % len(data)], strict=True):
            interpreter.set_tensor(entry, x)
        interpreter.invoke()
        return join([interpreter.get_tensor(out) for out in outs])

    return predict


def _find_ports(interpreter: Any, network: Network) -> tuple[list[int], list[int]]:
    """Return the tensors of inputs and outputs, in the network's order.

    The converter sorts several by name, and counts outputs in theirs.
    """
    if not has_several(network):
        entries, outs = (
            interpreter.get_input_details(),
            interpreter.get_output_details(),
        )
        return [entries[0]["index"]], [outs[0]["index"]]
    runner = interpreter.get_signature_runner()
    named, numbered = runner.get_input_details(), runner.get_output_details()
    outputs = sorted(numbered, key=lambda name: int(name.rpartition("_")[2]))
    return (
        [named[name]["index"] for name in network.inputs],
        [numbered[name]["index"] for name in outputs],
    )
