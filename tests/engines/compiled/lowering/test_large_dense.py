"""Large fully connected layers are tasks over all images, with the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.lowering.layers import lower_large_dense

pytestmark = pytest.mark.skipif(
    not target().has_amx, reason="this processor has no AMX tiles for bfloat16"
)


def network_of() -> pl.Network:
    x = image = pl.Input(4, 4, 16)
    x = pl.Flatten()(x)
    for units in (192, 192):
        x = pl.Dropout(0.3)(pl.ReLU()(pl.Dense(units)(x)))
    return pl.Network(inputs=image, outputs=pl.Dense(3)(x))


def images_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(count)
    images = draws.standard_normal((count, 4, 4, 16)).astype(np.float32)
    return images, np.arange(count) % 3


def trained(**optimizer: float) -> pl.Model:
    """Return a model after steps whose chunks fill tiles, or are all too few for them.

    Of others, which kernel makes an image depends on whom it goes together with.
    """
    model = pl.Model(
        network_of(),
        engine=pl.engines.compiled(threads=2),
        loss="cross_entropy",
        optimizer=pl.Adam(0.01, **optimizer),
        seed=0,
    )
    for count in (64, 7, 96):
        model.train_step(*images_of(count))
    return model


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower_large_dense, "LARGE", 1)
    monkeypatch.setattr(lower_large_dense, "PANEL", 64)
    monkeypatch.setattr(lower_large_dense, "LEAST", 32)


def phases(model: pl.Model) -> int:
    return sum(phase.title == "all images" for phase in model.plan.low.phases)


@pytest.mark.parametrize("optimizer", [{}, {"clip_norm": 0.1}])
def test_weights_are_the_same_to_the_bit(optimizer, request):
    whole = trained(**optimizer)
    request.getfixturevalue("small_is_large")
    parts = trained(**optimizer)
    assert (phases(whole), phases(parts)) == (0, 3)  # two forward, one back
    for name, weight in whole.weights.items():
        np.testing.assert_array_equal(parts.weights[name], weight, err_msg=name)


def test_gradients_are_those_of_numpy(small_is_large):
    network, (images, labels) = network_of(), images_of(40)
    found = [
        pl.Model(network, engine=engine, loss="cross_entropy", seed=0).gradients(
            images, labels
        )
        for engine in (pl.engines.compiled(threads=2), "numpy")
    ]
    for name, gradient in found[1][1].items():
        np.testing.assert_allclose(found[0][1][name], gradient, atol=2e-5, err_msg=name)
