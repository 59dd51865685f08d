"""Read a .tflite file as a network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange import probe, runtime
from pellucid.exchange.disk import read_bytes
from pellucid.exchange.errors import OperatorRef, translate_errors
from pellucid.exchange.graph import ir
from pellucid.exchange.graph.emit import Context, emit
from pellucid.exchange.graph.input_sizes import (
    Shapes,
    close_sizes,
    shapes_by_input,
)
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.passes.run import run_passes
from pellucid.exchange.graph.tensor import FIRST, LAST, Tensor, unwrap_output
from pellucid.exchange.litert.container import from_bytes
from pellucid.exchange.litert.graph import Graph, Operator, Value
from pellucid.exchange.litert.integers import quantization_of, read_integer
from pellucid.exchange.litert.operator_view import OperatorView
from pellucid.exchange.litert.operators import READERS, SPLITS, add_fused_activation
from pellucid.exchange.litert.translate import (
    is_integer_operator,
    ref_of,
    translate,
)
from pellucid.exchange.metadata import ModelMetadata
from pellucid.network.layers import Dequantize, Quantize, Shape
from pellucid.network.quantization import RANGES
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_REUSE_LIMIT = 4  # times that the weights may have the size of the file


def read(path: Path, *, input_shape: Shapes | None = None) -> ModelFile:
    """Read a file; TensorFlow and LiteRT are not needed.

    ``input_shape`` names sizes that the file leaves free.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds what cannot be represented exactly.
    """
    content = read_bytes(path)
    with translate_errors(path, ".tflite file"):
        graph = from_bytes(content, path)
        reading = _Reading(graph, len(content), input_shape)
        file = reading.file()
        reading.check(file, content)
        return file


def read_graph(graph: Graph, *, input_shape: Shapes | None = None) -> ModelFile:
    """Return the model of a graph in LiteRT's operators that came from elsewhere.

    Raises
    ------
    ExchangeError
        If it holds what cannot be represented exactly.
    """
    arrays = (value.array for value in graph.values if value.array is not None)
    return _Reading(graph, sum(a.nbytes for a in arrays), input_shape).file()


class _Reading:
    """A graph while it is read."""

    def __init__(
        self, graph: Graph, size: int, input_shape: Shapes | None = None
    ) -> None:
        self.input_shape = input_shape
        self.graph, self.left = graph, size * _REUSE_LIMIT
        self.builder = NetworkBuilder(LAST)
        self.quantized: dict[int, Tensor] = {}

    def file(self) -> ModelFile:
        """Read the graph and return the model in it."""
        numbers = self.graph.all_inputs
        names = [self.graph.values[number].name for number in numbers]
        self.wanted = shapes_by_input(names, self.input_shape)
        self.entries = {str(number): self._enter(number) for number in numbers}
        graph = translate(self.graph, batch=self.builder.batch)
        run_passes(graph)
        values: dict[str, Any] = {
            **self.entries,
            **{str(number): tensor for number, tensor in self.quantized.items()},
            **graph.constants,
        }
        emit(graph, self.builder, values, self._read)
        made = [self._dequantize(int(end), values[end]) for end in graph.outputs]
        self.outputs = [self.builder.outermost(end) for end in made]
        ends = [unwrap_output(output, "a constant") for output in self.outputs]
        network, weights = self.builder.finish(
            ends, name=self.graph.name, inputs=list(self.entries.values())
        )
        card = self.graph.card
        known = self.graph.about or ModelMetadata()
        known = ModelMetadata.from_json(json.loads(card)) if card else known
        return known.file(network, weights)

    def check(self, file: ModelFile, content: bytes) -> None:
        """Probe the network against LiteRT's interpreter, where it is installed."""
        if not probe.is_small(file) or not runtime.is_installed("tflite"):
            return
        ports = probe.Ports(self.entries, self.outputs, self.builder.batch or 1)
        is_integer = any(value.is_quantized for value in self.graph.values)
        kernels = "tflite_reference" if is_integer else "tflite"
        x = {
            name: self._draw(int(name), (ports.batch or 1, *entry.foreign_shape[1:]))
            for name, entry in self.entries.items()
        }
        own = len(x) - self.graph.states  # the others the file has from its last call
        for name in list(x)[own:]:
            x[name][:] = 0
        found = runtime.run_several(kernels, content, list(x.values())[:own])
        if found:
            known = replace(ports, outputs=self.outputs[: len(found)])
            known.check(file, x, found, reference="LiteRT")

    def _draw(self, number: int, shape: Shape) -> Array:
        """Return a probe's input: of a quantized one all of its integers."""
        value = self.graph.values[number]
        if not value.is_quantized or value.scales is None:
            return probe.draw(shape)
        low, high = RANGES[value.dtype]
        q = np.random.default_rng(20).integers(low, high + 1, shape)
        steps: Array = (q - value.scales.zero_point).astype(np.float32)
        return steps * np.float32(value.scales.one)

    def _enter(self, number: int) -> Tensor:
        """Place an Input; one that is transposed at once is (N, C, H, W)."""
        value = self.graph.values[number]
        ref = OperatorRef("input", value.name)
        if not value.is_quantized:
            _check(ref, value)
        if len(value.shape) < 2:
            raise ExchangeError(
                f"import: input '{value.name}' must have a batch axis before its own, "
                f"as (N, LENGTH); got shape {value.shape}."
            )
        batch = None if value.is_any_batch else value.shape[0]
        known = self.builder.batch if number != self.graph.input else batch
        if known != batch:
            raise ExchangeError(
                "import: all inputs must have one batch size; got "
                f"{known or 'any'} and {batch or 'any'}."
            )
        self.builder.batch = batch
        free: list[int | None] = list(value.shape)
        for axis in value.free_axes:
            free[axis] = None
        is_first = len(free) == 4 and self._is_channels_first(number)
        name = value.name.split(":")[0]
        shape = close_sizes(name, free[1:], self.wanted[value.name], is_first=is_first)
        axes = tuple(range(len(free)))
        if is_first:
            shape, axes = (*shape[1:], shape[0]), FIRST
        entry = self.builder.input(shape, axes, name=name)
        if value.is_quantized:
            layer = Quantize(quantization_of(ref, value))
            self.quantized[number] = self.builder.layer(
                ref.part("quantized"), layer, [entry]
            )
        return entry

    def _dequantize(self, number: int, made: Any) -> Any:
        """Return an output as real numbers."""
        value = self.graph.values[number]
        if not value.is_quantized or not isinstance(made, Tensor):
            return made
        ref = OperatorRef("output", value.name.split(";")[0])
        layer = Dequantize(quantization_of(ref, value))
        return self.builder.layer(ref.part("real"), layer, [made])

    def _is_channels_first(self, number: int) -> bool:
        if self.graph.card:  # written by us, with images as they are here
            return False
        readers = [op for op in self.graph.operators if number in op.inputs]
        if len(readers) != 1 or readers[0].kind != "TRANSPOSE":
            return False
        permutation = self.graph.values[readers[0].inputs[-1]].array
        return permutation is not None and permutation.ravel().tolist() == [0, 2, 3, 1]

    def _read(self, operator: ir.Operator, inputs: list[Any], context: Context) -> Any:
        """Return what an operator of the file makes of its inputs."""
        foreign: Operator = operator.foreign.operator
        ref = ref_of(self.graph, foreign)
        op = OperatorView(
            ref=ref,
            operator=foreign,
            values=inputs,
            builder=self.builder,
            graph=self.graph,
            is_sole_reader=context.is_sole_reader,
            is_integer=is_integer_operator(self.graph, foreign),
            options=dict(ref.attributes),
        )
        if operator.foreign.is_activation:
            return add_fused_activation(op, inputs[0])
        is_single = len(foreign.outputs) == 1 or foreign.kind in SPLITS
        is_known = foreign.kind in READERS or op.is_integer
        if not is_known or not is_single:
            op.refuse("be an operator that a layer expresses exactly", foreign.kind)
        for i in (*foreign.inputs, *foreign.outputs):
            if i >= 0:
                self._count(self.graph.values[i])
                if op.is_integer:
                    continue
                if i in foreign.outputs or self.graph.values[i].array is not None:
                    _check(ref, self.graph.values[i])
        if op.is_integer:
            return read_integer(op, READERS.get(foreign.kind))
        return READERS[foreign.kind](op)

    def _count(self, value: Value) -> None:
        """Refuse weights that are read so often that they outgrow the file."""
        self.left -= 0 if value.array is None else value.array.nbytes
        if self.left < 0:
            raise ExchangeError(
                "import: weights must not be many times the file's size; got "
                f"'{value.name}' again."
            )


def _check(ref: OperatorRef, value: Value) -> None:
    """Refuse what is not float32, a condition, or a shape of whole numbers."""
    if value.dtype not in ("float32", "int32", "int64", "bool"):
        ref.refuse("compute in float32", value.dtype)
