"""A network as Python: code whose execution gives an equal network."""

from __future__ import annotations

import dataclasses
import keyword
from typing import Any

from pellucid.network.build import build_nodes
from pellucid.network.graph import Network
from pellucid.network.layers import Input, Layer, Value
from pellucid.network.node import Node
from pellucid.network.preprocessing import Preprocessing

#: names that the code has for other things
_TAKEN = {"pl", "network", "print"}


def python_source(network: Network) -> str:
    """Return Python that describes the same network, preprocessing included.

    Parameters
    ----------
    network : Network

    Returns
    -------
    str
        Code that leaves an equal network in the variable ``network``, and prints it.
    """
    lines, names = ["import pellucid as pl", ""], _variables(network)
    for node in network.nodes:
        sources = ", ".join(names[source] for source in node.inputs)
        call = _call(node) + (f"({sources})" if sources else "")
        lines.append(f"{names[node.name]} = {call}")
    return "\n".join([*lines, "", *_network(network, names), "print(network)", ""])


def _network(network: Network, names: dict[str, str]) -> list[str]:
    """Return the lines that join the layers."""
    ends = [
        f"inputs={names[network.inputs[0]]}",
        f"outputs={names[network.outputs[0]]}",
    ]
    about = [f"name={network.name!r}"]
    if network.preprocessing is not None:
        about.append(f"preprocessing={_preprocessing(network.preprocessing)}")
    lines = ["network = pl.Network(", *_indented([*ends, *about]), ")"]
    order = [node.name for node in network.nodes]
    if order == _order_of_calls(network):
        return lines
    about.append(f"outputs={list(network.outputs)!r}")
    nodes = f"[network.node(name) for name in {order!r}]"
    return [
        *lines,
        "network = pl.Network.from_nodes(",
        *_indented([nodes, *about]),
        ")",
    ]


def _indented(arguments: list[str]) -> list[str]:
    return [f"    {argument}," for argument in arguments]


def _variables(network: Network) -> dict[str, str]:
    """Return a variable for each node: its name, where Python has none such."""
    found: dict[str, str] = {}
    used = set(_TAKEN)
    nodes = {node.name for node in network.nodes}
    for node in network.nodes:
        is_input = isinstance(node.layer, Input)
        variable = "image" if is_input and "image" not in nodes else node.name
        while variable in used or keyword.iskeyword(variable):
            variable = f"{variable}_"
        used.add(variable)
        found[node.name] = variable
    return found


def _call(node: Node) -> str:
    layer = node.layer
    if isinstance(layer, Input):
        arguments = [repr(size) for size in layer.shape]
        is_usual = node.name == layer.stem
        named = [] if is_usual else [f"name={node.name!r}"]
        return f"pl.Input({', '.join([*arguments, *named])})"
    arguments = [
        f"{name}={_value(value)}"
        for name, value in _given(layer, ("name", "activation"))
    ]
    named = [f"name={node.name!r}"]
    return f"pl.{type(layer).__name__}({', '.join([*arguments, *named])})"


def _preprocessing(how: Preprocessing) -> str:
    arguments = [f"{name}={_value(value)}" for name, value in _given(how, ())]
    return f"pl.Preprocessing({', '.join(arguments)})"


def _given(described: Any, but: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Return the arguments of a description that are not its defaults."""
    return [
        (field.name, getattr(described, field.name))
        for field in dataclasses.fields(described)
        if field.name not in but and getattr(described, field.name) != field.default
    ]


def _value(value: Any) -> str:
    """Return Python for an argument."""
    if dataclasses.is_dataclass(value):
        given = (f"{f.name}={_value(getattr(value, f.name))}" for f in _fields(value))
        return f"pl.{type(value).__name__}({', '.join(given)})"
    if isinstance(value, tuple):
        inside = ", ".join(map(_value, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value.item() if hasattr(value, "item") else value)


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)


def _order_of_calls(network: Network) -> list[str]:
    """Return the nodes in the order in which `Network` finds them from its output."""
    values: dict[str, Value] = {}
    entry: Layer | None = None
    for node in network.nodes:
        layer = node.layer
        if isinstance(layer, Input):
            entry = layer
        inputs = tuple(values[source] for source in node.inputs)
        values[node.name] = Value(layer, inputs)
    if not isinstance(entry, Input):  # a network has exactly one
        return []
    return [node.name for node in build_nodes(entry, values[network.outputs[0]])]
