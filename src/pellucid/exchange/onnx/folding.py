"""Constant folding: compute ONNX operators whose inputs are all constant."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.tensor import BATCH, Array
from pellucid.exchange.onnx.attributes import read_attributes

SIZE_LIMIT = 2**27  # elements that a computed constant may have
_IR_VERSION = 8
#: whose result has at most as many elements as their largest input
_NEVER_LARGER = frozenset(
    {
        "Cast",
        "Flatten",
        "NonZero",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Slice",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
_RANDOM = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)


def fold(
    node: onnx.NodeProto,
    inputs: Sequence[Array | None],
    *,
    opset: int,
    ref: OperatorRef,
) -> Array | None:
    """Return what an operator makes of constants; None where that is not known.

    Raises
    ------
    ExchangeError
        If the result would have more than `SIZE_LIMIT` elements.
    """
    if node.op_type in _RANDOM or len([n for n in node.output if n]) != 1:
        return None
    own = _OURS.get(node.op_type)
    if own is not None:
        made = own(node, inputs)
        if made is not None:
            return made
    inputs = _unify(inputs)
    size = _size(node, inputs, opset)
    if size is None:
        return None
    if size > SIZE_LIMIT:
        ref.refuse(f"make at most {SIZE_LIMIT} numbers", f"{size}")
    return _run(node, inputs, opset)


def _unify(inputs: Sequence[Array | None]) -> list[Array | None]:
    """Return int32 as int64 beside a shape, which `_cast` keeps in int64."""
    kinds = {array.dtype for array in inputs if array is not None}
    if not {np.dtype(np.int32), np.dtype(np.int64)} <= kinds:
        return list(inputs)
    return [
        array.astype(np.int64)
        if array is not None and array.dtype == np.int32
        else array
        for array in inputs
    ]


def _cast(node: onnx.NodeProto, inputs: Sequence[Array | None]) -> Array | None:
    """Keep a shape in int64: the batch stands in it as a large number."""
    to, x = read_attributes(node).get("to"), inputs[0]
    is_shape = x is not None and x.dtype == np.int64
    return x if is_shape and to == onnx.TensorProto.INT32 else None


def _of_one_example(shape: Array) -> list[int]:
    """Return the shape of a batch's value as that of one example, which has 1."""
    return [1 if n == BATCH else int(n) for n in shape.reshape(-1)]


def _expand(node: onnx.NodeProto, inputs: Sequence[Array | None]) -> Array | None:
    """Keep a constant that is repeated for each example as that of one."""
    x, shape = inputs[0], inputs[1]
    if x is None or shape is None or BATCH not in shape:
        return None
    sizes = _of_one_example(shape)
    at = list(shape.reshape(-1)).index(BATCH) - len(sizes)
    if prod(sizes) > SIZE_LIMIT or (x.ndim >= -at and x.shape[at] != 1):
        return None
    try:
        return x * np.ones(sizes, x.dtype)
    except ValueError:
        return None


def _fill(node: onnx.NodeProto, inputs: Sequence[Array | None]) -> Array | None:
    """Fill the shape of a batch for one example, which stands for all."""
    shape = inputs[0]
    if shape is None or BATCH not in shape:
        return None
    given = read_attributes(node).get("value")
    value = np.zeros(1, np.float32) if given is None else np.ravel(given)
    sizes = _of_one_example(shape)
    return np.full(sizes, value[0]) if prod(sizes) <= SIZE_LIMIT else None


def _tile(node: onnx.NodeProto, inputs: Sequence[Array | None]) -> Array | None:
    """Keep a constant that is repeated for each example as that of one."""
    x, repeats = inputs[0], inputs[1]
    if x is None or repeats is None or BATCH not in repeats:
        return None
    at, counts = list(repeats).index(BATCH), _of_one_example(repeats)
    if len(counts) != x.ndim or x.shape[at] != 1 or prod(counts) * x.size > SIZE_LIMIT:
        return None
    return np.tile(x, counts)


_OURS = {"Cast": _cast, "ConstantOfShape": _fill, "Expand": _expand, "Tile": _tile}


def _size(
    node: onnx.NodeProto, inputs: Sequence[Array | None], opset: int
) -> int | None:
    """Return how many elements the result has, or an upper bound of it."""
    types, data = {}, {}
    for name, array in zip(node.input, inputs, strict=True):
        if array is not None:
            kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            types[name] = onnx.helper.make_tensor_type_proto(kind, array.shape)
            if array.size <= 2**12:
                data[name] = numpy_helper.from_array(array, name)
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
        opsets = [onnx.helper.make_opsetid("", opset)]
        found = shape_inference.infer_node_outputs(
            schema, node, types, data, None, opsets
        )
    except Exception:  # noqa: BLE001 - its errors are of many classes
        found = {}
    made = found.get(node.output[0])
    if made is not None and made.tensor_type.HasField("shape"):
        dims = made.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in dims):
            return prod(int(dim.dim_value) for dim in dims)
    largest = max((array.size for array in inputs if array is not None), default=0)
    rank = max((array.ndim for array in inputs if array is not None), default=1)
    return largest * max(rank, 1) if node.op_type in _NEVER_LARGER else None


def _run(
    node: onnx.NodeProto, inputs: Sequence[Array | None], opset: int
) -> Array | None:
    """Return what ONNX's reference implementation makes; None where it has none."""
    given = {
        name: array
        for name, array in zip(node.input, inputs, strict=True)
        if array is not None
    }
    entries = [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in given]
    ends = [onnx.helper.make_value_info(node.output[0], onnx.TypeProto())]
    graph = onnx.helper.make_graph([node], "constant", entries, ends)
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        ir_version=_IR_VERSION,
    )
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # NumPy's, of what it computes with
            (made,) = ReferenceEvaluator(model).run(None, given)
    except Exception:  # noqa: BLE001 - its operators raise what they like
        return None
    result: Any = np.asarray(made)
    return result if result.dtype.kind in "fiub" else None
