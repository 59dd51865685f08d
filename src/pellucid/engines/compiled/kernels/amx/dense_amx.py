"""Fully connected layer on AMX tiles: forward and backward pass.

The kernels do what their namesakes in `dense` do, and leave two things to them: few
images, as the tiles are 16 and 32 images wide whether they are full or not, and what
is not finite, as an infinite number has no parts. Numbers are cut into their parts
where they are used, in blocks that stay in the first cache unless there are very many
outputs: a block of weights serves 64 images, one of images all outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, Var, kernel
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.dense import dense
from pellucid.engines.compiled.kernels.dense.dense import Dense
from pellucid.engines.compiled.kernels.elementwise.activation import apply
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import clear
from pellucid.engines.compiled.kernels.tile import runs, split
from pellucid.engines.compiled.kernels.transpose import square

#: images whose parts fill tiles, how many go together, and how few are better off
#: without AMX
IMAGES, TOGETHER, FEW = 32, 64, 20
#: weights from which it pays to cut numbers into parts, and outputs from which an odd
#: tile of them is little
LEAST, WIDE = 32 * 1024, 128
#: tiles of inputs, and of images, whose parts lie in the first cache together
STEPS = 2
#: tiles of outputs that are summed together where there are more, and tiles of inputs
PANEL, DEPTHS = 64, 4
#: tiles of outputs over which the input's gradient is summed at once: their parts stay
#: in the second cache
BACK = 64

#: outputs up to which parts of 16 inputs' weights and 32 images lie in the first cache
SMALL = 128
#: 16-bit numbers of a part of a left tile
_PART = amx.EDGE * amx.DEPTH


@dataclass(frozen=True, slots=True)
class DenseAmx:
    """A layer whose numbers have so many parts: three, or one for bfloat16."""

    dense: Dense
    cuts: int = amx.PARTS


def _tile(spec: DenseAmx | AmxRows) -> int:
    """Return how many words a tile's parts take."""
    return spec.cuts * amx.WORDS


def _product(spec: DenseAmx | AmxRows) -> amx.Product:
    """Return two tiles of rows and two of columns, the depth's tiles in a row."""
    tile = _tile(spec)
    return amx.Product(
        rows=2,
        columns=2,
        left_row=amx.DEPTH,
        left_part=_PART,
        left_step=2 * tile,
        left_block=2 * tile,
        right_step=tile,
        right_column=tile,
        sums_row=0,
        parts=spec.cuts,
    )


def dense_amx_fits(spec: Dense) -> bool:
    """Return whether the layer fills tiles, and is large enough to gain.

    That is, forward and for the weights' gradient, whose tiles have 16 outputs.
    """
    is_whole = spec.inputs % amx.DEPTH == 0 == spec.outputs % amx.EDGE
    is_wide = spec.outputs >= WIDE or spec.outputs % amx.DEPTH == 0
    return is_whole and is_wide and spec.inputs * spec.outputs >= LEAST


def input_grad_fits(spec: Dense) -> bool:
    """Return whether the input's gradient is made too: its tiles take 32 outputs."""
    return dense_amx_fits(spec) and spec.outputs % amx.DEPTH == 0


def forward_scratch_size(spec: DenseAmx) -> int:
    """Return how many numbers of scratch `dense_amx_forward` needs."""
    columns, deep = _panel(spec.dense)
    rows = TOGETHER // amx.EDGE
    return (rows + columns) * deep * _tile(spec) + TOGETHER * columns * amx.EDGE


def _panel(layer: Dense) -> tuple[int, int]:
    """Return how many tiles of outputs are summed at once, and over how many of inputs.

    The sums of few outputs stay near while all weights pass. Those of many would be
    read and written again for every tile of inputs.
    """
    columns = layer.made // amx.EDGE
    is_large = columns > PANEL or layer.part
    if is_large and layer.inputs % (DEPTHS * amx.DEPTH) == 0:
        return min(columns, PANEL), DEPTHS
    return columns, 1


