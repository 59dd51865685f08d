"""Execution modes of each engine."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from pellucid.compare.methods.programs import find_programs
from pellucid.compare.methods.programs.record import Array, Call
from pellucid.compare.methods.programs.small_network import build_small_network
from pellucid.model import Model

__all__ = ["Array", "Call", "list_modes", "list_sizeless_modes"]


def list_modes(model: Model) -> Iterator[tuple[str, Call]]:
    """Yield a mode's name, and a function from images (N, H, W, C) to what is ready.

    The first call of a graph mode traces and compiles.
    """
    yield from find_programs(model.engine.name).list_modes(model)


def list_sizeless_modes(engine: str, channels: int) -> Iterator[tuple[str, Call]]:
    """Yield the modes of a small network that takes images of any size.

    Our own engines' networks say their size: a new one is made for each.
    """
    programs = find_programs(engine)
    if programs.build_sizeless is not None:
        native = programs.build_sizeless((16, 16, channels))
        yield from programs.list_modes(SimpleNamespace(native=native))
        return
    known: dict[tuple[int, ...], Model] = {}

    def call(images: Array) -> Any:
        shape = images.shape[1:]
        if shape not in known:
            known[shape] = Model(build_small_network(shape), engine=engine)
        return known[shape].predict(images)

    yield "a new network", call
