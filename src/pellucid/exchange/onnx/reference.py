"""What ONNX's reference implementation, or onnxruntime, makes of a graph.

A small graph runs in `onnx.reference`, which is Python and needs nothing more; where
that cannot run it, or gives something else than we do, and for larger graphs,
onnxruntime decides, if it is installed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from pellucid.exchange import probe, runtime
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
#: as in `probe.LIMIT`; the reference loops over elements in Python
SMALL = 4 * 10**6
_SIZE_LIMIT_BYTES = 2**30  # of a graph that is handed to another process
_WRONG = {"LRN"}  # of onnx 1.23's reference, which sums over the whole batch
_IR_VERSION = 8  # that every onnxruntime knows; from 4 on constants are no inputs


def check(
    file: ModelFile,
    graph: onnx.ModelProto,
    ports: probe.Ports,
) -> None:
    """Probe a network against the graph that it was read from.

    Parameters
    ----------
    file : ModelFile
        The network.
    graph : ModelProto
        What of the file it stands for, as `alone` makes it.
    ports : Ports
        How the graph lays out its inputs and outputs.

    Raises
    ------
    ExchangeError
        If an output is another.
    """
    if not probe.is_small(file) or graph.ByteSize() > _SIZE_LIMIT_BYTES:
        return
    x = ports.draw(file)
    images = ports.images(file, x)
    layouts = [output.to_foreign for output in ports.outputs]
    first = _in_python(graph, x, file.dtype) if probe.is_small(file, SMALL) else None
    if first is not None and all(
        probe.difference(file, images, y, layout, index=i) is None
        for i, (y, layout) in enumerate(zip(first, layouts, strict=True))
    ):
        return
    second = None
    if runtime.is_installed("onnx"):
        second = runtime.run_graph(graph.SerializeToString(), x)
    for found, name in ((second, "onnxruntime"), (first, "onnx.reference")):
        if found is not None:
            ports.check(file, x, found, reference=name)
            return


def _in_python(
    graph: onnx.ModelProto, x: Mapping[str, Array], dtype: str
) -> list[Array] | None:
    """Return the outputs of `onnx.reference`; None where it cannot run the graph."""
    if any(node.op_type in _WRONG for node in graph.graph.node):
        return None
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # NumPy's, of what it computes with
            found: Any = ReferenceEvaluator(graph).run(None, dict(x))
    except Exception:  # noqa: BLE001 - its operators raise what they like
        return None
    fits = all(isinstance(y, np.ndarray) and y.dtype == dtype for y in found)
    return list(found) if fits else None


def alone(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, Array],
    *,
    entries: Sequence[str],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """Return a model of some nodes, the constants that they read, and no more."""
    kinds = {value.name: value.type for value in model.graph.input}
    element = kinds[entries[0]].tensor_type.elem_type
    if element in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8):
        element = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        model.graph.name or "graph",
        [onnx.ValueInfoProto(name=entry, type=kinds[entry]) for entry in entries],
        [onnx.helper.make_tensor_value_info(name, element, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=_IR_VERSION
    )
