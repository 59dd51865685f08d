"""Read an ONNX graph as a network."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pellucid.errors import ExchangeError
from pellucid.exchange import probe
from pellucid.exchange.errors import OperatorRef, translate_errors
from pellucid.exchange.graph import ir
from pellucid.exchange.graph.emit import Context, emit
from pellucid.exchange.graph.input_sizes import (
    Shapes,
    close_sizes,
    fits_first,
    shapes_by_input,
)
from pellucid.exchange.graph.local_response_norm_pattern import Squares
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.passes.run import run_passes
from pellucid.exchange.graph.tensor import (
    BATCH,
    FIRST,
    LAST,
    Tensor,
    first_axes,
    unwrap_output,
)
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.onnx import reference
from pellucid.exchange.onnx.about import read_about
from pellucid.exchange.onnx.attributes import read_attributes
from pellucid.exchange.onnx.container import load, opset_of, to_array
from pellucid.exchange.onnx.half import widen
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.exchange.onnx.operators import READERS
from pellucid.exchange.onnx.qdq import HYBRID, KIND, find_quantized
from pellucid.exchange.onnx.qlinear import NAMES as QLINEAR
from pellucid.exchange.onnx.quantized import read_hybrid, read_quantized
from pellucid.exchange.onnx.recurrent import KINDS as RECURRENT
from pellucid.exchange.onnx.translate import Translator
from pellucid.network.layers import Quantize
from pellucid.network.quantization import Quantization
from pellucid.runs import ModelFile

_FLOATS = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}
_INTEGERS: dict[int, str] = {
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "uint8",
}
CARD = "pellucid.card"
#: operators of values (N, C, …)
_CHANNELS_FIRST = frozenset(
    {
        "AveragePool",
        "BatchNormalization",
        "Conv",
        "ConvTranspose",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "GroupNormalization",
        "InstanceNormalization",
        "MaxPool",
        "QLinearAveragePool",
        "QLinearConv",
        "QLinearGlobalAveragePool",
    }
)
#: operators that leave elements where they are
_ELEMENTWISE = frozenset(
    [
        "Abs",
        "Add",
        "Cast",
        "Clip",
        "Concat",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "Identity",
        "LeakyRelu",
        "Log",
        "Mul",
        "Neg",
        "Pad",
        "Pow",
        "QLinearAdd",
        "QuantizeLinear",
        "Relu",
        "Sigmoid",
        "Slice",
        "Sqrt",
        "Sub",
        "Tanh",
    ]
)


def read(
    path: Path,
    *,
    constants: Mapping[str, npt.ArrayLike] | None = None,
    input_shape: Shapes | None = None,
) -> ModelFile:
    """Read a file.

    ``constants`` binds graph inputs that are weights, ``input_shape`` names sizes
    that the file leaves free.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds what cannot be represented exactly.
    """
    model = load(path)
    with translate_errors(path, "ONNX file"), np.errstate(all="ignore"):
        graph = Graph(model, path.parent, constants or {}, input_shape=input_shape)
        file = graph.file(path.stem)
        graph.check(file)
        return file


class Graph:
    """An ONNX graph while it is read.

    Parameters
    ----------
    model : ModelProto
    folder : Path, optional
        Where tensors outside the file may lie.
    constants : mapping of str to array
        Values for graph inputs.
    images : tuple of int, optional
        How the graph's input lays out images, `FIRST` or `LAST`, where that is known;
        else it is told by what reads it.
    input_shape : tuple of int, or of shapes, optional
        One example's shape, ours, where the file leaves sizes free; of several inputs
        a shape for each.
    of_one : bool, optional
        Whether inputs are one example, without a batch axis; they are where one has a
        single axis, and all have fixed sizes.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        folder: Path | None,
        constants: Mapping[str, npt.ArrayLike],
        *,
        images: tuple[int, ...] | None = None,
        input_shape: Shapes | None = None,
        of_one: bool | None = None,
    ) -> None:
        self.images, self.input_shape = images, input_shape
        self.of_one = of_one
        self.model = widen(model)
        self.graph, self.folder = self.model.graph, folder
        self.opset = opset_of(model)
        self.builder = NetworkBuilder(FIRST)
        #: inputs that the file takes as integers, and those integers
        self.quantized: dict[str, Quantization] = {}
        self.whole: dict[str, Tensor] = {}
        self.initializers = {t.name: t for t in self.graph.initializer}
        self.output_names = self._output_names()
        self.wanted = self._wanted()
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.wanted:
            for name in (*node.input, *chain(*map(_captured, _branches(node)))):
                self.readers[name].append(node)
        self.given = {k: np.asarray(v) for k, v in constants.items()}
        unknown = set(constants) - {entry.name for entry in self.graph.input}
        if unknown:
            raise ExchangeError(
                "import: constants must name inputs of the graph; "
                f"got {sorted(unknown)[0]!r}."
            )

    def file(self, name: str) -> ModelFile:
        """Read the graph and return the model in it."""
        self.entries, dtype = self._enter()
        graph = self._translate()
        run_passes(graph)
        values: dict[str, Any] = {**self.entries, **self.whole, **graph.constants}
        emit(graph, self.builder, values, self._read)
        #: what the file calls an output → how it lays out what the network gives
        self.outputs: dict[str, Any] = {}
        ends = []
        for output, end in zip(self.output_names, graph.outputs, strict=True):
            found = self.outputs[output] = self.builder.outermost(values.get(end))
            if isinstance(found, Squares):
                raise ExchangeError(
                    "import: the output must be what a layer gives; "
                    f"got '{output}', a part of one alone."
                )
            ends.append(unwrap_output(found, f"'{output}', which does not"))
        named = self.graph.name if self.graph.name else name
        entries = list(self.entries.values())
        network, weights = self.builder.finish(ends, name=named, inputs=entries)
        return self._card(dtype).file(network, weights)

    @property
    def ports(self) -> probe.Ports:
        """Inputs and outputs as the file has them."""
        outputs = list(self.outputs.values())
        return probe.Ports(self.entries, outputs, self.builder.batch, self.quantized)

    def check(self, file: ModelFile) -> None:
        """Probe the network against ONNX's reference, or onnxruntime."""
        names = [name for name in self.readers if name in self.initializers]
        names += [name for name in self.given if name in self.readers]
        reference.check(
            file,
            reference.alone(
                self.model,
                self.wanted,
                {name: self._constant_of(name) for name in names},
                entries=list(self.entries),
                outputs=self.output_names,
            ),
            self.ports,
        )

    def _constant_of(self, name: str) -> Any:
        """Return a constant that the file holds, or that was given."""
        if name in self.given:
            return self.given[name]
        return to_array(self.initializers[name], self.folder)

    def _card(self, dtype: str) -> ModelMetadata:
        properties = {p.key: p.value for p in self.model.metadata_props}
        if CARD in properties:
            return ModelMetadata.from_json(json.loads(properties[CARD]))
        return read_about(properties, dtype=dtype)

    # -- what of the graph is read -------------------------------------------------

    def _output_names(self) -> list[str]:
        """Return the outputs; those of floats where there are others."""
        outputs = list(self.graph.output)
        if len(outputs) > 1:
            outputs = [o for o in outputs if o.type.tensor_type.elem_type in _FLOATS]
        if not outputs:
            names = ", ".join(o.name for o in self.graph.output)
            raise ExchangeError(
                f"import: a graph must have an output of floats; got {names or 'none'}."
            )
        return [str(output.name) for output in outputs]

    def _wanted(self) -> list[onnx.NodeProto]:
        """Return the operators that the outputs need, in the file's order."""
        needed, wanted = set(self.output_names), []
        for node in reversed(self.graph.node):
            if needed.intersection(node.output):
                needed.update(node.input, *map(_captured, _branches(node)))
                wanted.append(node)
        return wanted[::-1]

    # -- running over it -------------------------------------------------------------

    def _enter(self) -> tuple[dict[str, Tensor], str]:
        """Place the Inputs; return them by name, and the type of their numbers."""
        free = [
            entry
            for entry in self.graph.input
            if entry.name not in self.initializers and entry.name not in self.given
        ]
        read = [entry for entry in free if self.readers[entry.name]] or free[:1]
        if not read:
            raise ExchangeError(
                "import: a graph must have an input besides its weights; got none."
                " Bind weights with constants={name: array}."
            )
        names = [str(entry.name) for entry in read]
        self.wanted_shapes = shapes_by_input(names, self.input_shape)
        if self.of_one is None:
            shapes = [[d.dim_value for d in _axes_of(entry)] for entry in read]
            is_fixed = all(n > 0 for shape in shapes for n in shape)
            self.of_one = is_fixed and any(len(shape) == 1 for shape in shapes)
        entries = {str(entry.name): self._enter_one(entry) for entry in read}
        kinds = sorted(
            {_FLOATS.get(entry.type.tensor_type.elem_type, "float32") for entry in read}
        )
        if len(kinds) > 1:
            raise ExchangeError(
                f"import: all inputs must be of one type; got {', '.join(kinds)}."
            )
        return entries, kinds[0]

    def _enter_one(self, entry: onnx.ValueInfoProto) -> Tensor:
        kind = entry.type.tensor_type
        if kind.elem_type in _INTEGERS:
            return self._enter_integers(entry)
        if kind.elem_type not in _FLOATS or not _has_axes(entry):
            named = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
            got = f"one {named}" if not _has_axes(entry) else f"numbers of type {named}"
            raise ExchangeError(
                f"import: input '{entry.name}' must be a batch of floats; got {got}. "
                f"Give its value: --constant {entry.name}=… "
                f"(constants={{'{entry.name}': …}})."
            )
        sizes = [d.dim_value if d.dim_value > 0 else None for d in kind.shape.dim]
        if self.of_one and None not in sizes:
            self.builder.batch, self.float_type = 1, kind.elem_type
            shape = close_sizes(str(entry.name), tuple(sizes), None, is_first=False)
            axes = tuple(range(1, len(shape) + 1))
            return self.builder.input(shape, axes, name=str(entry.name))
        is_turned = self._is_batch_second(entry)
        if is_turned:
            sizes[0], sizes[1] = sizes[1], sizes[0]
        wanted = self.wanted_shapes[str(entry.name)]
        if not sizes and wanted is not None:
            sizes = [None] * (len(wanted) + 1)  # a file without any shape
        if len(sizes) < 2:
            raise ExchangeError(
                f"import: input '{entry.name}' must have a known shape (N, …); "
                f"got {[d.dim_param or d.dim_value for d in kind.shape.dim]}."
            )
        if None not in (self.builder.batch, sizes[0]) and (
            self.builder.batch != sizes[0]
        ):
            raise ExchangeError(
                "import: all inputs must have one batch size; got "
                f"{self.builder.batch} and {sizes[0]} of '{entry.name}'."
            )
        self.builder.batch = self.builder.batch or sizes[0]
        self.float_type = kind.elem_type
        placed = self._place(str(entry.name), tuple(sizes[1:]))
        if not is_turned:
            return placed
        first, second, *rest = placed.axes
        return replace(placed, axes=(second, first, *rest))

    def _is_batch_second(self, entry: onnx.ValueInfoProto) -> bool:
        """Whether an input's second axis is the batch.

        So it is where recurrent operators alone read it, (length, N, channels), and
        where the first is fixed, but the second is free and so is another input's
        first: of the same name, or of none. It is in a state of one example,
        (layers, 1, channels), where other inputs are of one example or free.
        """
        name, dims = str(entry.name), entry.type.tensor_type.shape.dim
        if len(dims) == 3 and self.readers[name]:
            operators = self.readers[name]
            if all(_runs_along(node, name) for node in operators):
                return True
        firsts = [
            other.type.tensor_type.shape.dim[0]
            for other in self.graph.input
            if other.name not in (name, *self.initializers, *self.given)
            and other.type.tensor_type.shape.dim
        ]
        free = {first.dim_param for first in firsts if not first.dim_value}
        if len(dims) == 3 and dims[0].dim_value > 1 == dims[1].dim_value and firsts:
            return all(first.dim_value in (0, 1) for first in firsts)
        is_free = len(dims) > 1 and not dims[1].dim_value and dims[0].dim_value > 0
        is_named = is_free and bool(dims[1].dim_param or dims[0].dim_value > 1)
        return is_named and dims[1].dim_param in free

    def _enter_integers(self, entry: onnx.ValueInfoProto) -> Tensor:
        """Place an Input of real numbers, and the integers that they become."""
        name, dtype = str(entry.name), _INTEGERS[entry.type.tensor_type.elem_type]
        for node in self.readers[name]:
            at = list(node.input).index(name)
            scale, zero = (
                self._constant_of(n) if n in self.initializers else None
                for n in [*node.input[at + 1 : at + 3], "", ""][:2]
            )
            quantizes = node.op_type in QLINEAR or node.op_type == "DequantizeLinear"
            if quantizes and scale is not None and scale.size == 1:
                point = 0 if zero is None else int(zero.reshape(-1)[0])
                own = Quantization(float(scale.reshape(-1)[0]), point, dtype)
                floats = onnx.ValueInfoProto()
                floats.CopyFrom(entry)
                floats.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
                made = self._enter_one(floats)
                ref = OperatorRef("input", name).part("quantized")
                layer = Quantize(own, rounding="even")
                self.whole[name] = self.builder.layer(ref, layer, [made])
                self.quantized[name] = own
                return made
        raise ExchangeError(
            f"import: input '{name}' of {dtype} must be dequantized by one scale; "
            f"got {', '.join(n.op_type for n in self.readers[name]) or 'no reader'}."
        )

    def _place(self, name: str, free: tuple[int | None, ...]) -> Tensor:
        """Make the Input: images are (N, C, H, W) unless they are transposed first."""
        wanted = self.wanted_shapes[name]
        if len(free) != 3:
            is_first = len(free) in (2, 4) and self._meets_channels(name)
            sizes = close_sizes(name, free, wanted, is_first=is_first)
            axes = tuple(range(len(sizes) + 1))
            if is_first:
                sizes, axes = (*sizes[1:], sizes[0]), first_axes(len(axes))
            return self.builder.input(sizes, axes, name=name)
        is_first = self.images == FIRST
        if self.images is None:
            told = fits_first(free, wanted)
            is_first = not self._is_channels_last(name, free) if told is None else told
        sizes = close_sizes(name, free, wanted, is_first=is_first)
        if not is_first:
            return self.builder.input(sizes, LAST, name=name)
        channels, height, width = sizes
        return self.builder.input((height, width, channels), FIRST, name=name)

    def _meets_channels(self, name: str) -> bool:
        """Whether an operator that has its channels first reads an input as it is."""
        queue, seen = [name], {name}
        while queue:
            for node in self.readers[queue.pop()]:
                if node.op_type in _CHANNELS_FIRST:
                    return True
                made = node.output[0]
                if node.op_type in _ELEMENTWISE and made not in seen:
                    seen.add(made)
                    queue.append(made)
        return False

    def _is_channels_last(self, name: str, sizes: tuple[int | None, ...]) -> bool:
        readers = self.readers[name]
        turned = [
            list(a.ints) == list(FIRST)
            for node in readers
            for a in node.attribute
            if node.op_type == "Transpose" and a.name == "perm"
        ]
        if readers and len(turned) == len(readers):
            return all(turned)
        flat = all(node.op_type in ("Flatten", "Reshape") for node in readers)
        is_shown = sizes[2] in (1, 3) and (sizes[0] or 0) > 4
        return bool(readers) and flat and is_shown

    # -- its operators ---------------------------------------------------------------

    def _translate(self) -> ir.Graph:
        """Return the operators that the output needs, in the graph IR."""
        shapes = {name: entry.foreign_shape for name, entry in self.entries.items()}
        batch = self.builder.batch
        graph = ir.Graph(
            outputs=list(self.output_names),
            constants=dict(self.given),
            shapes={
                name: tuple(batch if batch and n == BATCH else n for n in shape)
                for name, shape in shapes.items()
            },
        )
        translator = Translator(
            graph,
            self.initializers,
            opset=self.opset,
            float_type=self.float_type,
            folder=self.folder,
        )
        for node in self.wanted:
            translator.run(node)
        graph.outputs = [translator.value(name) for name in graph.outputs]
        find_quantized(graph, translator.origins)
        return graph

    def _read(self, operator: ir.Operator, inputs: list[Any], context: Context) -> Any:
        """Return what an operator of the file makes of its inputs."""
        op = OperatorView(
            operator, inputs, context, opset=self.opset, float_type=self.float_type
        )
        op.is_integer = operator.kind in (HYBRID, KIND)
        if operator.kind == HYBRID:
            return read_hybrid(op, operator)
        reader = READERS.get(op.operator)
        if reader is None:
            op.refuse("be an operator that a layer expresses exactly", op.operator)
        return read_quantized(op, operator, reader) if op.is_integer else reader(op)


def _axes_of(entry: onnx.ValueInfoProto) -> Any:
    """Return the axes of an input."""
    return entry.type.tensor_type.shape.dim


def _has_axes(entry: onnx.ValueInfoProto) -> bool:
    """Whether an input is no single number."""
    kind = entry.type.tensor_type
    return not kind.HasField("shape") or len(kind.shape.dim) > 0


def _runs_along(node: onnx.NodeProto, name: str) -> bool:
    """Whether an operator runs along a value whose first axis are the steps."""
    is_recurrent = node.op_type in RECURRENT and node.input[0] == name
    return is_recurrent and not read_attributes(node).get("layout")


def _branches(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Return the graphs that an operator holds."""
    return [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]


def _captured(graph: onnx.GraphProto) -> set[str]:
    """Return the values of the graph around that a graph reads."""
    made = {name for node in graph.node for name in node.output}
    made |= {tensor.name for tensor in graph.initializer}
    read = {output.name for output in graph.output}
    for node in graph.node:
        read.update(node.input, *map(_captured, _branches(node)))
    return read - made


__all__ = ["BATCH", "Graph", "read"]
