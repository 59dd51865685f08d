"""Sums become codes with the bits of the numpy engine's fixed-point arithmetic."""

import numpy as np
import pytest
from oracles.kernel_runner import aligned, compiled
from oracles.kernels import LANES

from pellucid.engines.compiled.codegen import kernel
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.quantized.code_scaling import (
    CodeScaling,
    Scaler,
    encode_factors,
)
from pellucid.engines.numpy.layers.integer_arithmetic import multiply_fixed_point

MULTIPLIERS = (2**30, 2**30 + 1, 3 * 2**29, 2**31 - 1)
SHIFTS = range(-31, 31)
SUMS = np.array(
    [
        *range(-3, 4),
        *(
            sign * (2**n + d)
            for n in (7, 22, 30)
            for sign in (-1, 1)
            for d in (-1, 0, 1)
        ),
        -(2**31),
        2**31 - 1,
    ],
    np.int64,
)


@kernel(x="i32*", factors="f32*", y="i8*")
def scale_rows(b, x, factors, y, *, spec):
    scaling, rows = spec
    with b.loop(scaling.channels // b.lanes) as k:
        scaler = Scaler(b, scaling, factors, k * b.lanes, b.lanes)
        with b.loop(rows) as r:
            at = r * scaling.channels + k * b.lanes
            (codes,) = scaler([x.vector(at)])
            y.store(b.resize(codes, "i8"), at)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("rounding", ["twice", "once"])
def test_every_multiplier_and_shift_rounds_as_the_definition(rounding, lanes):
    fixed = [(m, shift) for shift in SHIFTS for m in MULTIPLIERS] + [(0, 0)] * 8
    drawn = np.random.default_rng(0).integers(-(2**20), 2**20, (40, len(fixed)))
    sums = np.concatenate(
        [np.broadcast_to(SUMS[:, None], (len(SUMS), len(fixed))), drawn]
    )
    scaling = CodeScaling(rounding, -100, 120, 101, len(fixed))
    factors = aligned((8 * len(fixed),))
    factors[:] = encode_factors(fixed, rounding, len(fixed), lanes)
    x, y = aligned(sums.shape, np.int32), aligned((sums.size,), np.uint8)
    x[...] = sums
    compiled(scale_rows, (scaling, len(sums)), on=target(lanes))(x, factors, y)
    x, m, shift = (part.astype(object) for part in (sums, *np.array(fixed).T))
    if rounding == "twice":  # of Python's integers, which have no limit
        expected = multiply_fixed_point(x, m, shift)
    else:
        expected = (x * m + 2 ** (30 - shift)) >> (31 - shift)
    got = y.reshape(sums.shape)
    np.testing.assert_array_equal(got, np.clip(expected, -100, 120) + 101)
