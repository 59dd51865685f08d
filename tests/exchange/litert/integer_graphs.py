"""LiteRT graphs of one integer operator, and what its interpreter makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.litert.container import to_bytes
from pellucid.exchange.litert.graph import Graph, Operator, Scales, Value

Array = Any


def scales(scale: Any, zero_point: int = 0, axis: int = 0) -> Scales:
    return Scales(np.atleast_1d(np.asarray(scale, np.float32)), zero_point, axis)


class OneOperator:
    """A graph of one operator; inputs without an array are the network's."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.graph = Graph(name="one")
        self.kind, self.options = kind, options
        self.numbers: list[int] = []
        self.entries: list[int] = []

    def input(
        self, *shape: int, dtype: str = "int8", scale: float = 0.1, zero: int = 0
    ) -> OneOperator:
        value = Value(
            name=f"x{len(self.numbers)}",
            shape=(1, *shape),
            dtype=dtype,
            scales=None if dtype == "float32" else scales(scale, zero),
        )
        self.numbers.append(self.graph.add(value))
        self.entries.append(self.numbers[-1])
        return self

    def constant(self, array: Array, given: Scales | None = None) -> OneOperator:
        number = self.graph.constant(f"c{len(self.numbers)}", np.asarray(array))
        self.graph.values[number].scales = given
        self.numbers.append(number)
        return self

    def output(
        self, *shape: int, dtype: str = "int8", scale: float = 0.1, zero: int = 0
    ) -> Graph:
        graph = self.graph
        value = Value(
            name="y",
            shape=(1, *shape),
            dtype=dtype,
            scales=None if dtype == "float32" else scales(scale, zero),
        )
        graph.output = graph.add(value)
        graph.input, *more = self.entries
        graph.more_inputs = tuple(more)
        graph.operators.append(
            Operator(
                kind=self.kind,
                inputs=tuple(self.numbers),
                outputs=(graph.output,),
                options=self.options,
            )
        )
        return graph


def random_integers(graph: Graph, count: int, seed: int = 0) -> list[Array]:
    """Return integers for each input, all values of the type among them."""
    random = np.random.default_rng(seed)
    found = []
    for number in graph.all_inputs:
        value = graph.values[number]
        info = np.iinfo(value.dtype)
        shape = (count, *value.shape[1:])
        found.append(random.integers(info.min, info.max + 1, shape, dtype=value.dtype))
    return found


def real(array: Array, given: Scales | None) -> Array:
    """Return what integers stand for."""
    if given is None:
        return array
    centred = array.astype(np.float32) - np.float32(given.zero_point)
    return centred * np.float32(given.one)


def in_litert(litert: Any, content: bytes, graph: Graph, inputs: list[Array]) -> Array:
    """Return the output as real numbers, by the reference kernels."""
    runtime = litert.Interpreter(
        model_content=content,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
    )
    runtime.allocate_tensors()
    outputs = []
    for i in range(len(inputs[0])):
        for number, array in zip(graph.all_inputs, inputs, strict=True):
            runtime.set_tensor(number, array[i : i + 1])
        runtime.invoke()
        outputs.append(runtime.get_tensor(graph.output)[0])
    return real(np.stack(outputs), graph.values[graph.output].scales)


def contents(graph: Graph) -> bytes:
    return to_bytes(graph)
