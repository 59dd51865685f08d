"""Read an exported PyTorch graph as a network."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange.errors import OperatorRef, translate_errors
from pellucid.exchange.graph.local_response_norm_pattern import Squares
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import BATCH, FIRST, Tensor, unwrap_output
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.probe import Layout
from pellucid.exchange.pt2.archive import Archive, load_archive
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.exchange.pt2.operators import READERS
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
        self.readers: dict[str, set[str]] = defaultdict(set)
        self.counts: Counter[str] = Counter()
        self.layout: Layout | None = None  # of the output
        for node in self.graph["nodes"]:
            for name in _names(node["inputs"]):
                self.readers[name].add(_operator(node["target"]))
                self.counts[name] += 1

    def file(self, name: str) -> ModelFile:
        """Read the graph and return the model in it."""
        dtype = self._enter()
        for node in self.graph["nodes"]:
            self._run(node)
        outputs = self.graph["outputs"]
        if len(outputs) != 1 or "as_tensor" not in outputs[0]:
            raise ExchangeError(
                f"import: a graph must have one output; got {len(outputs)}."
            )
        output = self.builder.outermost(self.values[outputs[0]["as_tensor"]["name"]])
        if isinstance(output, Squares):
            raise ExchangeError(
                "import: the output must be what a layer gives; got the square of "
                f"'{output.x.node}' alone."
            )
        tensor = unwrap_output(output, "a constant")
        self.layout = output.to_foreign
        network, weights = self.builder.finish(tensor, name=name)
        card = self.archive.card
        known = (
            ModelMetadata(dtype=dtype)
            if card is None
            else ModelMetadata.from_json(json.loads(card))
        )
        return known.file(network, weights)

    def _enter(self) -> str:
        """Bind weights to their names in the graph, and place the Input."""
        entries: list[str] = []
        for spec in self.archive.signature["input_specs"]:
            ((kind, entry),) = spec.items()
            if kind == "user_input":
                entries.append(entry["arg"]["as_tensor"]["name"])
                continue
            keys = ("parameter_name", "buffer_name", "tensor_constant_name")
            key = next(entry[k] for k in keys if k in entry)
            if key in self.archive.arrays:
                self.values[entry["arg"]["name"]] = self.archive.arrays[key]
        if len(entries) != 1:
            raise ExchangeError(
                f"import: a graph must have one input; got {', '.join(entries)}."
            )
        meta = self.graph["tensor_values"][entries[0]]
        if meta["dtype"] not in _FLOATS:
            raise ExchangeError(
                f"import: input '{entries[0]}' must be float; got {meta['dtype']}."
            )
        sizes = tuple(int(n["as_int"]) for n in meta["sizes"][1:])
        self.builder.batch = meta["sizes"][0].get("as_int")
        axes = FIRST if len(sizes) == 3 else tuple(range(len(sizes) + 1))
        shape = (*sizes[1:], sizes[0]) if len(sizes) == 3 else sizes
        self.entry = self.builder.input(shape, axes, name="input")
        self.values[entries[0]] = self.entry
        self.float_type = meta["dtype"]
        return _FLOATS[meta["dtype"]]

    def _run(self, node: dict[str, Any]) -> None:
        operator = _operator(node["target"])
        if not node["outputs"] and operator.startswith("_assert"):
            return
        ((kind, output),) = node["outputs"][0].items()
        parts = [part["name"] for part in output] if kind == "as_tensors" else []
        name = parts[0] if parts else output.get("as_name") or output["name"]
        arguments = {a["name"]: self._value(a["arg"]) for a in node["inputs"]}
        shown = {
            k: v
            for k, v in arguments.items()
            if isinstance(v, int | float | str | list)
        }
        ref = OperatorRef(f"aten.{operator}", str(name), shown)
        if operator not in READERS or not node["target"].startswith("torch.ops.aten."):
            ref.refuse("be an operator that a layer expresses exactly", operator)
        result = READERS[operator](
            OperatorView(
                target=node["target"],
                ref=ref,
                arguments=arguments,
                builder=self.builder,
                readers=self.readers[name],
                is_sole_reader=all(
                    self.counts[read] == 1
                    for read in _names(node["inputs"])
                    if isinstance(self.values.get(read), Tensor)
                ),
                float_type=self.float_type,
            )
        )
        if parts:
            self.values.update(zip(parts, result, strict=True))
        else:
            self.values[name] = result

    def _value(self, argument: dict[str, Any]) -> Any:
        """Return an argument: a value, a number, a text, or a list of them."""
        ((kind, value),) = argument.items()
        if kind == "as_none":
            return None
        if kind in ("as_tensor", "as_sym_int") and "name" in value:
            return self.values.get(value["name"], BATCH)
        if kind == "as_sym_int":
            return self._size(value)
        if kind == "as_sym_ints":
            return [self._size(item) for item in value]
        if kind == "as_tensors":
            return [self.values[item["name"]] for item in value]
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


def _operator(target: str) -> str:
    """torch.ops.aten.conv2d.default → conv2d."""
    parts = target.split(".")
    return parts[3] if len(parts) > 3 else target


def _names(inputs: list[dict[str, Any]]) -> list[str]:
    """Return the tensors that an operator reads."""
    found = []
    for entry in inputs:
        argument = entry["arg"]
        if "as_tensor" in argument:
            found.append(argument["as_tensor"]["name"])
        found.extend(item["name"] for item in argument.get("as_tensors", ()))
    return found
