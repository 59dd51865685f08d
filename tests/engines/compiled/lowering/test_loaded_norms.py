"""Batch norms that a convolution applies to what it loads."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.engines.compiled.codegen import cpu
from pellucid.network import Network, layers

pytestmark = pytest.mark.skipif(
    not cpu.target().has_amx, reason="only kernels on AMX normalize what they load"
)


def normalized_twice(stride=1, padding=0):
    """Return two 1×1 convolutions behind batch norms, large enough to be shared."""
    x = entry = layers.Input(35, 33, 64)
    x = layers.ReLU()(layers.BatchNorm()(x))
    x = layers.Conv2D(256, kernel_size=1, activation="relu")(x)
    x = layers.BatchNorm()(x)
    x = layers.Conv2D(64, kernel_size=1, stride=stride, padding=padding)(x)
    return Network(inputs=entry, outputs=x)


def norms(pair):
    """Return how many batch norms are steps of their own."""
    low = pair.fast._predictor.low
    names = [step.kernel.name for phase in low.phases for step in phase.steps()]
    return sum(name.startswith("norm_forward") for name in names)


@pytest.mark.parametrize(("stride", "padding", "apart"), [(2, 0, 0), (1, 1, 1)])
def test_a_convolution_normalizes_the_pixels_that_it_loads(
    twins, stride, padding, apart
):
    pair = twins(normalized_twice(stride, padding), threads=2)
    for count in (1, 3):
        pair.check_predict(count)
    assert norms(pair) == apart


def test_pixels_that_are_not_finite_are_normalized_for_the_kernel_without_amx(twins):
    pair = twins(normalized_twice())
    x = pair.images(1)
    x[0, 3, 5, 7], x[0, 20, 2, 0] = np.inf, np.nan
    with np.errstate(all="ignore"):
        wanted = pair.slow.predict(x.astype(np.float64))
    found = pair.fast.predict(x)
    is_finite = np.isfinite(wanted)
    assert not is_finite.all()
    np.testing.assert_array_equal(np.isfinite(found), is_finite)
    size = np.abs(wanted[is_finite]).max()
    np.testing.assert_allclose(found[is_finite], wanted[is_finite], atol=1e-5 * size)


def test_without_fusion_every_norm_is_a_step(twins):
    pair = twins(normalized_twice(), fuse=False)
    pair.check_predict(1)
    assert norms(pair) == 2
