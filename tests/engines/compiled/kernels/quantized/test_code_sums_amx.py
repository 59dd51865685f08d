"""Integer sums on AMX tiles: the bits of vectors, and of the numpy engine."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.engines.compiled.codegen import cpu

needs_tiles = pytest.mark.skipif(
    not (cpu.target().has_amx and "+amx-int8" in cpu.target().features.split(",")),
    reason="this processor has no AMX tiles for bytes",
)


def network() -> pl.Network:
    """Rows and whole images as tiles, strides, dilation, three tiles of outputs."""
    image = pl.Input(20, 18, 8)
    x = pl.Conv2D(48, 5, stride=2, padding="same", activation="relu")(image)
    x = pl.Conv2D(64, 3, dilation=2, padding="same", activation="relu")(x)
    x = pl.Conv2D(32, 1, bias=False)(pl.Conv2D(128, 1)(x))
    x = pl.GlobalAvgPool2D()(pl.Conv2D(32, 3)(x))
    return pl.Network(inputs=image, outputs=pl.Dense(10)(x))


@needs_tiles
def test_tiles_vectors_and_numpy_give_the_same_bits() -> None:
    model = pl.Model(network(), engine="numpy", seed=1)
    random = np.random.default_rng(0)
    images = random.normal(size=(5, 20, 18, 8)).astype(np.float32)
    integers = exchange.quantize(model, images, engine="numpy")
    expected = integers.predict(images)
    for amx in (True, False):
        engine = pl.engines.compiled(threads=1, amx=amx)
        found = exchange.quantize(model, images, engine=engine)
        for count in (1, 5):
            np.testing.assert_array_equal(
                found.predict(images[:count]), expected[:count]
            )
        plan = str(found.session.plan)
        assert plan.count("on AMX") == (3 if amx else 0)
