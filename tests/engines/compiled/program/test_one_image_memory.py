"""Memory that outputs share while one image alone is predicted."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.engines.compiled.lowering import context
from pellucid.network import Network, layers


def varied():
    """Return gates, sums, pools, a concatenation, padded channels and halos."""
    x = entry = layers.Input(9, 8, 20)
    x = layers.ReLU()(layers.Conv2D(32, kernel_size=3, padding=1)(x))
    for _ in range(2):
        y = layers.SiLU()(layers.Conv2D(70, kernel_size=1)(x))
        y = layers.Conv2D(70, kernel_size=3, padding=1, groups=70)(y)
        y = layers.Multiply()(y, layers.Sigmoid()(pixel(layers.GlobalAvgPool2D()(y))))
        y = layers.Conv2D(32, kernel_size=1)(y)
        x = layers.ReLU()(layers.Add()(y, x))
    y = layers.MaxPool2D(2)(layers.Conv2D(48, kernel_size=1)(x))
    z = layers.Concat()(y, layers.MaxPool2D(2)(x))
    z = layers.ReLU()(layers.BatchNorm()(z))
    end = layers.Dense(3)(layers.Flatten()(z))
    return Network(inputs=entry, outputs=end)


def pixel(x):
    return layers.Reshape((1, 1, 70))(x)


@pytest.mark.parametrize("threads", [1, 2])
def test_one_image_is_the_same_to_the_bit_before_and_after_many(
    twins, monkeypatch, threads
):
    monkeypatch.setattr(context, "SHARED_WORK", 0)
    pair = twins(varied(), threads=threads)
    for count in (1, 3, 1):
        pair.check_predict(count)
    program = pair.fast._predictor
    apart = sum(buffer.stride * 4 for buffer in program._starts_of_one)
    assert 0 < program._bytes_of_one < 0.8 * apart
    first = pair.fast.predict(pair.images(1))
    pair.fast.predict(pair.images(2, seed=5))
    pair.fast.predict(pair.images(1, seed=7))
    for _ in range(2):
        found = pair.fast.predict(pair.images(1))
        np.testing.assert_array_equal(found.view(np.int32), first.view(np.int32))