@kernel(x="f32*", w="f32*", bias="f32*", y="f32*", scratch="f32*", images="n")
def dense_amx_forward(
    b: Builder,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: DenseAmx,
) -> None:
    """y[m] = f(bias + Σ x[m, k] · w[k]) for each of the images."""
    layer = spec.dense
    panels = split(layer.made // amx.EDGE, _panel(layer)[0])
    with b.when(images < FEW):
        b.call(dense.dense_forward, x, w, bias, y, images, spec=layer)
    with b.when(images >= FEW), amx.tiles(b), b.loop(images, step=TOGETHER) as m:
        count = b.smaller(images - m, TOGETHER)
        rows = (x + m * layer.x_stride, w, bias, y + m * layer.y_stride, scratch)
        seen = b.var(b.zeros())
        for first, columns, many in runs(panels):
            with b.loop(many) as panel:
                o = (panel * columns + first) * amx.EDGE
                _forward_panel(b, rows, (o, columns), count, seen, spec)
        with b.when(_is_spoilt(b, seen.get(), spec)):
            b.call(dense.dense_forward, *rows[:-1], count, spec=layer)


def _forward_panel(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer, Pointer],
    panel: tuple[Value, int],
    count: Value,
    seen: Var,
    spec: DenseAmx,
) -> None:
    """Make some tiles of outputs, from number ``panel`` on, of up to 64 images."""
    x, w, bias, y, scratch = places
    layer, tile, (o, columns) = spec.dense, _tile(spec), panel
    (most, deep), n, width = _panel(layer), layer.outputs, columns * amx.EDGE
    rows = TOGETHER // amx.EDGE
    left, right = scratch.cast("i16"), (scratch + rows * deep * tile).cast("i32")
    sums = scratch + (rows + most) * deep * tile
    clear(b, sums, TOGETHER * width)
    with b.loop(layer.inputs, step=deep * amx.DEPTH) as k:
        for step in range(deep):
            at = w + ((k + step * amx.DEPTH) * n + o)
            _cut_weights(b, at, right + step * tile, (columns, deep * tile), spec)
        following = w + ((k + deep * amx.DEPTH) * n + o)
        for rows, is_it in _heights(count, TOGETHER):
            lines = amx.DEPTH * width // (amx.EDGE * (rows // 2 * (columns // 2)))
            how = replace(
                _product(spec),
                rows=rows,
                columns=columns,
                left_block=2 * deep * tile,
                right_column=deep * tile,
                sums_row=width,
                accumulate=True,
            )
            ahead = _rows_ahead(following, lines, (columns, n))
            with b.when(is_it):
                cut = layer.x_stride, deep, spec.cuts
                _cut_images(b, x + k, left, cut, count, rows)
                amx.multiply(b, left, right, sums, deep, how, ahead)
    with b.loop(count) as r, b.loop(width, step=amx.EDGE) as i:
        value = (sums + (r * width + i)).vector()
        seen.add(value * 0.0)
        if layer.has_bias:
            value = value + bias.vector(o + i)
        (y + r * layer.y_stride).store(apply(b, layer.function, value), o + i)


def _rows_ahead(place: Pointer, lines: int, row: tuple[int, int]) -> amx.Ahead:
    """Return rows of weights to ask for: their lines, and numbers from row to row."""
    row_lines, apart = row
    if row_lines * amx.EDGE == apart:  # all in one piece
        return amx.Ahead((place,), lines)
    return amx.Ahead((place,), lines, row_lines=row_lines, row=apart)


def _heights(count: Value, most: int) -> tuple[tuple[int, Value], ...]:
    """Return the tiles that up to so many images take, and whether they are it."""
    few, many = IMAGES // amx.EDGE, TOGETHER // amx.EDGE
    if most == IMAGES:
        return ((few, count <= IMAGES),)
    return (few, count <= IMAGES), (many, count > IMAGES)


def _is_spoilt(b: Builder, seen: Value, spec: DenseAmx | AmxRows) -> Value:
    """Whether a sum of numbers times zero met one that had to be cut and is infinite.

    Rounded ones stay what they are.
    """
    return b.total(seen).is_nan() if spec.cuts > 1 else b.i64(1) < 0


def _cut_images(
    b: Builder,
    x: Pointer,
    left: Pointer,
    how: tuple[int, int, int],
    count: Value,
    tiles: int,
) -> None:
    """left[16 images][step][part] = the numbers of images, zeros behind them."""
    _, steps, cuts = how
    with b.when(count < tiles * amx.EDGE):
        clear(b, left.cast("f32"), tiles * steps * cuts * amx.WORDS)
    _cut_rows(b, x, left, how, count)


def _cut_rows(
    b: Builder,
    x: Pointer,
    left: Pointer,
    how: tuple[int, int, int],
    count: Value | int,
) -> None:
    """left[16 rows][step][part] = the numbers of some rows."""
    stride, steps, cuts = how
    with b.loop(count) as r:
        tiles = r // amx.EDGE * (steps * cuts * _PART)
        to = left + (tiles + r % amx.EDGE * amx.DEPTH)
        row = x + r * stride
        with b.loop(steps) as step:
            at, place = row + step * amx.DEPTH, to + step * (cuts * _PART)
            cut = amx.in_row(b, at.vector(0), at.vector(amx.EDGE), count=cuts)
            for part, numbers in enumerate(cut):
                place.store(numbers, part * _PART)


