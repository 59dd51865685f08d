"""Sparse gradient of a convolution with respect to its input, by window.

What the four cells of a pool's window add to lies in one patch of the derivative. Where
a vector of channels of that patch fits into registers, it stays there for all four
lists, and what the next window to the right shares with it stays for that one too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    Var,
    kernel,
)
from pellucid.engines.compiled.kernels.conv.conv_pool import CELLS
from pellucid.engines.compiled.kernels.conv.sparse_weight_grad import Sparse
from pellucid.engines.compiled.kernels.conv.vector_compress import (
    bits_of,
    differs,
    each_bit,
)
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import clear, spans

Spot = tuple[int, int]

#: outputs whose lives are the bits of one integer
OUTPUTS = 64


@dataclass(frozen=True, slots=True)
class Windows:
    """A convolution whose windows' patches are held in registers.

    Attributes
    ----------
    sparse : Sparse
        The convolution; its dilation is 1 and its stride no larger than its kernel.
    lanes : int
        Channels of the derivative that are held together.
    """

    sparse: Sparse
    lanes: int

    @property
    def patch(self) -> Spot:
        """Rows and columns of what a window adds to."""
        conv = self.sparse.conv
        (kh, kw), (sy, sx) = conv.kernel, conv.stride
        return kh + sy, kw + sx

    @property
    def taps(self) -> list[Spot]:
        """Places of the convolution's kernel."""
        kh, kw = self.sparse.conv.kernel
        return [(u, v) for u in range(kh) for v in range(kw)]

    @property
    def parts(self) -> int:
        """Parts into which the channels are cut."""
        return self.sparse.conv.x.padded_channels // self.lanes

    @property
    def groups(self) -> list[Spot]:
        """Groups of outputs whose lives are one integer: (first, how many)."""
        cut = spans(self.sparse.grad_y.padded_channels, OUTPUTS)
        return [(o + k * size, size) for o, size, many in cut for k in range(many)]

    @property
    def masks(self) -> int:
        """Integers that say what is alive."""
        return self.sparse.windows * len(CELLS) * len(self.groups)

    @property
    def row(self) -> int:
        """Numbers of one output's weights for one part."""
        return len(self.taps) * self.lanes

    @property
    def part_size(self) -> int:
        """Numbers of all outputs' weights for one part."""
        return self.sparse.conv.y.padded_channels * self.row


#: groups of outputs up to which code is written out for each of them
MOST_GROUPS = 4


def _each_group(
    b: Builder, spec: Windows, body: Callable[[Number, Number, int], None]
) -> None:
    """Call body(number, first output, how many) for each group of outputs."""
    groups = spec.groups
    whole = sum(size == OUTPUTS for _, size in groups)
    done = 0
    if len(groups) > MOST_GROUPS:
        with b.loop(whole) as n:
            body(n, n * OUTPUTS, OUTPUTS)
        done = whole
    for number, (o, size) in list(enumerate(groups))[done:]:
        body(number, o, size)


def windows_of(spec: Sparse, lanes: int, registers: int) -> Windows | None:
    """Return how to go window by window, or None where patches are too large."""
    conv = spec.conv
    while conv.x.padded_channels % lanes:
        lanes //= 2
    found = Windows(spec, lanes)
    rows, columns = found.patch
    is_whole = conv.dilation == (1, 1) and all(
        s <= k for s, k in zip(conv.stride, conv.kernel, strict=True)
    )
    return found if is_whole and rows * columns <= registers - 4 else None


@kernel(w="f32*", packed="f32*")
def pack_windows(b: Builder, w: Pointer, packed: Pointer, *, spec: Windows) -> None:
    """packed[part][o][u, v][lane] = w[o, u, v, part · lanes + lane]."""
    conv, lanes = spec.sparse.conv, spec.lanes
    patch = len(spec.taps) * conv.x.padded_channels
    with b.loop(conv.y.padded_channels) as o, b.loop(spec.parts) as part:
        at, to = w + (o * patch + part * lanes), packed + o * spec.row
        for tap in range(len(spec.taps)):
            value = at.vector(tap * conv.x.padded_channels, lanes=lanes)
            (to + part * spec.part_size).store(value, tap * lanes)


