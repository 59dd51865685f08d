"""Memory of outputs, gradients and prepared weights that others can use after them."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.parameters import ALIGN
from pellucid.engines.compiled.program.program_ir import BYTES, Buffer, BufferRef
from pellucid.network.layers import (
    Add,
    AvgPool2D,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
)
from pellucid.network.layers.pointwise import Pointwise

#: bytes between neighbours, so that they begin in different sets of the caches
APART = 64 * 3
#: layers that write every element of their output
WRITE_ALL = (
    Add,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    Pointwise,
)


def hosts(low: LoweringContext) -> dict[Buffer, Buffer]:
    """Return which gradient lies in which other one's memory.

    All images have passed a phase before the next begins, so one may take the place of
    another that is last used a phase before it is first used. Only those of one layout
    do: nobody writes the zeros of a halo, which stay where they are.
    """
    layouts = _layouts(low)
    free: dict[tuple[ImageLayout, str, int], list[tuple[int, Buffer]]] = {}
    found: dict[Buffer, Buffer] = {}
    lives = _lives(low)
    for buffer in sorted(layouts, key=lambda b: lives[b]):
        first, last = lives[buffer]
        key = layouts[buffer], buffer.element, buffer.groups
        places = free.setdefault(key, [])
        place = next((p for p in places if p[0] < first), None)
        if place is not None:
            places.remove(place)
            found[buffer] = place[1]
        places.append((last, found.get(buffer, buffer)))
    return found


def shared_places(low: LoweringContext) -> tuple[dict[Buffer, int], int]:
    """Return where prepared weights lie that are soon forgotten, in bytes; and the end.

    First fit, the largest first, over the phases from a buffer's first use to its last.
    Whoever fills one writes all that is read of it.
    """
    lives, places, end = _lives(low), dict[Buffer, int](), 0
    kept = [b for b in low.buffers if b in low.late.buffers]
    for buffer in sorted(kept, key=lambda b: -_bytes(b)):
        places[buffer] = _first_fit(buffer, places, lives)
        end = max(end, places[buffer] + _bytes(buffer))
    return places, end


def places_of_one(low: LoweringContext) -> tuple[dict[Buffer, int], int]:
    """Return where outputs lie while one image alone is predicted, in bytes; the end.

    One step is done before the next begins. What is written whole, and has no zeros
    that its readers want, takes the first place that is free from its first use to its
    last, the largest first; others take that of one of the same layout.
    """
    lives: dict[Buffer, tuple[int, int]] = {}
    steps = [s for phase in low.phases if not phase.prepares for s in phase.steps()]
    for i, step in enumerate(steps):
        for argument in step.arguments:
            if isinstance(argument, BufferRef):
                first, _ = lives.get(argument.buffer, (i, i))
                lives[argument.buffer] = first, i
    places: dict[Buffer, int] = {}
    padded: dict[tuple[ImageLayout, int], list[tuple[int, int]]] = {}
    end = 0
    layouts = {b: m for b, m in _layouts_of_outputs(low).items() if b in lives}
    for buffer in sorted(layouts, key=lambda b: (-_bytes(b), lives[b])):
        if layouts[buffer].is_plain:
            places[buffer] = _first_fit(buffer, places, lives)
            end = max(end, places[buffer] + _bytes(buffer))
    for buffer in sorted(layouts, key=lambda b: lives[b]):
        if buffer in places:
            continue
        (first, last), key = lives[buffer], (layouts[buffer], buffer.stride)
        free = padded.setdefault(key, [])
        place = next((p for p in free if p[0] < first), None)
        if place is None:
            place = -1, end
            end += _bytes(buffer)
        else:
            free.remove(place)
        places[buffer] = place[1]
        free.append((last, place[1]))
    return places, end


def _layouts_of_outputs(low: LoweringContext) -> dict[Buffer, ImageLayout]:
    """Return the outputs of layers that write all of them, if they have one layout.

    Items of an image alone, or of a worker that makes one image after the other.
    """
    seen: dict[Buffer, set[ImageLayout]] = {}
    others: set[Buffer] = set()
    for node in low.network.nodes:
        value = low.values.get(node.name)
        if value is None:  # made together with another node
            continue
        seen.setdefault(value.buffer, set()).add(value.map)
        is_in_place = node.name in low.gated  # of what was written whole
        if not is_in_place and not isinstance(node.layer, (*WRITE_ALL, Concat)):
            others.add(value.buffer)
    return {
        buffer: next(iter(maps))
        for buffer, maps in seen.items()
        if len(maps) == 1
        and buffer not in others
        and (buffer.scope == "image" or buffer.is_local)
        and not buffer.is_pinned
        and next(iter(maps)).size % ALIGN == 0
    }


def _first_fit(
    buffer: Buffer, places: dict[Buffer, int], lives: dict[Buffer, tuple[int, int]]
) -> int:
    """Return the first place that is free while a buffer is used."""
    (first, last), start = lives[buffer], 0
    for other in sorted(places, key=lambda b: places[b]):
        begin, until = lives[other]
        is_apart = last < begin or until < first
        if not is_apart and places[other] < start + _bytes(buffer):
            start = max(start, places[other] + _bytes(other))
    return start


def _bytes(buffer: Buffer) -> int:
    return buffer.stride * BYTES[buffer.element] + APART


def _lives(low: LoweringContext) -> dict[Buffer, tuple[int, int]]:
    """Return the first and the last phase that uses each buffer."""
    lives: dict[Buffer, tuple[int, int]] = {}
    for i, phase in enumerate(low.phases):
        for step in phase.steps():
            for argument in step.arguments:
                if isinstance(argument, BufferRef):
                    first, _ = lives.get(argument.buffer, (i, i))
                    lives[argument.buffer] = first, i
    return lives


def _layouts(low: LoweringContext) -> dict[Buffer, ImageLayout]:
    """Return the gradients that may move: those that one layout describes."""
    seen: dict[Buffer, set[ImageLayout]] = {}
    for value in low.grads.values():
        seen.setdefault(value.buffer, set()).add(value.map)
    values = {value.buffer for value in low.values.values()}
    kept = set(low.buffers)
    return {
        buffer: next(iter(maps))
        for buffer, maps in seen.items()
        if len(maps) == 1
        and buffer.scope == "image"
        and buffer in kept
        and buffer not in values
        and not buffer.is_pinned
    }
