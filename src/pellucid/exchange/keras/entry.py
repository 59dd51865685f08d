"""One layer of a Keras model: its configuration, its calls and its arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from pellucid.network.layers import Shape

if TYPE_CHECKING:
    from pellucid.exchange.keras.topology import Topology

Array = npt.NDArray[Any]


class Source(NamedTuple):
    """One output of one call of a layer."""

    layer: str
    call: int = 0
    output: int = 0


Call = tuple[Source | float, ...]  # what a layer is called on


@dataclass(slots=True, kw_only=True)
class Entry:
    """A layer as Keras keeps it.

    ``shapes`` are those of the calls' outputs without the batch (known where a layer
    is written). ``inner`` are the layers of a model inside the model. ``filled`` are
    arrays that the file leaves out, by role: the same ones at every call. ``place`` is
    where in the layer's group the arrays lie, which cells have.
    """

    kind: str
    name: str
    config: dict[str, Any]
    calls: list[Call] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)
    module: str = "keras.layers"
    dtype: str = "float32"
    inner: Topology | None = None
    filled: dict[str, Array] = field(default_factory=dict)
    place: str = ""

    @property
    def is_operation(self) -> bool:
        """Whether it is an operation, which Keras does not count among its layers."""
        return ".ops." in self.module


def sources_of(call: Call) -> list[Source]:
    """Return the values that a call reads; an operation's numbers are none."""
    return [value for value in call if isinstance(value, Source)]


def snake_case(kind: str) -> str:
    """Return Keras's name of a class inside its weights file."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def sort_in_keras_order(
    entries: Sequence[Entry], outputs: Iterable[Source]
) -> list[Entry]:
    """Return layers in the order in which Keras walks over a functional model.

    By longest path to an output, the longest first; of equals in the order in which
    a walk from the outputs meets them. The names in a weights file count along it.
    """
    by_name = {entry.name: entry for entry in entries}
    met: dict[str, int] = {}
    calls = _sort_calls(by_name, outputs, met)
    depths: dict[tuple[str, int], int] = {}
    layers: dict[str, int] = {}
    for name, call in reversed(calls):
        depth = max(depths.get((name, call), 0), layers.get(name, 0))
        depths[name, call] = layers[name] = depth
        for source in _reads(by_name[name], call):
            before = source.layer, source.call
            depths[before] = max(depths.get(before, 0), depth + 1)
    return sorted(entries, key=lambda entry: (-layers[entry.name], met[entry.name]))


def _sort_calls(
    by_name: dict[str, Entry], outputs: Iterable[Source], met: dict[str, int]
) -> list[tuple[str, int]]:
    """Return calls of layers, each behind those that it reads; fill ``met``."""
    order: list[tuple[str, int]] = []
    seen: set[tuple[str, int]] = set()
    for output in outputs:
        stack = [((output.layer, output.call), False)]
        while stack:
            node, is_done = stack.pop()
            if is_done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                met.setdefault(node[0], len(met))
                stack.append((node, True))
                reads = _reads(by_name[node[0]], node[1])
                stack += [((s.layer, s.call), False) for s in reversed(reads)]
    return order


def _reads(entry: Entry, call: int) -> list[Source]:
    return sources_of(entry.calls[call]) if entry.calls else []


def group_names(entries: Iterable[Entry]) -> list[str]:
    """Return each layer's group in a weights file: conv2d, conv2d_1, …"""
    counts: dict[str, int] = {}
    names = []
    for entry in entries:
        stem = snake_case(entry.kind)
        count = counts.get(stem, 0)
        counts[stem] = count + 1
        names.append(f"{stem}_{count}" if count else stem)
    return names
