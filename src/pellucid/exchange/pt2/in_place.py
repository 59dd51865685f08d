"""Constants that a PyTorch graph makes, and changes in place, while it is read.

A module may copy a parameter or make zeros, and write into parts of them: biases whose
middle is none, masks of shifted windows. Views share memory here as they do there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.learned import owner_of
from pellucid.exchange.graph.tensor import Array

_LIMIT = 2**24  # elements
_WRITES = frozenset({"copy_", "fill_", "zero_"})


class Scratch:
    """Arrays that a graph writes into, by the names of its values.

    Parameters
    ----------
    nodes : iterable of dict
        Of torch.export's schema.
    name_of : callable
        Returns the operator that a target names.
    """

    def __init__(
        self, nodes: Iterable[dict[str, Any]], name_of: Callable[[str], str]
    ) -> None:
        self._is_used = any(name_of(node["target"]) in _WRITES for node in nodes)
        self._own: dict[str, Array] = {}
        self._read: set[int] = set()  # arrays that operators have read

    def run(
        self, name: str, node: dict[str, Any], constants: Mapping[str, Array]
    ) -> Array | None:
        """Return what an operator makes or changes; None where that is not known."""
        if not self._is_used:
            return None
        given = {entry["name"]: entry["arg"] for entry in node["inputs"]}
        source = given.get("self", {}).get("as_tensor", {}).get("name")
        own = self._own.get(source)
        made: Array | None = None
        if name in ("clone", "lift_fresh_copy") and source in constants:
            made = np.array(constants[source])
        elif name in ("zeros", "new_zeros"):
            made = _zeros(given.get("size", {}))
        elif own is not None and name == "slice":
            made = _slice(own, given)
        elif own is not None and name == "select":
            axis, index = (given[key].get("as_int", 0) for key in ("dim", "index"))
            made = np.moveaxis(own, axis, 0)[index, ...]
        elif own is not None and name.endswith("_"):
            made = self._write(name, own, given, constants)
        if made is not None:
            self._own[node["outputs"][0]["as_tensor"]["name"]] = made
            return made
        for argument in given.values():
            read = self._own.get(argument.get("as_tensor", {}).get("name"))
            if read is not None:
                self._read.add(id(owner_of(read)))
        return None

    def _write(
        self,
        name: str,
        target: Array,
        given: Mapping[str, Any],
        constants: Mapping[str, Array],
    ) -> Array:
        """Write into an array that nothing has read before."""
        ref, value = OperatorRef(f"aten.{name}"), None
        if name in _WRITES and id(owner_of(target)) not in self._read:
            value = 0 if name == "zero_" else _written(given, constants)
        if value is None:
            ref.refuse("write constants into an array that nothing has read", "another")
        target[...] = value
        return target


def _written(given: Mapping[str, Any], constants: Mapping[str, Array]) -> Any:
    """Return the number or the constant that is written; None where it is none."""
    argument = given.get("value", given.get("src", {}))
    for kind in ("as_float", "as_int", "as_bool"):
        if kind in argument:
            return argument[kind]
    return constants.get(argument.get("as_tensor", {}).get("name"))


def _zeros(size: Mapping[str, Any]) -> Array | None:
    sizes = size.get("as_ints")
    if sizes is None or prod(sizes) > _LIMIT:
        return None
    return np.zeros(sizes, np.float32)


def _slice(x: Array, given: Mapping[str, Any]) -> Array:
    axis, start, stop, step = (
        given.get(key, {}).get("as_int") for key in ("dim", "start", "end", "step")
    )
    index = [slice(None)] * x.ndim
    index[axis or 0] = slice(start, stop, step)
    return x[tuple(index)]
