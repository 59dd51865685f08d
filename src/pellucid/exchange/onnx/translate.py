"""Translate an ONNX graph to the graph IR: kinds, attributes, shapes, constants.

ONNX's own shape inference gives the shapes; what depends on constants and shapes alone
is computed at once, so that no operator on sizes is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

from pellucid.errors import ExchangeError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.tensor import BATCH, Array
from pellucid.exchange.onnx.attributes import read_attributes, ref_of
from pellucid.exchange.onnx.container import to_array
from pellucid.exchange.onnx.folding import fold
from pellucid.exchange.onnx.qdq import Origin, origin_of
from pellucid.exchange.onnx.qlinear import NAMES as QLINEAR
from pellucid.exchange.onnx.qlinear import write_out
from pellucid.network.layers import Shape

_VALUE_LIMIT = 4096  # elements of a constant that shape inference is told

Attributes = dict[str, Any]


class Translator:
    """An ONNX graph while it becomes operators of the IR.

    Parameters
    ----------
    graph : Graph
        Gets the operators; its constants and the shapes of inputs are known.
    initializers : mapping of str to TensorProto
        Constants of the file, which are read where an operator needs them.
    opset : int
    float_type : int
        The type of the network's numbers.
    folder : Path, optional
        Where tensors outside the file may lie.
    """

    def __init__(
        self,
        graph: Graph,
        initializers: Mapping[str, onnx.TensorProto],
        *,
        opset: int,
        float_type: int,
        folder: Path | None,
    ) -> None:
        self.graph = graph
        self.initializers = dict(initializers)
        self.opset, self.float_type, self.folder = opset, float_type, folder
        self.types: dict[str, onnx.TypeProto] = {}
        #: constants that were dequantized → the integers
        self.origins: dict[str, Origin] = {}
        self.names: dict[str, str] = {"": ""}  # of values, behind copies
        for name, shape in graph.shapes.items():
            self.types[name] = onnx.helper.make_tensor_type_proto(float_type, shape)
            self.names[name] = name

    def run(self, node: onnx.NodeProto) -> None:
        """Translate one node."""
        if node.op_type == "If" and node.domain in ("", "ai.onnx"):
            self._branch(node)
            return
        if node.op_type in QLINEAR and node.domain in ("", "ai.onnx", "com.microsoft"):
            for inner in write_out(node, self._known, self._add_constant):
                self.run(inner)
            return
        ref = ref_of(node)
        if node.domain not in ("", "ai.onnx"):
            ref.refuse("be one of ONNX's own operators", f"domain={node.domain!r}")
        inputs = [self._value(node, name) for name in node.input]
        known = [name for name in node.output if name and name in self.names]
        if known:
            ref.refuse("name its output anew", repr(known[0]))
        self.names.update({name: name for name in node.output if name})
        constant = self._fold(node, inputs, ref)
        if constant is not None:
            self.graph.constants[node.output[0]] = constant
            return
        self._infer(node, inputs)
        kind, attributes = self._kind(node, inputs)
        self.graph.add(
            Operator(
                kind=kind,
                inputs=inputs,
                outputs=list(node.output),
                ref=ref,
                attributes=attributes,
                foreign=node,
            )
        )

    def _known(self, name: str) -> Array | None:
        """Return a constant of the file; None where the name is none."""
        if name in self.initializers and name not in self.graph.constants:
            self.graph.constants[name] = to_array(self.initializers[name], self.folder)
        return self.graph.constants.get(self.names.get(name, name))

    def _add_constant(self, name: str, array: Array) -> None:
        self.graph.constants[name] = array

    def value(self, name: str) -> str:
        """Return the value that a name of the file stands for."""
        return self.names.get(name, name)

    def _value(self, node: onnx.NodeProto, name: str) -> str:
        if name not in self.names and name in self.graph.constants:
            self.names[name] = name
        if name not in self.names and name in self.initializers:
            self.graph.constants[name] = to_array(self.initializers[name], self.folder)
            self.names[name] = name
        if name not in self.names:
            raise ExchangeError(
                f"import: {node.op_type} '{node.name}' must read values that exist; "
                f"got {name!r}."
            )
        return self.names[name]

    def _branch(self, node: onnx.NodeProto) -> None:
        """Run the branch of an If whose condition is known."""
        ref = OperatorRef("If", node.name)
        condition = self.graph.constants.get(self._value(node, node.input[0]))
        if condition is None or condition.size != 1:
            ref.refuse("have a condition that the file decides", "the input's value")
        taken = "then_branch" if condition.item() else "else_branch"
        branches = [a.g for a in node.attribute if a.name == taken]
        if not branches or len(branches[0].output) != len(node.output):
            ref.refuse(f"have a {taken} with its outputs", f"{len(branches)}")
        (branch,) = branches
        self.initializers |= {t.name: t for t in branch.initializer}
        for inner in branch.node:
            self.run(inner)
        for outer, result in zip(node.output, branch.output, strict=True):
            self.names[outer] = self._value(node, result.name)

    # -- constants ------------------------------------------------------------------

    def _fold(
        self, node: onnx.NodeProto, inputs: list[str], ref: OperatorRef
    ) -> Array | None:
        """Return what a node computes of constants and shapes alone, else None."""
        if node.op_type == "Constant":
            return self._constant(node, ref)
        if node.op_type == "Shape":
            shape = self._shape(inputs[0])
            given = read_attributes(node)
            if shape is None:
                ref.refuse("read a value of known shape", repr(node.input[0]))
            return np.asarray(shape, np.int64)[given.get("start", 0) : given.get("end")]
        arrays = [self.graph.constants.get(name) for name in inputs if name]
        if node.op_type == "CastLike" and arrays and arrays[0] is not None:
            like = self.types.get(inputs[1])
            kind = like.tensor_type.elem_type if like is not None else self.float_type
            return arrays[0].astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
        if not arrays or any(array is None for array in arrays):
            return None
        every = [self.graph.constants.get(name) for name in inputs]
        if node.op_type == "DequantizeLinear":
            origin = origin_of(every, read_attributes(node).get("axis", 1))
            if origin is not None:
                self.origins[node.output[0]] = origin
                return origin.real
        return fold(node, every, opset=self.opset, ref=ref)

    def _constant(self, node: onnx.NodeProto, ref: OperatorRef) -> Array:
        for attribute in node.attribute:
            if attribute.name == "value":
                return to_array(attribute.t, self.folder)
            value = onnx.helper.get_attribute_value(attribute)
            if attribute.name in ("value_float", "value_floats"):
                return np.asarray(value, np.float32)
            if attribute.name in ("value_int", "value_ints"):
                return np.asarray(value, np.int64)
        ref.refuse("hold numbers", ", ".join(a.name for a in node.attribute))

    # -- shapes -----------------------------------------------------------------------

    def _shape(self, name: str) -> Shape | None:
        array = self.graph.constants.get(name)
        return self.graph.shapes.get(name) if array is None else array.shape

    def _infer(self, node: onnx.NodeProto, inputs: list[str]) -> None:
        """Note the shapes of a node's outputs, where ONNX can tell them."""
        types, data = {}, {}
        for name, value in zip(node.input, inputs, strict=True):
            array = self.graph.constants.get(value)
            if array is not None:
                kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
                types[name] = onnx.helper.make_tensor_type_proto(kind, array.shape)
                if array.size <= _VALUE_LIMIT:
                    data[name] = numpy_helper.from_array(array, name)
            elif value in self.types:
                types[name] = self.types[value]
        if node.op_type == "Concat":
            _repeat_examples(types)
        if node.op_type == "Erfc" and node.input[0] in types:
            self._note(node.output[0], types[node.input[0]])  # tf2onnx's own
            return
        opsets = [onnx.helper.make_opsetid("", self.opset)]
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opset, "")
            found = shape_inference.infer_node_outputs(
                schema, node, types, data, None, opsets
            )
        except Exception:  # noqa: BLE001 - its errors are of many classes
            return
        for name, inferred in found.items():
            self._note(name, inferred)

    def _note(self, name: str, inferred: onnx.TypeProto) -> None:
        self.types[name] = inferred
        dims = inferred.tensor_type.shape.dim
        is_known = inferred.tensor_type.HasField("shape") and all(
            dim.HasField("dim_value") for dim in dims
        )
        if is_known:
            self.graph.shapes[name] = tuple(dim.dim_value for dim in dims)

    # -- kinds ------------------------------------------------------------------------

    def _kind(self, node: onnx.NodeProto, inputs: list[str]) -> tuple[str, Attributes]:
        """Return a node's kind in the IR and its attributes there."""
        plain = _PLAIN.get(node.op_type)
        given = read_attributes(node)
        if plain is not None and "axis" not in given:  # opset 6 broadcast by it
            is_binary = len(inputs) == 2
            if is_binary or plain not in _OF_TWO:
                return plain, given if plain == "hard_sigmoid" else {}
        translate = _KINDS.get(node.op_type)
        made = None if translate is None else translate(self, node, inputs, given)
        return (node.op_type, {}) if made is None else made

    def numbers(
        self, inputs: list[str], index: int, given: Attributes, name: str
    ) -> list[int] | None:
        """Return ints given as an input or, in older opsets, as an attribute."""
        if index < len(inputs) and inputs[index]:
            array = self.graph.constants.get(inputs[index])
            return None if array is None else [int(n) for n in array.reshape(-1)]
        return [int(n) for n in given[name]] if name in given else None

    def number(
        self, inputs: list[str], index: int, given: Attributes, name: str
    ) -> float | None:
        """Return a number given as an input or as an attribute."""
        if index < len(inputs) and inputs[index]:
            return self.graph.number(inputs[index])
        return float(given[name]) if name in given else None


