"""Read an exported PyTorch graph as a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange import probe
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.graph import ir
from pellucid.exchange.graph.emit import Context, emit
from pellucid.exchange.graph.local_response_norm_pattern import Squares
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.passes.run import run_passes
from pellucid.exchange.graph.tensor import (
    BATCH,
    FIRST,
    Tensor,
    first_axes,
    unwrap_output,
)
from pellucid.exchange.metadata import ModelMetadata, read_inputs
from pellucid.exchange.pt2.archive import Archive, load_archive
from pellucid.exchange.pt2.folding import fold
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.exchange.pt2.operators import READERS
from pellucid.exchange.pt2.translate import (
    meets_channels,
    operator_name,
    shapes_of,
    translate,
)
from pellucid.runs import ModelFile

_FLOATS = {7: "float32", 8: "float64"}


def read(path: Path) -> ModelFile:
    """Read an archive; no pickle is opened and PyTorch is not needed.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds what cannot be represented exactly.
    """
    with translate_errors(path, ".pt2 file"):
        return Graph(load_archive(path)).file(path.stem)


class Graph:
    """An exported graph while it is read."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.graph = archive, archive.graph
        self.builder = NetworkBuilder(FIRST)
        self.values: dict[str, Any] = {}
        self.entries: dict[str, Tensor] = {}
        self.outputs: list[Any] = []

    @property
    def ports(self) -> probe.Ports:
        """Inputs and outputs as the file has them."""
        return probe.Ports(self.entries, self.outputs, self.builder.batch)

    def file(self, name: str) -> ModelFile:
        """Read the graph and return the model in it."""
        self.read_outputs()
        ends = [unwrap_output(output, "a constant") for output in self.outputs]
        entries = list(self.entries.values())
        network, weights = self.builder.finish(ends, name=name, inputs=entries)
        known = (
            ModelMetadata(dtype=_FLOATS[self.float_type])
            if self.card is None
            else ModelMetadata.from_json(self.card)
        )
        return known.file(network, weights)

    def read_outputs(self) -> None:
        """Read the graph: `outputs` are then held by nodes that lie as there."""
        self._enter()
        outputs = self.graph["outputs"]
        others = [kind for output in outputs for kind in output if kind != "as_tensor"]
        if others or not outputs:
            got = ", ".join(sorted(set(others))) or "none"
            raise ExchangeError(f"import: outputs must be tensors; got {got}.")
        values = self._build([output["as_tensor"]["name"] for output in outputs])
        self.outputs = [self.builder.outermost(value) for value in values]
        for output in self.outputs:
            if isinstance(output, Squares):
                raise ExchangeError(
                    "import: the output must be what a layer gives; got the square of "
                    f"'{output.x.node}' alone."
                )

    def _enter(self) -> None:
        """Bind weights to their names in the graph, and place the Input."""
        entries: list[str] = []
        card = self.archive.card
        self.card = None if card is None else json.loads(card)
        for spec in self.archive.signature["input_specs"]:
            ((kind, entry),) = spec.items()
            if kind == "user_input":
                entries.append(entry["arg"]["as_tensor"]["name"])
                continue
            keys = ("parameter_name", "buffer_name", "tensor_constant_name")
            key = next(entry[k] for k in keys if k in entry)
            if key in self.archive.arrays:
                array = self.values[entry["arg"]["name"]] = self.archive.arrays[key]
                if kind == "parameter" and key not in self.archive.frozen:
                    self.builder.learned.add(array)
        if not entries:
            raise ExchangeError("import: a graph must have an input; got none.")
        metas = [self.graph["tensor_values"][entry] for entry in entries]
        for entry, meta in zip(entries, metas, strict=True):
            if not meta["sizes"]:
                raise ExchangeError(
                    f"import: input '{entry}' must have a batch axis; got a single "
                    "number. Export the module with it as a constant."
                )
        kinds, batches = (
            {meta["dtype"] for meta in metas},
            {meta["sizes"][0].get("as_int") for meta in metas},
        )
        if len(kinds) > 1 or len(batches) > 1:
            raise ExchangeError(
                "import: all inputs must be of one type and batch size; got types "
                f"{kinds}, batches {batches}."
            )
        (self.float_type,), (self.builder.batch,) = kinds, batches
        if self.float_type not in _FLOATS:
            raise ExchangeError(
                f"import: input '{entries[0]}' must be float; got {self.float_type}."
            )
        names = ("input",) if len(entries) == 1 else read_inputs(self.card, entries)
        for entry, meta, name in zip(entries, metas, names, strict=True):
            sizes = tuple(int(n["as_int"]) for n in meta["sizes"][1:])
            is_first = len(sizes) == 3 or (
                len(sizes) in (2, 4) and meets_channels(self.graph["nodes"], entry)
            )
            rank = len(sizes) + 1
            axes = first_axes(rank) if is_first else tuple(range(rank))
            shape = (*sizes[1:], sizes[0]) if is_first else sizes
            self.entries[entry] = self.builder.input(shape, axes, name=name)
        self.values.update(self.entries)

    def _build(self, outputs: list[str]) -> list[Any]:
        """Add the layers that outputs need, and return these."""
        sizes: dict[str, int] = {}
        graph = translate(
            self.graph["nodes"],
            shapes_of(self.graph["tensor_values"]),
            {k: v for k, v in self.values.items() if isinstance(v, np.ndarray)},
            outputs,
            sizes,
        )
        self.values.update(sizes)
        run_passes(graph)
        emit(graph, self.builder, self.values, self._read)
        return [graph.constants.get(end, self.values.get(end)) for end in graph.outputs]

    def _read(self, operator: ir.Operator, inputs: list[Any], context: Context) -> Any:
        """Return what an operator of the file makes of its inputs."""
        node, name = operator.foreign, operator_name(operator.foreign["target"])
        is_aten = node["target"].startswith("torch.ops.aten.")
        tensors = iter(inputs)
        try:
            arguments = {
                a["name"]: self._value(a["arg"], tensors) for a in node["inputs"]
            }
        except StopIteration:  # a pass has taken what it reads
            operator.ref.refuse("be an operator that a layer expresses exactly", name)
        constant = fold(name, arguments) if is_aten else None
        if constant is not None:
            return constant
        if name not in READERS or not is_aten:
            operator.ref.refuse("be an operator that a layer expresses exactly", name)
        return READERS[name](
            OperatorView(
                target=node["target"],
                ref=operator.ref,
                arguments=arguments,
                builder=self.builder,
                readers={n.removeprefix("aten.") for n in context.readers},
                is_sole_reader=context.is_sole_reader,
                outputs=tuple(n in context.read_outputs for n in operator.outputs),
                float_type=self.float_type,
            )
        )

    def _value(self, argument: dict[str, Any], tensors: Iterator[Any]) -> Any:
        """Return an argument: a value, a number, a text, or a list of them.

        ``tensors`` gives the values that the operator reads, in order.
        """
        ((kind, value),) = argument.items()
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return next(tensors)
        if kind == "as_sym_int" and "name" in value:
            return self.values.get(value["name"], BATCH)
        if kind == "as_sym_int":
            return self._size(value)
        if kind == "as_sym_ints":
            return [self._size(item) for item in value]
        if kind == "as_optional_tensors":
            return [next(tensors) if "as_tensor" in item else None for item in value]
        if kind == "as_tensors":
            return [next(tensors) for _ in value]
        return value

    def _size(self, item: dict[str, Any]) -> int:
        if "as_int" in item:
            return int(item["as_int"])
        size = self.values.get(item["as_name"])
        if not isinstance(size, int):
            raise ExchangeError(
                f"import: sizes must be known or the batch's; got {item['as_name']!r}."
            )
        return size
