"""Keras models with operations of two tensors, and a Normalization that counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl

keras = pytest.importorskip("keras", reason="keras is not installed")
pytest.importorskip("tensorflow", reason="tensorflow is not installed")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_tensors_are_combined_and_inputs_normalised(
    tmp_path: Path, ending: str
) -> None:
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    normalization = keras.layers.Normalization()
    normalization.adapt(random.normal(2, 3, (10, 6, 6, 3)).astype(np.float32))
    x = normalization(image)
    left, right = (keras.layers.Conv2D(4, 3, name=name)(x) for name in "lr")
    model = keras.Model(image, keras.layers.Dense(2)(left + right * left - 1))
    path = tmp_path / f"m.{ending}"
    model.save(path)
    ours = pl.exchange.read(path, engine="numpy")
    images = random.normal(size=(2, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(ours.predict(images), model(images).numpy(), atol=1e-5)
