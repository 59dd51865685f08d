"""Layers of one's own: what tells them apart, and those that a file may name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pellucid.errors import NetworkError
from pellucid.network.layers.base import Layer


def is_own(layer: Layer) -> bool:
    """Return whether a layer is a class of the caller's, computed by its methods."""
    return type(layer).forward is not Layer.forward


def with_own(
    known: Mapping[str, type[Layer]], layers: Iterable[Any]
) -> dict[str, type[Layer]]:
    """Return the layers that a file may name: ours, and the classes given.

    Raises
    ------
    NetworkError
        If one is no layer of one's own, or has the name of one of ours.
    """
    if not isinstance(layers, Iterable):
        name = getattr(layers, "__name__", "MyLayer")
        raise NetworkError(
            f"layers: must be a list of classes; got {layers!r}. Write layers=[{name}]."
        )
    found = dict(known)
    for kind in layers:
        is_kind = isinstance(kind, type) and issubclass(kind, Layer)
        if not is_kind or kind.forward is Layer.forward:
            raise NetworkError(
                "layers: must be classes of pl.Layer with forward and backward; "
                f"got {kind!r}."
            )
        check_name(known, kind)
        found[kind.__name__] = kind
    return found


def check_name(known: Mapping[str, type[Layer]], kind: type[Layer]) -> None:
    """Check that a class of the caller's has not the name of one of ours."""
    if kind.__name__ in known:
        raise NetworkError(
            f"{kind.__name__}: a layer of your own must have a name of its own; got "
            "that of one of pellucid's."
        )


def unknown_layer(
    known: Mapping[str, type[Layer]], node: str, kind: Any
) -> NetworkError:
    """Return the error for a layer that a file names and nobody has given."""
    is_name = isinstance(kind, str) and re.fullmatch(r"[A-Za-z_]\w{0,99}", kind)
    advice = (
        f" Is it one of your own? Nothing is imported by a file's name: give the "
        f"class, as pl.load(…, layers=[{kind}]) or on the command line --layers FILE."
        if is_name
        else ""
    )
    return NetworkError(
        f"Network: layer of node '{node}' must be one of {', '.join(known)}; "
        f"got {kind!r}.{advice}"
    )
