"""Build named nodes from layers that were called."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from pellucid.errors import NetworkError
from pellucid.network.layers import Input, Layer, Value
from pellucid.network.layers.base import BlockCall, SameShape, as_value
from pellucid.network.node import Node, place


def build_nodes(
    entries: Sequence[object], ends: Sequence[Value | Layer]
) -> tuple[tuple[Node, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the nodes between inputs and outputs, in topological order.

    Returns
    -------
    nodes : tuple of Node
    inputs, outputs : tuple of str
        The names of the given ones, in their order.

    Raises
    ------
    NetworkError
        If an output depends on an Input that is not given, or on none of those given,
        or names are not unique.
    """
    for entry in entries:
        if not isinstance(entry, Input):
            raise NetworkError(f"Network: inputs must be an Input; got {entry!r}.")
    exits = [as_value("Network", end) for end in ends]
    # the Inputs come first, in their order, and are named by it
    starts = [as_value("Network", entry) for entry in entries]
    values = list(_upstream([*starts, *exits]))
    _check_entries([entry for entry in entries if isinstance(entry, Input)], exits)
    nodes, names = _Builder(values).build()
    inputs = tuple(names[id(entry)] for entry in entries)
    return nodes, inputs, tuple(names[_key(value)] for value in exits)


def _check_entries(entries: Sequence[Input], exits: Sequence[Value]) -> None:
    given = {id(entry) for entry in entries}
    if len(given) < len(entries):
        raise NetworkError("Network: inputs must be unique; got one twice.")
    found = {id(v.layer): v.layer for v in _upstream(exits) if not v.inputs}
    if not given.intersection(found):
        raise NetworkError("Network: outputs must depend on inputs; got no path.")
    for key, layer in found.items():
        if key not in given and isinstance(layer, Input):
            listed = ", ".join(map(repr, entries))
            raise NetworkError(
                "Network: inputs must list every Input that outputs depend on; got "
                f"{layer!r} besides {listed}."
            )
    for entry in entries:
        if id(entry) not in found:
            raise NetworkError(
                f"Network: outputs must depend on inputs; got no path from {entry!r}."
            )


def _key(value: Value) -> int:
    """Return what tells values apart: an Input stands for its own output."""
    return id(value.layer) if isinstance(value.layer, Input) else id(value)


def _upstream(ends: Sequence[Value]) -> Iterator[Value]:
    """Yield values depth first, each after its inputs, without recursion."""
    done: set[int] = set()
    stack = [(end, False) for end in reversed(ends)]
    while stack:
        value, is_ready = stack.pop()
        key = _key(value)
        if key in done:
            continue
        if is_ready:
            done.add(key)
            yield value
        else:
            stack.append((value, True))
            stack.extend((source, False) for source in reversed(value.inputs))


class _Builder:
    """Names values and makes their nodes; a layer called twice shares its weights."""

    def __init__(self, values: list[Value]) -> None:
        self._values = values
        self._taken: set[str] = set()
        self._owners: dict[int, str] = {}  # layer → its first node
        self._names: dict[int, str] = {}
        self._nodes: list[Node] = []
        self._blocks: dict[BlockCall, str] = {}

    def build(self) -> tuple[tuple[Node, ...], dict[int, str]]:
        """Return the nodes, and the name of each value's last one."""
        self._reserve_given_names()
        for value in self._values:
            self._add(value)
        return tuple(self._nodes), self._names

    def _reserve_given_names(self) -> None:
        named: dict[str, Layer] = {}
        for value in self._values:
            name = value.layer.name
            if name is not None and named.setdefault(name, value.layer) is not (
                value.layer
            ):
                raise NetworkError(
                    f"Network: node names must be unique; got {name!r} twice."
                )
        self._taken.update(named)

    def _add(self, value: Value) -> None:
        layer, owner = value.layer, self._owners.get(id(value.layer))
        inputs = tuple(self._names[_key(source)] for source in value.inputs)
        blocks = self._block_names(value.blocks)
        if layer.name is not None and owner is None:
            name = layer.name
        else:
            stem = value.stem or layer.stem
            inner = f"{blocks[-1]}_{stem}" if blocks else stem
            name = self._free_name(layer.name or inner)
        self._taken.add(name)
        self._owners.setdefault(id(layer), name)
        activation: SameShape | None = getattr(layer, "activation", None)
        plain = layer
        if activation is not None:
            plain = dataclasses.replace(layer, activation=None)  # type: ignore[call-arg]
        shared = owner if _has_weights(layer) else None
        self._nodes.append(place(name, plain, inputs, shared, blocks))
        if activation is not None:
            inputs, name = (name,), f"{name}_{activation.stem}"
            if name in self._taken:
                raise NetworkError(
                    f"Network: node names must be unique; got {name!r} twice."
                )
            self._taken.add(name)
            self._nodes.append(place(name, activation, inputs, blocks=blocks))
        self._names[_key(value)] = name

    def _block_names(self, calls: tuple[BlockCall, ...]) -> tuple[str, ...]:
        """Return the names of calls of blocks; within another one, with its name."""
        names: list[str] = []
        for call in calls:
            if call not in self._blocks:
                stem = f"{names[-1]}_{call.name}" if names else call.name
                name, count = stem, 0
                while name in self._taken or name in self._blocks.values():
                    count += 1
                    name = f"{stem}_{count}"
                self._blocks[call] = name
            names.append(self._blocks[call])
        return tuple(names)

    def _free_name(self, stem: str) -> str:
        name, count = stem, 0
        while name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        return name


def _has_weights(layer: Layer) -> bool:
    """Whether layers of that kind have weights, whatever enters."""
    return type(layer).weights is not Layer.weights
