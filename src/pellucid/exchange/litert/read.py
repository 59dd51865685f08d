"""Read a float32 .tflite file as a network."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange import probe, runtime
from pellucid.exchange.disk import read_bytes
from pellucid.exchange.errors import OperatorRef, translate_errors
from pellucid.exchange.graph.input_sizes import close_sizes
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import FIRST, LAST, Tensor, unwrap_output
from pellucid.exchange.litert.container import from_bytes
from pellucid.exchange.litert.graph import Graph, Operator, Value
from pellucid.exchange.litert.layer_norm_pattern import layer_norms
from pellucid.exchange.litert.operator_view import OperatorView
from pellucid.exchange.litert.operators import READERS, add_fused_activation
from pellucid.exchange.metadata import ModelMetadata
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile

_REUSE_LIMIT = 4  # times that the weights may have the size of the file


def read(path: Path, *, input_shape: Shape | None = None) -> ModelFile:
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


class _Reading:
    """A graph while it is read."""

    def __init__(
        self, graph: Graph, size: int, input_shape: Shape | None = None
    ) -> None:
        self.input_shape = input_shape
        self.graph, self.left = graph, size * _REUSE_LIMIT
        self.builder = NetworkBuilder(LAST)
        self.values: dict[int, Any] = {
            i: value.array
            for i, value in enumerate(graph.values)
            if value.array is not None
        }
        self.readers = Counter(i for op in graph.operators for i in op.inputs)
        self.readers[graph.output] += 1
        self.norms = layer_norms(graph)

    def file(self) -> ModelFile:
        """Read the graph and return the model in it."""
        self.entry = self._enter(self.graph.values[self.graph.input])
        for operator in self.graph.operators:
            self._run(operator)
        self.output = self.values[self.graph.output]
        output = unwrap_output(self.output, "a constant")
        network, weights = self.builder.finish(output, name=self.graph.name)
        card = self.graph.card
        known = ModelMetadata.from_json(json.loads(card)) if card else ModelMetadata()
        return known.file(network, weights)

    def check(self, file: ModelFile, content: bytes) -> None:
        """Probe the network against LiteRT's interpreter, where it is installed."""
        if not probe.is_small(file) or not runtime.is_installed("tflite"):
            return
        batch = self.builder.batch or 1
        x = probe.draw((batch, *self.entry.foreign_shape[1:]))
        y = runtime.run("tflite", content, x)
        if y is not None:
            probe.check(
                file,
                self.entry.from_foreign(x),
                y,
                reference="LiteRT",
                layout=self.output.to_foreign,
            )

    def _enter(self, value: Value) -> Tensor:
        """Place the Input; one that is transposed at once is (N, C, H, W)."""
        _check(OperatorRef("input", value.name), value)
        self.builder.batch = None if value.is_any_batch else value.shape[0]
        free: list[int | None] = list(value.shape)
        for axis in value.free_axes:
            free[axis] = None
        is_first = len(free) == 4 and self._is_channels_first()
        name = value.name.split(":")[0]
        shape = close_sizes(name, free[1:], self.input_shape, is_first=is_first)
        axes = tuple(range(len(free)))
        if is_first:
            shape, axes = (*shape[1:], shape[0]), FIRST
        entry = self.builder.input(shape, axes, name=name)
        self.values[self.graph.input] = entry
        return entry

    def _is_channels_first(self) -> bool:
        readers = [op for op in self.graph.operators if self.graph.input in op.inputs]
        if len(readers) != 1 or readers[0].kind != "TRANSPOSE":
            return False
        permutation = self.values.get(readers[0].inputs[-1])
        return permutation is not None and permutation.ravel().tolist() == [0, 2, 3, 1]

    def _run(self, operator: Operator) -> None:
        name = self.graph.values[operator.outputs[0]].name
        shown = {k: v for k, v in operator.options.items() if v is not None}
        ref = OperatorRef(operator.kind, name.split(";")[0], shown)
        if operator.outputs[0] in self.norms:
            self._normalize(operator, ref)
            return
        if any(operator.outputs[0] in norm.inner for norm in self.norms.values()):
            return  # a part of a layer norm, which is read where it ends
        if operator.kind not in READERS or len(operator.outputs) != 1:
            ref.refuse("be an operator that a layer expresses exactly", operator.kind)
        for i in (*operator.inputs, *operator.outputs):
            if i >= 0:
                self._count(self.graph.values[i])
                if i not in self.values or i in operator.outputs:
                    _check(ref, self.graph.values[i])
        op = OperatorView(
            ref=ref,
            operator=operator,
            values=[self.values[i] if i >= 0 else None for i in operator.inputs],
            builder=self.builder,
            is_sole_reader=all(
                self.readers[i] == 1
                for i in operator.inputs
                if isinstance(self.values.get(i), Tensor)
            ),
            options=shown,
        )
        self.values[operator.outputs[0]] = add_fused_activation(
            op, READERS[operator.kind](op)
        )

    def _normalize(self, operator: Operator, ref: OperatorRef) -> None:
        norm = self.norms[operator.outputs[0]]
        x = self.values[norm.input]
        self.values[operator.outputs[0]] = self.builder.normalization(
            ref, x, norm.layer, norm.weights
        )

    def _count(self, value: Value) -> None:
        """Refuse weights that are read so often that they outgrow the file."""
        self.left -= 0 if value.array is None else value.array.nbytes
        if self.left < 0:
            raise ExchangeError(
                "import: weights must not be many times the file's size; got "
                f"'{value.name}' again."
            )


def _check(ref: OperatorRef, value: Value) -> None:
    """Refuse what is not float32; shapes are whole numbers, which may be computed."""
    if value.dtype not in ("float32", "int32", "int64"):
        ref.refuse("compute in float32", value.dtype)