def _cut_weights(
    b: Builder, w: Pointer, right: Pointer, how: tuple[int, int], spec: DenseAmx
) -> None:
    """right[column][part] = the weights of 32 inputs, two by two.

    ``how`` are the columns, and words from one to the next.
    """
    n, (columns, apart) = spec.dense.outputs, how
    with b.loop(amx.EDGE) as pair, b.loop(columns) as column:
        at = w + (pair * (2 * n) + column * amx.EDGE)
        to = right + (column * apart + pair * amx.EDGE)
        both = at.vector(0), at.vector(n)
        for part, words in enumerate(amx.paired(b, *both, count=spec.cuts)):
            to.store(words, part * amx.WORDS)


def input_scratch_size(spec: DenseAmx) -> int:
    """Return how many numbers of scratch `dense_amx_grad_input` needs."""
    return _tiles_size(spec) + dense.grad_input_scratch_size(spec.dense, amx.EDGE)


def _back_panels(layer: Dense) -> list[tuple[int, int]]:
    """Return the tiles of outputs that are summed over at once: (first, how many)."""
    return split(layer.outputs // amx.DEPTH, BACK)


def _back_block(layer: Dense) -> tuple[int, int]:
    """Return how many inputs' gradients are made together, and of how many images."""
    if layer.outputs <= SMALL:
        return amx.EDGE, IMAGES
    return 2 * amx.EDGE, TOGETHER


def _tiles_size(spec: DenseAmx) -> int:
    """Return how many of them are tiles; what the other way needs lies behind."""
    panels, (rows, images) = _back_panels(spec.dense), _back_block(spec.dense)
    blocks = spec.dense.inputs // rows if len(panels) > 1 else 1
    columns = images // amx.EDGE
    return (2 + columns) * panels[0][1] * _tile(spec) + blocks * rows * images


@kernel(grad_y="f32*", w="f32*", grad_x="f32*", scratch="f32*", images="n")
def dense_amx_grad_input(
    b: Builder,
    grad_y: Pointer,
    w: Pointer,
    grad_x: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: DenseAmx,
) -> None:
    """grad_x[m, k] = or += Σ grad_y[m, n] · w[k, n]; columns of sums are images."""
    behind, layer = scratch + _tiles_size(spec), spec.dense
    _, most = _back_block(layer)
    with b.when(images < FEW):
        b.call(dense.dense_grad_input, grad_y, w, grad_x, behind, images, spec=layer)
    with b.when(images >= FEW), amx.tiles(b), b.loop(images, step=most) as m:
        count = b.smaller(images - m, most)
        rows = (grad_y + m * layer.y_stride, w, grad_x + m * layer.x_stride, scratch)
        _grad_input_block(b, rows, count, spec)


def _grad_input_block(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    count: Value,
    spec: DenseAmx,
) -> None:
    """Make the gradient of some images, 16 or 32 inputs at a time.

    They go backwards: the last weights of the forward pass are still at hand.
    """
    grad_y, w, grad_x, scratch = places
    layer, tile, cuts = spec.dense, _tile(spec), spec.cuts
    n, panels, (height, images) = layer.outputs, _back_panels(layer), _back_block(layer)
    most, blocks, size = panels[0][1], layer.inputs // height, height * images
    left, right = scratch.cast("i16"), (scratch + 2 * most * tile).cast("i32")
    sums = scratch + (2 + images // amx.EDGE) * most * tile
    is_one = len(panels) == 1
    clear(b, sums, size if is_one else blocks * size)

    def put(block: Value, sums: Pointer) -> None:
        k = (b.i64(blocks - 1) - block) * height
        is_spoilt = _put_turned(b, sums, grad_x + k, count, spec)
        with b.when(is_spoilt):
            part = replace(layer, inputs=height)
            rows = grad_y, w + k * n, grad_x + k, scratch + _tiles_size(spec)
            b.call(dense.dense_grad_input, *rows, count, spec=part)

    for first, steps, many in runs(panels):
        with b.loop(many) as panel:
            o = (panel * steps + first) * amx.DEPTH
            with b.loop(count, step=IMAGES) as m:
                here = b.smaller(count - m, IMAGES)
                at, to = grad_y + (m * layer.y_stride + o), m // amx.EDGE * steps
                _cut_images(b, at, left, (layer.y_stride, steps, cuts), here, 2)
                with b.loop(2 * steps * cuts) as t:
                    there = right + (to * tile + t * amx.WORDS)
                    _turn(b, left.cast("i32") + t * amx.WORDS, there)
            with b.loop(blocks) as block:
                k = (b.i64(blocks - 1) - block) * height
                held = sums if is_one else sums + block * size
                at = w + (k * n + o)
                _cut_rows(b, at, left, (n, steps, cuts), height)
                following = at + (-height * n)
                for columns, is_it in _heights(count, images):
                    how = replace(
                        _product(spec),
                        rows=height // amx.EDGE,
                        columns=columns,
                        left_block=2 * steps * tile,
                        right_column=steps * tile,
                        sums_row=images,
                        accumulate=not is_one,
                    )
                    lines = height * amx.DEPTH // (amx.EDGE * (columns // 2))
                    ahead = _rows_ahead(following, lines, (2 * steps, n))
                    with b.when(is_it):
                        amx.multiply(b, left, right, held, steps, how, ahead)
                if is_one:
                    put(block, held)
    if not is_one:
        with b.loop(blocks) as block:
            put(block, sums + block * size)


def _put_turned(
    b: Builder, sums: Pointer, grad_x: Pointer, count: Value, spec: DenseAmx
) -> Value:
    """Write some inputs' gradients of some images, unless one is not finite.

    Returns whether one is.
    """
    height, images = _back_block(spec.dense)
    seen = [b.var(b.zeros()) for _ in range(4)]  # sums that do not wait for each other
    with b.loop(height, step=len(seen)) as k, b.loop(count, step=amx.EDGE) as m:
        for r, one in enumerate(seen):
            one.add((sums + ((k + r) * images + m)).vector() * 0.0)
    total = (seen[0].get() + seen[1].get()) + (seen[2].get() + seen[3].get())
    is_spoilt = _is_spoilt(b, total, spec)
    count = b.select(is_spoilt, b.i64(0), count)
    with b.loop(count, step=amx.EDGE) as m, b.loop(height, step=amx.EDGE) as k:
        at = sums + (k * images + m)
        held = [at.vector(r * images) for r in range(amx.EDGE)]
        for image, value in enumerate(square(b, held)):
            with b.when(count - m > image):
                to = grad_x + ((m + image) * spec.dense.x_stride + k)
                to.store(value + to.vector() if spec.dense.accumulate else value)
    return is_spoilt


def _turn(b: Builder, tile: Pointer, to: Pointer) -> None:
    """Write a tile of words with rows and columns exchanged."""
    rows = [tile.vector(r * amx.EDGE) for r in range(amx.EDGE)]
    for r, row in enumerate(square(b, rows)):
        to.store(row, r * amx.EDGE)


@dataclass(frozen=True, slots=True)
class AmxRows:
    """So many rows of the weights' derivative, made at once: whole tiles.

    ``cut_stride`` are words from one image's cut derivatives to the next one's;
    ``asked`` is how many of weights, slot 0 and slot 1 the update reads at once.
    """

    dense: Dense
    rows: int
    cut_stride: int
    asked: int = 0
    cuts: int = amx.PARTS


def cut_size(spec: DenseAmx) -> int:
    """Return how many words an image's derivatives take, cut into parts."""
    return spec.dense.outputs * spec.cuts // 2


@kernel(grad_y="f32*", cut="i32*", index="n", images="n", count="n")
def dense_amx_cut(
    b: Builder,
    grad_y: Pointer,
    cut: Pointer,
    index: Value,
    images: Value,
    count: Value,
    *,
    spec: AmxRows,
) -> None:
    """Cut the derivatives of a chunk into parts: tiles [column][part], pairs of images.

    ``cut`` points at the batch's first image, ``grad_y`` at the chunk's, which is the
    batch's number ``index``, an even one. Behind the batch's last image, as ``count``
    tells, its 32 are filled up with zeros.
    """
    lanes, dense = amx.EDGE, spec.dense
    with b.loop(images, step=2) as m:
        at, to = grad_y + m * dense.y_stride, _pair(cut, index + m, spec)
        with b.loop(dense.outputs // lanes) as column:
            even = (at + column * lanes).vector()
            odd = b.var(b.zeros())
            with b.when(m + 1 < images):
                odd.set((at + column * lanes + dense.y_stride).vector())
            cut_ = amx.paired(b, even, odd.get(), count=spec.cuts)
            for part, words in enumerate(cut_):
                (to + column * _tile(spec)).store(words, part * amx.WORDS)
    end = index + images
    with b.when(end >= count):
        first, last = (end + 1) // 2 * 2, (end + IMAGES - 1) // IMAGES * IMAGES
        with b.loop(last, start=first, step=2) as m:
            to = _pair(cut, m, spec)
            with b.loop(dense.outputs // lanes * spec.cuts) as tile:
                to.cast("f32").store(b.zeros(), tile * amx.WORDS)


def _pair(cut: Pointer, image: Value, spec: AmxRows) -> Pointer:
    """Return where an image and the next one lie in the first tile of their 32."""
    whole, pair = image // IMAGES, image % IMAGES // 2
    return cut + (whole * (IMAGES * spec.cut_stride) + pair * amx.EDGE)


def weight_scratch_size(spec: AmxRows) -> int:
    """Return how many numbers of scratch `dense_amx_grad_weight` needs."""
    return (1 + spec.rows // amx.EDGE * STEPS) * _tile(spec)


@kernel(
    x="f32*",
    grad_y="f32*",
    grad="f32*",
    cut="i32*",
    scratch="f32*",
    weights="f32*",
    slot0="f32*",
    slot1="f32*",
    images="n",
)
def dense_amx_grad_weight(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad: Pointer,
    cut: Pointer,
    scratch: Pointer,
    weights: Pointer,
    slot0: Pointer,
    slot1: Pointer,
    images: Value,
    *,
    spec: AmxRows,
) -> None:
    """grad[k, n] = Σ over images x[m, k] · grad_y[m, n]; x points at the first row.

    What the update of these rows reads is asked for meanwhile.
    """
    ahead = (weights, slot0, slot1)[: spec.asked]
    plain = dense.Rows(spec.dense, spec.rows)
    with b.when(images < FEW):
        b.call(dense.dense_grad_weight, x, grad_y, grad, images, spec=plain)
    with b.when(images >= FEW), amx.tiles(b):
        clear(b, grad, spec.rows * spec.dense.outputs)
        with b.loop(images, step=STEPS * IMAGES) as m:
            count = b.smaller(images - m, STEPS * IMAGES)
            at = x + m * spec.dense.x_stride, cut + m * spec.cut_stride
            places = *at, grad, scratch
            _grad_weight_block(b, places, count, spec, ahead)
        seen = b.var(b.zeros())
        with b.loop(spec.rows * spec.dense.outputs, step=amx.EDGE) as i:
            seen.add(grad.vector(i) * 0.0)
        with b.when(_is_spoilt(b, seen.get(), spec)):
            b.call(dense.dense_grad_weight, x, grad_y, grad, images, spec=plain)


def _grad_weight_block(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    count: Value,
    spec: AmxRows,
    ahead: tuple[Pointer, ...],
) -> None:
    x, cut, grad, scratch = places
    tile, words = _tile(spec), scratch.cast("i32")
    left = words + tile
    stride, blocks = spec.dense.x_stride, spec.rows // amx.EDGE
    steps = (count + IMAGES - 1) // IMAGES
    with b.loop(steps) as step:
        here = b.smaller(count - step * IMAGES, IMAGES)
        with b.when(here < IMAGES):
            clear(b, words.cast("f32"), tile)
        with b.loop(blocks) as block:
            at = x + (step * (IMAGES * stride) + block * amx.EDGE)
            _cut_pairs(b, at, words, here, spec)
            to = left + (block * STEPS + step) * tile
            for part in range(spec.cuts):
                _turn(b, words + part * amx.WORDS, to + part * amx.WORDS)
    how = replace(
        _product(spec),
        rows=blocks,
        columns=spec.dense.outputs // amx.EDGE,
        left_block=STEPS * 2 * tile,
        right_step=IMAGES * spec.cut_stride,
        sums_row=spec.dense.outputs,
        accumulate=True,
    )
    asked = amx.Ahead(ahead, 32, to_write=True)
    amx.multiply(b, left.cast("i16"), cut, grad, steps, how, asked)


def _cut_pairs(
    b: Builder, x: Pointer, words: Pointer, images: Value, spec: AmxRows
) -> None:
    """words[part][pair of images] = 16 inputs of each; a last odd one stands alone."""
    stride = spec.dense.x_stride

    def put(pair: Value, odd: Value) -> None:
        even = (x + pair * (2 * stride)).vector()
        for part, both in enumerate(amx.paired(b, even, odd, count=spec.cuts)):
            (words + pair * amx.EDGE).store(both, part * amx.WORDS)

    with b.loop(images // 2) as pair:
        put(pair, (x + pair * (2 * stride) + stride).vector())
    with b.when((images % 2).equals(1)):
        put(images // 2, b.zeros())
