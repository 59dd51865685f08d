"""Images to calibrate int8 on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.recipes.calibration import COUNT, calibration_images, spread

NETWORK = pl.Sequential(pl.Input(6, 8, 3), pl.Flatten(), pl.Dense(2))


@pytest.fixture
def model() -> pl.Model:
    return pl.Model(NETWORK, engine="numpy")


def test_a_folder_of_pictures_needs_no_classes(model, tmp_path):
    for i in range(3):
        place = tmp_path / ("deeper" if i % 2 else "")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 12), (i, 2 * i, 100)).save(place / f"{i}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    images = calibration_images(str(tmp_path), model)
    assert images.shape == (3, 6, 8, 3)
    assert images.dtype == np.uint8
    assert sorted(images[:, 0, 0, 0].tolist()) == [0, 1, 2]


def test_arrays_are_taken_as_they_are(model, tmp_path):
    floats = np.random.default_rng(0).normal(size=(4, 6, 8, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", floats)
    path = str(tmp_path / "images.npy")
    np.testing.assert_array_equal(calibration_images(path, model), floats)
    (tmp_path / "images.npy").write_bytes(b"damaged")
    with pytest.raises(pl.DataError, match=r"whole \.npy file"):
        calibration_images(path, model)


def test_datasets_have_names(tmp_path):
    model = pl.Model(pl.zoo("mnist-torch"), engine="numpy")
    assert calibration_images("mnist", model).shape == (COUNT, 28, 28, 1)
    with pytest.raises(pl.DataError, match="source must be 'mnist'"):
        calibration_images(str(tmp_path / "nowhere"), model)


def test_pictures_need_known_preprocessing(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    model = pl.Model(NETWORK, engine="numpy", preprocessing=pl.Preprocessing.unknown())
    with pytest.raises(pl.DataError, match="must be known for pictures"):
        calibration_images(str(tmp_path), model)


def test_images_are_spread_over_all():
    chosen = spread(np.arange(10_000))
    assert len(chosen) == COUNT
    assert (chosen[0], chosen[-1]) == (0, 9_999)
    with pytest.raises(pl.DataError, match="at least one image"):
        spread(np.zeros((0, 3)))
