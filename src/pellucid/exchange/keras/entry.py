"""One layer of a Keras model: its configuration and its arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(slots=True, kw_only=True)
class Entry:
    """A layer as Keras keeps it.

    ``inputs`` are the names of layers it reads, ``shape`` that of its output without
    the batch (known where a layer is written). An operation of `keras.ops` has its
    ``module``, and ``arguments``: names of layers and numbers.
    """

    kind: str
    name: str
    config: dict[str, Any]
    inputs: tuple[str, ...] = ()
    arrays: list[Array] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    module: str = "keras.layers"
    arguments: tuple[str | float, ...] = ()
    dtype: str = "float32"

    @property
    def is_operation(self) -> bool:
        """Whether it is an operation, which Keras does not count among its layers."""
        return self.module != "keras.layers"


def snake_case(kind: str) -> str:
    """Return Keras's name of a class inside its weights file."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def sort_in_keras_order(entries: list[Entry], output: str) -> list[Entry]:
    """Return layers in the order in which Keras walks over a functional model.

    By longest path to the output, the longest first; of equals in the order in which
    a walk from the output meets them. The names in a weights file count along it.
    """
    by_name = {entry.name: entry for entry in entries}
    met: dict[str, int] = {}
    stack = [output]
    while stack:
        name = stack.pop()
        if name not in met:
            met[name] = len(met)
            stack.extend(reversed(by_name[name].inputs))
    depth = dict.fromkeys(by_name, 0)
    for entry in reversed(entries):  # entries are in topological order
        for source in entry.inputs:
            depth[source] = max(depth[source], depth[entry.name] + 1)
    return sorted(entries, key=lambda entry: (-depth[entry.name], met[entry.name]))


def group_names(entries: list[Entry]) -> list[str]:
    """Return each layer's group in a weights file: conv2d, conv2d_1, …"""
    counts: dict[str, int] = {}
    names = []
    for entry in entries:
        stem = snake_case(entry.kind)
        count = counts.get(stem, 0)
        counts[stem] = count + 1
        names.append(f"{stem}_{count}" if count else stem)
    return names
