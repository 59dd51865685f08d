"""Masks drawn in a kernel against those drawn in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.kernel_runner import aligned, compiled

from pellucid.engines import dropout as reference
from pellucid.engines.compiled.kernels.elementwise import dropout


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3, 2**64 - 1])
@pytest.mark.parametrize(("size", "rate"), [(1, 0.5), (37, 0.1), (400, 0.9)])
def test_masks_are_those_of_every_engine(seed, size, rate):
    indices, step = np.array([0, 5, 2**20]), 2**33 + 1
    wanted = reference.mask(
        rate, (size,), seed=seed, node="here", step=step, indices=indices
    )
    spec = dropout.Mask(size, rate, reference.node_key(0, "here")[1])
    draw, mask = compiled(dropout.dropout_mask, spec), aligned((size + 64,))
    signed = seed - 2**64 if seed >= 2**63 else seed
    for row, index in zip(wanted, indices, strict=True):
        draw(mask, int(index), signed, step)
        assert np.array_equal(mask[:size], row)
