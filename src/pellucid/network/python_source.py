"""A network as Python: code whose execution gives an equal network."""

from __future__ import annotations

import dataclasses
import keyword
from typing import Any

from pellucid.network.build import build_nodes
from pellucid.network.expression import Expression
from pellucid.network.graph import Network
from pellucid.network.layers import Input, Value, is_own
from pellucid.network.node import Node
from pellucid.network.preprocessing import Preprocessing

#: names that the code has for other things
_TAKEN = {"pl", "network", "print", "replace"}


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
    names = _variables(network)
    found = _nodes_of_calls(network)
    calls_twice = set(found) == set(network.nodes)
    lines = ["import pellucid as pl", ""]
    if not calls_twice:
        lines = ["from dataclasses import replace", "", *lines]
    for node in network.nodes:
        lines += _node_lines(network, node, names, calls_twice=calls_twice)
    end = _network(network, names, found)
    return "\n".join([*lines, "", *end, "print(network)", ""])


def _node_lines(
    network: Network, node: Node, names: dict[str, str], *, calls_twice: bool
) -> list[str]:
    """Return the lines that make a node; a layer called twice has a variable."""
    sources = ", ".join(names[source] for source in node.inputs)
    made, lines = _call(node), []
    if calls_twice and node.owner in network.shared:
        layer = names[f"{node.owner} layer"]
        if node.weights_of is None:
            lines.append(f"{layer} = {made}")
        made = layer
    call = made + (f"({sources})" if sources else "")
    return [*lines, f"{names[node.name]} = {call}"]


def _network(
    network: Network, names: dict[str, str], found: tuple[Node, ...]
) -> list[str]:
    """Return the lines that join the layers."""
    ends = [
        f"{what}={_listed([names[name] for name in ports])}"
        for what, ports in (("inputs", network.inputs), ("outputs", network.outputs))
    ]
    about = [f"name={network.name!r}"]
    if network.preprocessing is not None:
        about.append(f"preprocessing={_preprocessing(network.preprocessing)}")
    lines = ["network = pl.Network(", *_indented([*ends, *about]), ")"]
    if network.nodes == found:
        return lines
    if len(network.inputs) > 1:
        about.append(f"inputs={list(network.inputs)!r}")
    about.append(f"outputs={list(network.outputs)!r}")
    order = [node.name for node in network.nodes]
    nodes = [f"[network.node(name) for name in {order!r}]"]
    if set(found) != set(network.nodes):
        nodes = ["[", *_indented([_taken_node(node) for node in network.nodes]), "]"]
    inside = [*(f"    {line}" for line in nodes), *_indented(about)]
    inside[len(nodes) - 1] += ","
    return [*lines, "network = pl.Network.from_nodes(", *inside, ")"]


def _taken_node(node: Node) -> str:
    taken = f"network.node({node.name!r})"
    if node.weights_of is None:
        return taken
    return f"replace({taken}, weights_of={node.weights_of!r})"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _indented(arguments: list[str]) -> list[str]:
    return [f"    {argument}," for argument in arguments]


def _variables(network: Network) -> dict[str, str]:
    """Return a variable for each node: its name, where Python has none such.

    A layer that is called more than once has another, under ``<node> layer``.
    """
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
    for owner in network.shared:
        variable = f"{found[owner]}_layer"
        while variable in used:
            variable = f"{variable}_"
        used.add(variable)
        found[f"{owner} layer"] = variable
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
    home = "" if is_own(layer) else "pl."
    return f"{home}{type(layer).__name__}({', '.join([*arguments, *named])})"


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
    if isinstance(value, Expression):
        return f"lambda x: {value!r}"
    if dataclasses.is_dataclass(value):
        given = (f"{f.name}={_value(getattr(value, f.name))}" for f in _fields(value))
        return f"pl.{type(value).__name__}({', '.join(given)})"
    if isinstance(value, tuple):
        inside = ", ".join(map(_value, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value.item() if hasattr(value, "item") else value)


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)


def _nodes_of_calls(network: Network) -> tuple[Node, ...]:
    """Return the nodes that `Network` makes of the layers, called in their order."""
    values: dict[str, Value] = {}
    for node in network.nodes:
        layer = network.node(node.owner).layer
        inputs = tuple(values[source] for source in node.inputs)
        values[node.name] = Value(layer, inputs)
    entries = [network.node(name).layer for name in network.inputs]
    ends = [values[name] for name in network.outputs]
    return build_nodes(entries, ends)[0]
