import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.bfloat16 import rounded
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import numbers
from oracles.maps import aligned

from pellucid.engines.compiled.codegen import kernel
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.amx import amx

needs_amx = pytest.mark.skipif(
    not target().has_amx, reason="this processor has no AMX tiles for bfloat16"
)
NORMAL = st.floats(2.0**-90, 2.0**90, width=32)
SIGNED = st.one_of(NORMAL, NORMAL.map(lambda x: -x))


@kernel(x="f32*", found="i32*")
def cut(b, x, found, *, spec):
    for part, bits in enumerate(amx.parts(b, x.vector(lanes=16))):
        found.store(bits, part * 16)


@kernel(x="f32*", left="f32*")
def cut_left(b, x, left, *, spec):
    """Cut 16 · rows rows of 32 · steps numbers."""
    rows, steps = spec
    to = left.cast("i16")
    with b.loop(16 * rows) as r, b.loop(steps) as step:
        at = x + (r * (32 * steps) + step * 32)
        cuts = amx.in_row(b, at.vector(0, lanes=16), at.vector(16, lanes=16))
        for part, halves in enumerate(cuts):
            (to + (r * (32 * steps) + step * 32)).store(
                halves, part * (16 * rows * 32 * steps)
            )


@kernel(w="f32*", right="i32*")
def cut_right(b, w, right, *, spec):
    """Cut 32 · steps rows of 16 · columns numbers."""
    steps, columns = spec
    with b.loop(columns) as column, b.loop(steps) as step, b.loop(16) as pair:
        at = w + ((step * 32 + pair * 2) * (16 * columns) + column * 16)
        both = (at.vector(r * 16 * columns, lanes=16) for r in (0, 1))
        to = right + ((column * steps + step) * (amx.PARTS * amx.WORDS) + pair * 16)
        for part, words in enumerate(amx.paired(b, *both)):
            to.store(words, part * amx.WORDS)


@kernel(left="f32*", right="i32*", sums="f32*")
def multiply(b, left, right, sums, *, spec):
    product, steps = spec
    with amx.tiles(b):
        amx.multiply(b, left.cast("i16"), right, sums, steps, product)


def product_of(rows, steps, columns, *, accumulate):
    return amx.Product(
        rows=rows,
        columns=columns,
        left_row=32 * steps,
        left_part=16 * rows * 32 * steps,
        left_step=32,
        left_block=16 * 32 * steps,
        right_step=amx.PARTS * amx.WORDS,
        right_column=steps * amx.PARTS * amx.WORDS,
        sums_row=16 * columns,
        accumulate=accumulate,
    )


@pytest.mark.skipif(target().lanes < 16, reason="vectors have fewer than 16 lanes")
@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.lists(SIGNED, min_size=16, max_size=16))
def test_three_parts_of_8_bits_are_the_number(numbers_):
    x, found = aligned((16,)), aligned((3, 16), np.int32)
    x[:] = numbers_
    compiled(cut)(x, found)
    parts = found.view(np.float32).astype(np.float64)
    assert (parts.sum(axis=0) == x).all()
    assert not (found & 0xFFFF).any()
    assert (abs(parts[1]) <= 2.0**-8 * abs(parts[0])).all()
    assert (abs(parts[2]) <= 2.0**-16 * abs(parts[0])).all()


@kernel(x="f32*", found="f32*")
def round_to_bfloat16(b, x, found, *, spec):
    found.cast("i16").store(amx.rounded(b, x.vector(0), x.vector(16)))


@needs_amx
@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.lists(st.floats(width=32), min_size=32, max_size=32))
def test_one_part_is_rounded_to_the_nearest_ties_to_even(numbers_):
    x, found = aligned((32,)), aligned((32,), np.uint16)
    x[:] = numbers_
    compiled(round_to_bfloat16)(x, found)
    seen = (found.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(seen, rounded(x))


@needs_amx
@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 7), st.booleans())
def test_a_product_is_nearer_than_float32s_own(rows, steps, columns, accumulate):
    x, w = numbers((16 * rows, 32 * steps)), numbers((32 * steps, 16 * columns), 1)
    left, right = aligned((3 * x.size // 2,)), aligned((3 * w.size // 2,), np.int32)
    sums = aligned((16 * rows, 16 * columns))
    sums[:] = before = numbers(sums.shape, 2)
    x_, w_ = aligned(x.shape), aligned(w.shape)
    x_[:], w_[:] = x, w
    compiled(cut_left, (rows, steps))(x_, left)
    compiled(cut_right, (steps, columns))(w_, right)
    spec = product_of(rows, steps, columns, accumulate=accumulate), steps
    compiled(multiply, spec)(left, right, sums)
    exact = x.astype(float) @ w + (before if accumulate else 0.0)
    size = abs(x).astype(float) @ abs(w)
    own = abs((x @ w + (before if accumulate else np.float32(0.0))) - exact) / size
    assert (abs(sums - exact) / size).max() <= max(own.max(), 2.0**-24)


@needs_amx
def test_what_a_single_product_leaves_out_is_small_and_has_either_sign():
    x, w = aligned((16, 32)), aligned((32, 16))
    x[:, 0] = 1 + abs(numbers((16,)))  # one number of each row, so nothing is summed
    w[0] = 1 + abs(numbers((16,), 1))
    left, right = aligned((3 * x.size // 2,)), aligned((3 * w.size // 2,), np.int32)
    compiled(cut_left, (1, 1))(x, left)
    compiled(cut_right, (1, 1))(w, right)
    sums = aligned((16, 16))
    spec = product_of(1, 1, 1, accumulate=False), 1
    compiled(multiply, spec)(left, right, sums)
    exact = np.outer(x[:, 0].astype(float), w[0])
    error = (sums - exact) / exact * 2.0**24
    assert abs(error).max() <= 3  # 2⁻²³ is left out at most, 2⁻²⁴ rounded
    assert np.sqrt((error**2).mean()) < 0.75
    assert abs(error.mean()) < 0.15