def _repeat_examples(types: Mapping[str, onnx.TypeProto]) -> None:
    """Give constants of one example the batch of the values beside them."""
    firsts = [kind.tensor_type.shape.dim[0] for kind in types.values() if _rank(kind)]
    if any(dim.dim_value == BATCH for dim in firsts):
        for dim in firsts:
            dim.dim_value = BATCH if dim.dim_value == 1 else dim.dim_value


def _rank(kind: onnx.TypeProto) -> int:
    return len(kind.tensor_type.shape.dim)


_Translate = Callable[
    [Translator, onnx.NodeProto, list[str], Attributes],
    "tuple[str, Attributes] | None",
]


def _view(
    graph: Translator, node: onnx.NodeProto, inputs: list[str], given: Attributes
) -> tuple[str, Attributes] | None:
    known = graph.graph.shapes
    is_known = inputs[0] in known and node.output[0] in known
    return ("reshape", {}) if is_known else None


def _transpose(
    graph: Translator, node: onnx.NodeProto, inputs: list[str], given: Attributes
) -> tuple[str, Attributes] | None:
    rank = len(graph.graph.shapes.get(inputs[0], ()))
    permutation = given.get("perm", list(range(rank))[::-1])
    is_whole = sorted(permutation) == list(range(rank))
    return ("transpose", {"perm": tuple(permutation)}) if is_whole else None


