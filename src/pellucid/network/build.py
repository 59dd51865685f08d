"""Build named nodes from layers that were called."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from pellucid.errors import NetworkError
from pellucid.network.layers import Input, Layer, Value
from pellucid.network.layers.activation import Elementwise
from pellucid.network.layers.base import as_value
from pellucid.network.node import Node, place


def build_nodes(entry: Input, end: Value | Layer) -> tuple[Node, ...]:
    """Return the nodes between an Input and an output, named, in topological order."""
    if not isinstance(entry, Input):
        raise NetworkError(f"Network: inputs must be an Input; got {entry!r}.")
    values = list(_upstream(as_value("Network", end)))
    foreign = [v for v in values if isinstance(v.layer, Input) and v.layer is not entry]
    if foreign:
        raise NetworkError(
            "Network: inputs must be exactly one in this version; got "
            f"{foreign[0].layer!r} besides {entry!r}."
        )
    if all(value.layer is not entry for value in values):
        raise NetworkError("Network: outputs must depend on inputs; got no path.")
    return _named(values)


def _upstream(end: Value) -> Iterator[Value]:
    """Yield values depth first, each after its inputs, without recursion."""
    done: set[int] = set()
    stack = [(end, False)]
    while stack:
        value, is_ready = stack.pop()
        key = id(value.layer)
        if key in done:
            continue
        if is_ready:
            done.add(key)
            yield value
        else:
            stack.append((value, True))
            stack.extend((source, False) for source in reversed(value.inputs))


def _named(values: list[Value]) -> tuple[Node, ...]:
    taken: dict[str, Layer] = {}
    for value in values:
        name = value.layer.name
        if name is not None:
            if name in taken:
                raise NetworkError(
                    f"Network: node names must be unique; got {name!r} twice."
                )
            taken[name] = value.layer
    names: dict[int, str] = {}
    nodes: list[Node] = []
    for value in values:
        layer = value.layer
        name = layer.name or _free_name(layer.stem, taken)
        taken[name] = layer
        inputs = tuple(names[id(source.layer)] for source in value.inputs)
        activation: Elementwise | None = getattr(layer, "activation", None)
        if activation is None:
            nodes.append(place(name, layer, inputs))
        else:
            plain = dataclasses.replace(layer, activation=None)  # type: ignore[call-arg]
            nodes.append(place(name, plain, inputs))
            inputs, name = (name,), f"{name}_{activation.stem}"
            if name in taken:
                raise NetworkError(
                    f"Network: node names must be unique; got {name!r} twice."
                )
            taken[name] = activation
            nodes.append(place(name, activation, inputs))
        names[id(layer)] = name
    return tuple(nodes)


def _free_name(stem: str, taken: dict[str, Layer]) -> str:
    name, count = stem, 0
    while name in taken:
        count += 1
        name = f"{stem}_{count}"
    return name
