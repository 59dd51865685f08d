"""1×1 convolution on AMX tiles.

A pixel is a row of a matrix product. 64 of them go together: their numbers are cut into
parts, multiplied by all weights, which were cut before, and the sums get bias and
activation on their way to the output. An infinite number has no parts; pixels that meet
what is not finite are made again without AMX. A batch norm before the convolution is
applied to what is loaded, before it is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
    sized,
    written_out,
)
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx
from pellucid.engines.compiled.kernels.amx.not_finite import (
    Plain,
    PlainForm,
    are_finite,
    conv_plain,
    finish,
    plain_form,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise.activation import Function, apply
from pellucid.engines.compiled.kernels.norm.batch_norm import Normal
from pellucid.engines.compiled.kernels.tile import Part

#: pixels that go together, and how many of them fill the tiles of one product
PIXELS, ROWS = 64, 32
#: fewest channels on either side, and pixels, for which it pays to cut numbers
LEAST_CHANNELS, LEAST_PIXELS = 64, 64
#: bytes of the weights' parts that stay in the second cache
CACHED = 2 << 20


def pointwise_amx_fits(spec: ConvAmx) -> bool:
    """Return whether a convolution fills tiles, and is large enough to gain."""
    conv = spec.conv
    x, y = conv.x, conv.y
    is_pointwise = conv.kernel == (1, 1) and conv.groups == 1
    is_whole = x.channels == x.padded_channels and x.channels % amx.DEPTH == 0
    is_whole = is_whole and y.padded_channels % amx.DEPTH == 0
    is_large = min(x.channels, y.channels) >= LEAST_CHANNELS
    is_large = is_large and y.height * y.width >= LEAST_PIXELS
    is_cached = 4 * spec.right_size <= CACHED
    return is_pointwise and is_whole and is_large and is_cached


def pointwise_scratch_size(spec: ConvAmx) -> int:
    """Return how many elements of scratch a worker needs."""
    left = PIXELS // amx.EDGE * spec.steps * spec.tile
    return left + PIXELS * spec.conv.y.padded_channels


def blocks(conv: Conv) -> int:
    """Return how many times pixels go together."""
    return -(-conv.y.height * conv.y.width // PIXELS)


@dataclass(frozen=True, slots=True)
class PointwiseForm(PlainForm):
    """A 1×1 convolution for any size: ``steps`` of 32 inputs, where images begin."""

    pixels: Number
    steps: Number
    x_begin: Number
    y_begin: Number
    cuts: int


@dataclass(frozen=True, slots=True)
class Normalized:
    """The same behind a batch norm and an activation, or none."""

    spec: ConvAmx
    before: Function | None


@dataclass(frozen=True, slots=True)
class NormalizedForm(PointwiseForm):
    """The same for any size."""

    before: Function | None


def _normalized_form(b: Builder, spec: Normalized) -> NormalizedForm:
    form = _form(b, spec.spec)
    own = {field.name: getattr(form, field.name) for field in fields(form)}
    return NormalizedForm(**own, before=spec.before)


def _form(b: Builder, spec: ConvAmx) -> PointwiseForm:
    del b
    conv = spec.conv
    plain = plain_form(Plain(conv, conv.y.width))
    return PointwiseForm(
        **{field.name: getattr(plain, field.name) for field in fields(plain)},
        pixels=conv.y.height * conv.y.width,
        steps=spec.steps,
        x_begin=conv.x.at(-conv.top_left[0], -conv.top_left[1]),
        y_begin=conv.y.at(0, 0),
        cuts=spec.cuts,
    )


@sized(_form)
@written_out
@kernel(x="f32*", right="f32*", w="f32*", bias="f32*", y="f32*", scratch="f32*")
def pointwise_amx(
    b: Builder,
    x: Pointer,
    right: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    scratch: Pointer,
    *,
    spec: PointwiseForm,
    part: Part | None = None,
) -> None:
    """y[i, j, o] = f(bias[o] + Σ x[i·s, j·s, c] · w[c, o]); a part is some `blocks`."""
    _multiply(b, (x, right, w, bias, y, scratch), spec, part)


@sized(_normalized_form)
@written_out
@kernel(
    x="f32*",
    statistics="f32*",
    scale="f32*",
    offset="f32*",
    right="f32*",
    w="f32*",
    bias="f32*",
    y="f32*",
    scratch="f32*",
)
def pointwise_amx_normalized(
    b: Builder,
    x: Pointer,
    statistics: Pointer,
    scale: Pointer,
    offset: Pointer,
    right: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    scratch: Pointer,
    *,
    spec: NormalizedForm,
    part: Part | None = None,
) -> None:
    """The same of g((x − mean) · scale / σ + offset), g an activation or nothing."""

    def normal(value: Value, channel: Value) -> Value:
        places = statistics, scale, offset
        norm = Normal(b, places, channel, value.type.count, spec.channels)
        return apply(b, spec.before, norm.output(value))

    _multiply(b, (x, right, w, bias, y, scratch), spec, part, normal)


def _multiply(
    b: Builder,
    places: tuple[Pointer, ...],
    spec: PointwiseForm,
    part: Part | None,
    normal: Callable[[Value, Value], Value] | None = None,
) -> None:
    """Write the loops; ``normal`` is what x goes through, by vector and channel."""
    x, right, w, bias, y, scratch = places
    pixels, n, steps = b.i64(spec.pixels), b.i64(spec.outputs), b.i64(spec.steps)
    tile = spec.cuts * amx.WORDS
    halves = 2 * tile
    first, last = part or (b.i64(0), (pixels + (PIXELS - 1)) // PIXELS)
    left, sums = scratch.cast("i16"), scratch + steps * (PIXELS // amx.EDGE * tile)
    x, y = x + spec.x_begin, y + spec.y_begin
    product = amx.Product(
        rows=ROWS // amx.EDGE,
        columns=2,
        left_row=amx.DEPTH,
        left_part=amx.EDGE * amx.DEPTH,
        left_step=halves,
        left_block=steps * halves,
        right_step=tile,
        right_column=steps * tile,
        sums_row=n,
        parts=spec.cuts,
    )
    with amx.tiles(b), b.loop(last, start=first) as block:
        begin = block * PIXELS
        count = b.smaller(pixels - begin, PIXELS)
        with b.loop(count) as r:
            i, j = (begin + r) // spec.width, (begin + r) % spec.width
            row = x + (i * spec.x_row + j * spec.x_column)
            to = left + (r // amx.EDGE * (steps * halves) + r % amx.EDGE * amx.DEPTH)
            with b.loop(steps) as step:
                c, place = step * amx.DEPTH, to + step * halves
                both = [row.vector(c + at, lanes=amx.EDGE) for at in (0, amx.EDGE)]
                if normal:
                    both = [normal(v, c + i * amx.EDGE) for i, v in enumerate(both)]
                cut = amx.in_row(b, *both, count=spec.cuts)
                for number, part_ in enumerate(cut):
                    place.store(part_, number * (amx.EDGE * amx.DEPTH))
        words = right.cast("i32")
        with (
            b.loop(n // amx.DEPTH) as j,  # two columns of tiles, read once for all rows
            b.loop((count + (ROWS - 1)) // ROWS) as i,
        ):
            amx.multiply(
                b,
                left + i * (steps * (2 * halves)),
                words + j * (steps * (2 * tile)),
                sums + (i * (n * ROWS) + j * amx.DEPTH),
                steps,
                product,
            )
        is_good = b.i64(0) < count
        if spec.cuts > 1:
            is_good, is_bad = are_finite(b, sums, count, n)
            with b.when(is_bad):
                seen, form = x, spec
                if normal:  # the parts are not needed any more
                    seen, form = _written(b, (x, scratch), spec, (begin, count), normal)
                outputs = b.i64(0), n
                b.call(conv_plain, seen, w, bias, y, begin, count, *outputs, spec=form)
        with b.when(is_good), b.loop(count) as r:
            i, j = (begin + r) // spec.width, (begin + r) % spec.width
            row, to = sums + r * n, y + (i * spec.y_row + j * n)
            with b.loop(n, step=amx.EDGE) as o:
                finish(b, spec, row.vector(o), bias + o, to + o)


def _written(
    b: Builder,
    places: tuple[Pointer, Pointer],
    spec: PointwiseForm,
    pixels: tuple[Value, Value],
    normal: Callable[[Value, Value], Value],
) -> tuple[Pointer, PointwiseForm]:
    """Write some normalized pixels; return where pixel 0 would lie, and how they do."""
    (x, to), (begin, count), channels = places, pixels, b.i64(spec.channels)
    with b.loop(count) as r:
        i, j = (begin + r) // spec.width, (begin + r) % spec.width
        row = x + (i * spec.x_row + j * spec.x_column)
        with b.loop(channels, step=amx.EDGE) as c:
            to.store(normal(row.vector(c, lanes=amx.EDGE), c), r * channels + c)
    form = replace(spec, x_row=channels * spec.width, x_column=channels)
    return to + begin * (channels * -1), form