def _tile(
    graph: Translator, node: onnx.NodeProto, inputs: list[str], given: Attributes
) -> tuple[str, Attributes] | None:
    repeats = graph.numbers(inputs, 1, given, "repeats")
    return None if repeats is None else ("tile", {"repeats": tuple(repeats)})


def _reduction(kind: str) -> _Translate:
    def translate(
        graph: Translator, node: onnx.NodeProto, inputs: list[str], given: Attributes
    ) -> tuple[str, Attributes] | None:
        axes = graph.numbers(inputs, 1, given, "axes")
        rank = len(graph.graph.shapes.get(inputs[0], ()))
        if not axes or not rank or not all(-rank <= axis < rank for axis in axes):
            return None
        every = tuple(sorted(axis % rank for axis in axes))
        return kind, {"axes": every, "keepdims": bool(given.get("keepdims", 1))}

    return translate


def _clip(
    graph: Translator, node: onnx.NodeProto, inputs: list[str], given: Attributes
) -> tuple[str, Attributes] | None:
    low = graph.number(inputs, 1, given, "min")
    high = graph.number(inputs, 2, given, "max")
    return "clip", {"low": low, "high": high}


def _matmul(
    graph: Translator, node: onnx.NodeProto, inputs: list[str], given: Attributes
) -> tuple[str, Attributes] | None:
    weight = graph.graph.constants.get(inputs[1])
    return None if weight is None or weight.ndim != 2 else ("matmul", {})


#: operators without attributes that matter
_PLAIN = {
    "Add": "add",
    "Div": "divide",
    "Erf": "erf",
    "Erfc": "erfc",
    "Exp": "exp",
    "HardSigmoid": "hard_sigmoid",
    "Identity": "identity",
    "Log": "log",
    "Max": "maximum",
    "Min": "minimum",
    "Mul": "multiply",
    "Neg": "negate",
    "Pow": "power",
    "Reciprocal": "reciprocal",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Sqrt": "sqrt",
    "Sub": "subtract",
    "Sum": "add",
    "Tanh": "tanh",
}
_OF_TWO = {
    "add",
    "divide",
    "maximum",
    "minimum",
    "multiply",
    "power",
    "subtract",
}


def _instance_norm(
    graph: Translator, node: onnx.NodeProto, inputs: list[str], given: Attributes
) -> tuple[str, Attributes] | None:
    return "instance_norm", {"epsilon": float(given.get("epsilon", 1e-5))}


_KINDS: dict[str, _Translate] = {
    "Clip": _clip,
    "Flatten": _view,
    "InstanceNormalization": _instance_norm,
    "MatMul": _matmul,
    "ReduceMean": _reduction("mean"),
    "ReduceSum": _reduction("sum"),
    "Reshape": _view,
    "Squeeze": _view,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _view,
}
