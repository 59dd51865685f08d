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
from pellucid.exchange.graph.tensor import LogProbabilities, Tensor
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
    *,
    entry: Tensor,
    output: Tensor | LogProbabilities,
    batch: int | None,
) -> None:
    """Probe a network against the graph that it was read from.

    Parameters
    ----------
    file : ModelFile
        The network.
    graph : ModelProto
        What of the file it stands for, as `alone` makes it.
    entry, output : Tensor
        How the graph lays out the input and output.
    batch : int, optional
        Examples that the graph takes, where it fixes that.

    Raises
    ------
    ExchangeError
        If an output is another.
    """
    if not probe.is_small(file) or graph.ByteSize() > _SIZE_LIMIT_BYTES:
        return
    shape = (batch or probe.examples(file), *entry.foreign_shape[1:])
    x = probe.draw(shape, file.dtype)
    images = entry.from_foreign(x)
    first = _in_python(graph, x) if probe.is_small(file, SMALL) else None
    layout = output.to_foreign
    if first is not None and probe.difference(file, images, first, layout) is None:
        return
    second = None
    if runtime.is_installed("onnx"):
        second = runtime.run("onnx", graph.SerializeToString(), x)
    for y, name in ((second, "onnxruntime"), (first, "onnx.reference")):
        if y is not None:
            probe.check(file, images, y, reference=name, layout=layout)
            return


def _in_python(graph: onnx.ModelProto, x: Array) -> Array | None:
    """Return the outputs of `onnx.reference`; None where it cannot run the graph."""
    if any(node.op_type in _WRONG for node in graph.graph.node):
        return None
    name = graph.graph.input[0].name
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # NumPy's, of what it computes with
            (y,) = ReferenceEvaluator(graph).run(None, {name: x})
    except Exception:  # noqa: BLE001 - its operators raise what they like
        return None
    return y if isinstance(y, np.ndarray) and y.dtype == x.dtype else None


def alone(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, Array],
    *,
    entry: str,
    output: str,
) -> onnx.ModelProto:
    """Return a model of some nodes, the constants that they read, and no more."""
    kind = {value.name: value for value in model.graph.input}[entry].type
    graph = onnx.helper.make_graph(
        nodes,
        model.graph.name or "graph",
        [onnx.ValueInfoProto(name=entry, type=kind)],
        [onnx.helper.make_tensor_value_info(output, kind.tensor_type.elem_type, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=_IR_VERSION
    )
