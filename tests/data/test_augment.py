"""Tests of augmentation, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data import Augment
from pellucid.data.augment import DRAWS_PER_IMAGE
from pellucid.errors import DataError

AUGMENTS = st.builds(
    Augment,
    shift=st.integers(0, 4),
    rotate=st.floats(0, 180),
    flip=st.booleans(),
    crop=st.integers(0, 4),
    cutout=st.integers(0, 9),
)
SHAPES = st.tuples(
    st.integers(0, 3), st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, 3])
)


def batch(shape=(5, 6, 7, 3), dtype="uint8"):
    rng = np.random.default_rng(0)
    return rng.integers(1, 256, shape).astype(dtype)


@given(augment=AUGMENTS, shape=SHAPES, dtype=st.sampled_from(["uint8", "f4", "f8"]))
def test_type_and_shape_stay_and_so_does_the_input(augment, shape, dtype):
    images = batch(shape, dtype)
    before = images.copy()
    out = augment.apply(images, np.random.default_rng(1))
    assert (out.shape, out.dtype) == (images.shape, images.dtype)
    assert not np.shares_memory(out, images)
    np.testing.assert_array_equal(images, before)
    assert out.size == 0 or (out.min() >= 0 and out.max() <= 255)


@given(augment=AUGMENTS, seed=st.integers(0, 99))
def test_an_image_does_not_depend_on_its_neighbours(augment, seed):
    images = batch()
    draws = np.random.default_rng(seed).random((5, DRAWS_PER_IMAGE))
    whole = augment.transform(images, draws)
    for number in range(5):
        one = slice(number, number + 1)
        alone = augment.transform(images[one], draws[one])
        np.testing.assert_array_equal(alone, whole[one])


@pytest.mark.parametrize("name", ["shift", "crop"])
@given(seed=st.integers(0, 1000), most=st.integers(0, 8))
def test_shift_and_crop_move_by_whole_pixels(name, seed, most):
    images = batch((1, 5, 4, 3))
    moved = Augment(**{name: most}).apply(images, np.random.default_rng(seed))
    padded = np.pad(images[0], ((most, most), (most, most), (0, 0)))
    windows = [
        padded[row : row + 5, column : column + 4]
        for row in range(2 * most + 1)
        for column in range(2 * most + 1)
    ]
    assert any((moved[0] == window).all() for window in windows)


def test_every_shift_occurs_equally_often():
    images = np.zeros((9000, 5, 5, 1), np.uint8)
    images[:, 2, 2] = 1
    moved = Augment(shift=1).apply(images, np.random.default_rng(0))
    counts = moved.sum(axis=0, dtype=np.int64)[1:4, 1:4]
    assert counts.sum() == 9000
    assert (np.abs(counts - 1000) < 150).all()


def test_flip_mirrors_every_second_image():
    images = batch((400, 3, 4, 3))
    out = Augment(flip=True).apply(images, np.random.default_rng(0))
    mirrored = (out == images[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (out == images).all(axis=(1, 2, 3))
    assert (mirrored | same).all()
    assert 150 < mirrored.sum() < 250


def test_cutout_covers_a_square_or_what_there_is_of_it():
    images = np.full((500, 8, 9, 1), 7, np.uint8)
    hidden = Augment(cutout=3).apply(images, np.random.default_rng(0)) == 0
    for one in hidden[..., 0]:
        rows, columns = np.flatnonzero(one.any(1)), np.flatnonzero(one.any(0))
        assert one.sum() == len(rows) * len(columns)
        assert 2 <= len(rows) <= 3
        assert 2 <= len(columns) <= 3
    assert hidden.any(axis=0).all()


def test_rotation_stays_within_its_angle():
    image = np.zeros((200, 41, 41, 1), np.float32)
    image[:, 20, 40] = 1
    out = Augment(rotate=30.0).apply(image, np.random.default_rng(0))
    rows, columns = np.indices((41, 41)) - 20
    angle = np.rad2deg(np.arctan2(-rows, columns))
    peaks = out[..., 0].reshape(200, -1).argmax(axis=1)
    seen = angle.ravel()[peaks]
    assert -32 < seen.min() < -20
    assert 20 < seen.max() < 32


def test_nothing_to_do_is_a_copy():
    images = batch()
    out = Augment().apply(images, np.random.default_rng(0))
    np.testing.assert_array_equal(out, images)
    assert out is not images


def test_json_goes_there_and_back():
    augment = Augment(shift=2, rotate=1.5, flip=True, crop=3, cutout=4)
    assert Augment.from_json(augment.to_json()) == augment
    with pytest.raises(DataError, match=r"keys must be shift, rotate, .*; got 'zoom'"):
        Augment.from_json({"zoom": 2})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shift": -1}, "shift must be a number of pixels, at least 0; got shift=-1"),
        ({"crop": 1.5}, "crop must be a number of pixels, at least 0; got crop=1.5"),
        ({"cutout": "2"}, "cutout must be a number of pixels"),
        ({"rotate": 181}, "rotate must lie in 0 … 180 degrees; got rotate=181"),
        (
            {"rotate": float("nan")},
            "in 0 … 180 degrees; got rotate=nan",
        ),
    ],
)
def test_augment_refuses(options, sentence):
    with pytest.raises(DataError, match=sentence):
        Augment(**options)


@pytest.mark.parametrize("images", [np.zeros((2, 3)), np.zeros((1, 2, 2, 1), int)])
def test_augment_refuses_what_is_no_batch_of_images(images):
    with pytest.raises(DataError, match=r"uint8 or floats of shape \(N, H, W, C\)"):
        Augment(shift=1).apply(images, np.random.default_rng(0))
