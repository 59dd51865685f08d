"""Tests of the warning of floats far outside of the range of training."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pellucid as pl

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 1)).astype(np.uint8)
LABELS = np.arange(8) % 3
RAW = PIXELS.astype(np.float32)
NEAR = r"float images should lie near -1 … 1, .*; got 0 … 25\d.* images.astype"


@pytest.fixture
def model():
    network = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Flatten(),
        pl.Dense(3),
        preprocessing=pl.Preprocessing.signed(),
    )
    return pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd")


@pytest.mark.parametrize(
    "way",
    [
        lambda m, x: m.predict(x),
        lambda m, x: m.activations(x),
        lambda m, x: m.gradients(x, LABELS),
        lambda m, x: m.evaluate((x, LABELS)),
        lambda m, x: m.fit(
            (PIXELS, LABELS), validation_data=(x, LABELS), progress=False
        ),
    ],
)
@pytest.mark.parametrize("is_trained", [False, True])
def test_floats_in_0_to_255_are_warned_of_once(model, way, is_trained):
    if is_trained:
        model.fit((PIXELS, LABELS), progress=False)
    with pytest.warns(UserWarning, match=NEAR):
        way(model, RAW)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        way(model, RAW)


def test_a_loaded_model_and_a_copy_know_what_they_were_trained_on(model, tmp_path):
    model.fit((PIXELS, LABELS), progress=False)
    model.save(tmp_path / "a.pellucid")
    loaded = pl.load(tmp_path / "a.pellucid", engine="numpy")
    for other in (loaded, model.to("numpy"), model.transfer(model.network)):
        assert other.input_range.known == (-1.0, 1.0)
        with pytest.warns(UserWarning, match=NEAR):
            other.predict(RAW)


def test_what_was_trained_on_is_not_warned_of(model, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit((RAW, LABELS), progress=False)
        model.predict(RAW)
        model.save(tmp_path / "a.pellucid")
        pl.load(tmp_path / "a.pellucid", engine="numpy").predict(RAW)
        other = pl.Model(
            model.network, engine="numpy", loss="cross_entropy", optimizer="sgd"
        )
        other.train_step(RAW, LABELS)
        other.predict(RAW)


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_noise_and_other_cameras_are_not_warned_of(model, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(np.random.default_rng(0).normal(0, scale, (8, 6, 6, 1)))
        model.predict(np.zeros((0, 6, 6, 1)))
        model.predict(RAW / 255)


def test_a_model_that_says_nothing_of_its_training_is_not_warned_of(model, tmp_path):
    model.save(tmp_path / "a.pellucid")  # as 0.1 wrote them, and importers do
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pl.load(tmp_path / "a.pellucid", engine="numpy").predict(RAW)


def test_plain_vectors_have_no_expected_range():
    model = pl.Model(pl.Sequential(pl.Input(2), pl.Dense(1)), engine="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(np.array([[1e6, -1e6]]))


def test_a_server_is_told_instead_of_warned(model):
    told = []
    model.input_range.tell = told.append
    for _ in range(2):
        model.predict(RAW)
    assert len(told) == 1
    assert "float images should lie near" in told[0]
