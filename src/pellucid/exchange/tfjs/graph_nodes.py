"""Nodes of a TensorFlow graph as JSON: operator, inputs and attributes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange.errors import OperatorRef

_NODE_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Node:
    """One operator; ``inputs`` are nodes, or nodes and the number of their output."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> OperatorRef:
        """The operator as an error names it."""
        plain = (bool, int, float, str, list)
        shown = {k: v for k, v in self.attributes.items() if isinstance(v, plain)}
        return OperatorRef(self.operator, self.name, shown)

    def only(self, **allowed: Any) -> None:
        """Refuse attributes that do not have the value that can be represented."""
        for name, value in allowed.items():
            if self.attributes.get(name, value) != value:
                self.ref.refuse(f"have {name}={value!r}", repr(self.attributes[name]))


def parse_nodes(nodes: Sequence[Mapping[str, Any]]) -> list[Node]:
    """Return the nodes of a graph so that each stands behind those that it reads.

    Raises
    ------
    ExchangeError
        If there are too many, or they read what does not exist.
    """
    if len(nodes) > _NODE_LIMIT:
        raise ExchangeError(
            f"import: a graph must have at most {_NODE_LIMIT} nodes; got {len(nodes)}."
        )
    left = {str(node["name"]): _parse(node) for node in nodes}
    done: dict[str, Node] = {}
    for first in list(left):
        stack = [first]
        while stack:
            name = stack[-1]
            if name in done:
                stack.pop()
                continue
            node = left.get(name)
            if node is not None and stack.count(name) > 1:
                node.ref.refuse("be in a graph without loops", node.operator)
            if node is None:
                raise ExchangeError(
                    f"import: nodes must read nodes that exist; got {name!r}."
                )
            missing = [n for n in map(node_of, node.inputs) if n not in done]
            if missing:
                stack.extend(missing[:1])
            else:
                done[name] = node
                stack.pop()
    return list(done.values())


def node_of(name: str) -> str:
    """Return the node that an input names: ``name``, or ``name:0``."""
    return name.partition(":")[0]


def _parse(node: Mapping[str, Any]) -> Node:
    inputs = [str(name) for name in node.get("input") or ()]
    attributes = node.get("attr") or {}
    return Node(
        str(node["name"]),
        str(node["op"]),
        tuple(name for name in inputs if not name.startswith("^")),
        {str(name): _value(value) for name, value in attributes.items()},
    )


def _value(attribute: Mapping[str, Any]) -> Any:
    """Return an attribute as a plain value: texts are base64, whole numbers texts."""
    for kind, value in attribute.items():
        if kind == "list":
            return _list(value)
        if kind == "s":
            return _text(value)
        if kind == "i":
            return int(value)
        if kind == "f":
            return float(value)
        return value
    return None


def _list(value: Mapping[str, Any]) -> list[Any]:
    convert: dict[str, Callable[[Any], Any]] = {"i": int, "f": float, "s": _text}
    return [
        convert[kind](item) if kind in convert else item
        for kind, items in value.items()
        for item in items
    ]


def _text(value: Any) -> str:
    if isinstance(value, list):  # early converters wrote a number for each byte
        return bytes(value).decode("utf-8", "replace")
    return base64.b64decode(str(value)).decode("utf-8", "replace")
