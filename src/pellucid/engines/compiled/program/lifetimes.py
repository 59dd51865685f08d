"""Memory of gradients and prepared weights that others have no more use for."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BYTES, Buffer, BufferRef

#: bytes between neighbours, so that they begin in different sets of the caches
APART = 64 * 3


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
        first, last = lives[buffer]
        start = 0
        for other in sorted(places, key=lambda b: places[b]):
            begin, until = lives[other]
            is_apart = last < begin or until < first
            if not is_apart and places[other] < start + _bytes(buffer):
                start = max(start, places[other] + _bytes(other))
        places[buffer] = start
        end = max(end, start + _bytes(buffer))
    return places, end


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
