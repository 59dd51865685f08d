"""Elementwise iteration over images, by vector or by pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Part


def spans(count: int, lanes: int) -> list[tuple[int, int, int]]:
    """Cut a run of numbers into vectors: [(first, lanes, how many)], widest first."""
    found, start = [], 0
    while lanes:
        many = (count - start) // lanes
        if many:
            found.append((start, lanes, many))
            start += many * lanes
        lanes //= 2
    return found


def sized_spans(
    b: Builder, count: Number, rest: int
) -> Iterator[tuple[Number, int, Number]]:
    """Yield the same of a count that comes at run time; ``rest`` is count % lanes."""
    many = count // b.lanes
    yield 0, b.lanes, many
    for start, lanes, times in spans(rest, b.lanes):
        yield many * b.lanes + start, lanes, times


def sweep(
    b: Builder,
    places: Sequence[tuple[Pointer, ImageLayout]],
    body: Callable[[int, list[Pointer]], None],
    part: Part | None = None,
) -> None:
    """Call body(lanes, pointers) for every vector of images of one size.

    The images have the same height, width and stored channels, but may have other
    sides. A vector may hold more than one pixel. A part is some rows.
    """
    first = places[0][1]
    if part is None and all(not any(map(any, m.halo)) for _, m in places):
        _run(b, [p for p, _ in places], first.size, body)
        return
    low, high = part or (0, first.height)
    with b.loop(high, start=low) as i:
        rows = [p + (i * m.row + m.at(0, 0)) for p, m in places]
        _run(b, rows, first.width * first.padded_channels, body)


def _run(
    b: Builder,
    rows: Sequence[Pointer],
    count: int,
    body: Callable[[int, list[Pointer]], None],
) -> None:
    for start, lanes, many in spans(count, b.lanes):
        with b.loop(many) as k:
            body(lanes, [row + (k * lanes + start) for row in rows])


def pixels(
    b: Builder,
    places: Sequence[tuple[Pointer, ImageLayout]],
    body: Callable[[list[Pointer]], None],
    part: Part | None = None,
) -> None:
    """Call body(pointers) for every pixel of images of one height and width."""
    first = places[0][1]
    low, high = part or (0, first.height)
    with b.loop(high, start=low) as i, b.loop(first.width) as j:
        body([p + (i * m.row + j * m.padded_channels + m.at(0, 0)) for p, m in places])


#: vectors of channels: (first, lanes, which lanes hold a channel; None: all do)
Cuts = list[tuple[int, int, Value | None]]


def channel_spans(b: Builder, channels: int) -> Cuts:
    """Cut stored channels: [(first, lanes, which lanes hold a channel)].

    ``channels`` is the true number; memory holds whole vectors. None: all lanes do.
    """
    from pellucid.engines.compiled.kernels.layout import pad_channels

    lanes = min(b.lanes, pad_channels(channels, b.lanes))
    found: Cuts = []
    for start in range(0, channels, lanes):
        is_full = start + lanes <= channels
        mask = None if is_full else b.iota(lanes) < (channels - start)
        found.append((start, lanes, mask))
    return found


#: vectors of channels up to which code is written out for each of them
MOST_SPANS = 8


def has_many(cuts: Cuts) -> bool:
    """Whether there are too many vectors of channels to write code for each."""
    return len(cuts) > MOST_SPANS


def each_span(
    b: Builder, cuts: Cuts, body: Callable[[Number, int, Value | None], None]
) -> None:
    """Call body(first, lanes, which lanes hold a channel) for each vector.

    Many are gone through in a loop, in which ``first`` is a value: code must not grow
    with the number of channels.
    """
    if not has_many(cuts):
        for cut in cuts:
            body(*cut)
        return
    last, lanes, mask = cuts[-1]
    with b.loop(last if mask else last + lanes, step=lanes) as start:
        body(start, lanes, None)
    if mask:
        body(last, lanes, mask)


def held(b: Builder, mask: Value | None, value: Value, other: float = 0.0) -> Value:
    """Return a value where the mask holds, else a constant."""
    return value if mask is None else b.select(mask, value, other)


def clear(b: Builder, place: Pointer, count: Number) -> None:
    """Write zeros."""
    with b.loop(count) as i:
        place.store(b.f32(0.0), i)
