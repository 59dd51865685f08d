"""Tables keyed by layer: an entry for each, or for a family that shares one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pellucid.network.layers.base import Layer

T = TypeVar("T")


def kinds_of(kind: type[Layer]) -> list[type[Layer]]:
    """Return a layer's class and the families above it, nearest first.

    A family (`Pointwise`, `Rearrangement` …) is a class that is no layer itself: it
    makes no nodes. So a class of the caller's below a layer of ours is none of it.
    """
    above = [c for c in kind.__mro__[1:] if issubclass(c, Layer) and c is not Layer]
    return [kind, *(c for c in above if "stem" not in vars(c))]


def find_entry(table: Mapping[type[Layer], T], layer: Layer) -> T:
    """Return a layer's entry in a table, or that of its nearest family.

    Raises
    ------
    KeyError
        If there is none.
    """
    for kind in kinds_of(type(layer)):
        if kind in table:
            return table[kind]
    raise KeyError(type(layer))


def has_entry(table: Mapping[type[Layer], Any], layer: Layer) -> bool:
    """Return whether `find_entry` finds one."""
    return any(kind in table for kind in kinds_of(type(layer)))
