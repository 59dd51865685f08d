"""Layers of one's own that a program makes known to everything that reads networks.

A command line has no arguments for classes: it runs the Python file that its user
names, and registers what it defines. Nothing is ever registered by what a model says.
"""

from __future__ import annotations

from collections.abc import Iterable

from pellucid.network.layers import LAYERS, Layer, with_own

_REGISTERED: dict[str, type[Layer]] = {}


def register_layers(layers: Iterable[type[Layer]]) -> None:
    """Let all networks that are read from now on name these classes.

    Parameters
    ----------
    layers : iterable of type
        Classes of one's own.

    Raises
    ------
    NetworkError
        If one is no layer of one's own, or has the name of one of pellucid's.
    """
    given = list(layers)
    known = with_own(LAYERS, given)
    _REGISTERED.update({kind.__name__: known[kind.__name__] for kind in given})


def registered_layers() -> tuple[type[Layer], ...]:
    """Return the classes that were registered."""
    return tuple(_REGISTERED.values())


def forget_layers() -> None:
    """Forget all that were registered."""
    _REGISTERED.clear()