@kernel(grad_y="f32*", codes="i8*", packed="f32*", grad_x="f32*", masks="i64*")
def window_grad_input(
    b: Builder,
    grad_y: Pointer,
    codes: Pointer,
    packed: Pointer,
    grad_x: Pointer,
    masks: Pointer,
    *,
    spec: Windows,
) -> None:
    """grad_x as `sparse_grad_input` makes it, from what `pack_windows` wrote."""
    sparse = spec.sparse
    grad_y = grad_y + sparse.grad_y.at(0, 0)
    _write_masks(b, (grad_y, codes), masks, spec)
    clear(b, grad_x, sparse.grad_x.size)
    top, left = sparse.conv.top_left
    to = grad_x + sparse.grad_x.at(-top, -left)
    with b.loop(spec.parts) as part:
        w, place = packed + part * spec.part_size, to + part * spec.lanes
        with b.loop(sparse.grad_y.height) as i:
            _add_row(b, (grad_y, masks), (w, place), i, spec)


def _write_masks(
    b: Builder, source: tuple[Pointer, Pointer], masks: Pointer, spec: Windows
) -> None:
    """masks[window][cell][group] = which outputs have a derivative there."""
    (grad_y, codes), m, groups = source, spec.sparse.grad_y, spec.groups
    with b.loop(m.height) as i, b.loop(m.width) as j:
        window = i * m.width + j
        grad, code = (
            grad_y + (i * m.row + j * m.padded_channels),
            codes + window * m.padded_channels,
        )
        to = masks + window * (len(CELLS) * len(groups))

        def group(n: Number, o: Number, size: int) -> None:
            marks = code.vector(o, lanes=size)
            lives = bits_of(b, differs(b, grad.vector(o, lanes=size)))
            for cell in range(len(CELLS)):
                bits = bits_of(b, marks.equals(cell)) & lives
                to.store(bits, n + cell * len(groups))

        _each_group(b, spec, group)


def _add_row(
    b: Builder,
    source: tuple[Pointer, Pointer],
    of: tuple[Pointer, Pointer],
    i: Value,
    spec: Windows,
) -> None:
    """Go along a row of windows with their patch in registers."""
    (grad_y, masks), (w, to) = source, of
    m, g = spec.sparse.grad_x, spec.sparse.grad_y
    (sy, sx), lanes = spec.sparse.conv.stride, spec.lanes
    onward = 2 * sx  # columns from one window to the next
    shared = spec.patch[1] - onward  # columns that the next window adds to as well
    to = to + i * (2 * sy * m.row)
    place = {(r, c): r * m.row + c * m.padded_channels for r, c in _spots(spec)}
    held = {spot: b.var(to.vector(at, lanes=lanes)) for spot, at in place.items()}
    with b.loop(g.width) as j:
        at = to + j * (onward * m.padded_channels)
        grad = grad_y + (i * g.row + j * g.padded_channels)
        alive = masks + (i * g.width + j) * (len(CELLS) * len(spec.groups))
        for spot, total in held.items():
            if spot[1] >= shared:
                total.set(at.vector(place[spot], lanes=lanes))
        for cell, (r, c) in enumerate(CELLS):
            sums = [held[r * sy + u, c * sx + v] for u, v in spec.taps]
            marks = alive + cell * len(spec.groups)

            def group(
                n: Number,
                o: Number,
                size: int,
                marks: Pointer = marks,
                grad: Pointer = grad,
                sums: list[Var] = sums,
            ) -> None:
                del size  # the bits say it
                _add(b, marks.load(n), (grad + o, w + o * spec.row), sums, spec)

            _each_group(b, spec, group)
        for (r, c), total in held.items():
            if c < onward:
                at.store(total.get(), place[r, c])
        for (r, c), total in held.items():
            if c < shared:
                total.set(held[r, c + onward].get())
    end = to + g.width * (onward * m.padded_channels)
    for (r, c), total in held.items():
        if c < shared:
            end.store(total.get(), place[r, c])


def _spots(spec: Windows) -> Iterator[Spot]:
    rows, columns = spec.patch
    return ((r, c) for r in range(rows) for c in range(columns))


def _add(
    b: Builder,
    bits: Value,
    places: tuple[Pointer, Pointer],
    sums: list[Var],
    spec: Windows,
) -> None:
    """Add what the outputs of a cell whose bits are set give to its taps."""
    grad, w = places
    with each_bit(b, bits) as o:
        spread, row = grad.splat(o, lanes=spec.lanes), w + o * spec.row
        for tap, total in enumerate(sums):
            weight = row.vector(tap * spec.lanes, lanes=spec.lanes)
            total.set(b.fma(spread, weight, total.get()))
