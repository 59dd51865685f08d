"""Tests of the one rule for element types, wherever a model is handed images."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import DataError, ShapeError

PIXELS = np.random.default_rng(0).integers(0, 128, (4, 6, 6, 1)).astype(np.uint8)
LABELS = np.arange(4) % 3
INTEGERS = ["?", "i1", "i2", "u2", "i4", "u4", "i8", "u8"]


@pytest.fixture(params=["numpy", "compiled"])
def model(request):
    network = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Flatten(),
        pl.Dense(3),
        preprocessing=pl.Preprocessing.signed(),
    )
    return pl.Model(
        network, engine=request.param, loss="cross_entropy", optimizer="sgd"
    )


def ways(model):
    """Return every way to hand a model images."""
    from pellucid.explain import arithmetic, saliency
    from pellucid.model.inputs import prepare_images

    grad = np.ones((4, 3), np.float32)
    return {
        "predict": model.predict,
        "activations": model.activations,
        "gradients": lambda x: model.gradients(x, LABELS),
        "vjp": lambda x: model.vjp(x, grad),
        "evaluate": lambda x: model.evaluate((x, LABELS)),
        "train_step": lambda x: model.train_step(x, LABELS),
        "fit": lambda x: model.fit((x, LABELS), progress=False),
        "validation_data": lambda x: model.fit(
            (PIXELS, LABELS), validation_data=(x, LABELS), progress=False
        ),
        "arithmetic": lambda x: arithmetic(model, x[:1], "dense"),
        "saliency": lambda x: saliency(model, x[:1]),
        "serving": lambda x: prepare_images(
            x, model.network, model.preprocessing, model.dtype
        ),
    }


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_other_than_uint8_are_refused_everywhere(model, dtype):
    for call in ways(model).values():
        with pytest.raises(DataError, match="must be uint8 or floats; got dtype="):
            call(PIXELS.astype(dtype))


def test_uint8_goes_through_preprocessing_everywhere(model):
    ready = model.preprocessing.apply(PIXELS)
    np.testing.assert_allclose(model.predict(PIXELS), model.predict(ready), rtol=1e-6)
    assert model.evaluate((PIXELS, LABELS)) == model.evaluate((ready, LABELS))
    one, other = (model.gradients(x, LABELS)[1] for x in (PIXELS, ready))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_floats_are_taken_as_they_are(model, dtype):
    ready = np.rint(model.preprocessing.apply(PIXELS) * 4) / 4
    expected = model.predict(ready.astype(np.float32))
    np.testing.assert_array_equal(model.predict(ready.astype(dtype)), expected)


@pytest.mark.parametrize("dtype", [*INTEGERS, "f4"])
def test_plain_vectors_may_be_integers(dtype):
    network = pl.Sequential(pl.Input(2), pl.Dense(1))
    model = pl.Model(network, engine="numpy", loss="mse", optimizer="sgd")
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    expected = model.predict(inputs.astype(np.float32))
    np.testing.assert_array_equal(model.predict(inputs.astype(dtype)), expected)
    targets = np.array([[0.0], [1.0], [1.0], [0.0]])
    model.fit((inputs.astype(dtype), targets), epochs=2, progress=False)
    assert model.predict(inputs.tolist()).shape == (4, 1)


def test_grey_images_do_not_become_colour_by_their_preprocessing():
    how = pl.Preprocessing(scale=(1 / 255,) * 3, offset=(0.0,) * 3)
    network = pl.Sequential(pl.Input(6, 6, 3), pl.Flatten(), pl.Dense(3))
    model = pl.Model(network, engine="numpy", preprocessing=how)
    with pytest.raises(ShapeError, match=r"must have shape \(N, 6, 6, 3\)"):
        model.predict(PIXELS)
