"""Tests of augmentation, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data import Augment
from pellucid.errors import DataError

AUGMENTS = st.builds(
    Augment,
    shift=st.integers(0, 4),
    rotate=st.floats(0, 180),
    flip=st.booleans(),
    crop=st.integers(0, 4),
    cutout=st.integers(0, 9),
    resized_crop=st.sampled_from([0.0, 0.2]),
    erase=st.sampled_from([0.0, 0.7]),
    contrast=st.sampled_from([0.0, 0.5]),
    hue=st.sampled_from([0.0, 0.3]),
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
    draws = augment.draw(np.random.default_rng(seed), 5)
    whole = augment.transform(images, draws)
    for number in range(5):
        one = slice(number, number + 1)
        alone = augment.transform(images[one], draws[one])
        np.testing.assert_array_equal(alone, whole[one])


@pytest.mark.parametrize("name", ["shift", "crop"])
@given(seed=st.integers(0, 1000), most=st.integers(0, 8), reflect=st.booleans())
def test_shift_and_crop_move_by_whole_pixels(name, seed, most, reflect):
    reflect = reflect and 0 < most < 4
    images = batch((1, 5, 4, 3))
    augment = Augment(**{name: most}, reflect=reflect)
    moved = augment.apply(images, np.random.default_rng(seed))
    sides, mode = ((most, most), (most, most), (0, 0)), "reflect" * reflect
    padded = np.pad(images[0], sides, mode=mode or "constant")
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
    grey = Augment(cutout=3, fill=120).apply(images, np.random.default_rng(0))
    np.testing.assert_array_equal(grey == 120, hidden)
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


@given(seed=st.integers(0, 99))
def test_masks_and_boxes_move_with_their_pictures(seed):
    """A picture of one rectangle, its mask, and its box stay the same rectangle."""
    augment = Augment(flip=True, shift=3, crop=2)
    images = np.zeros((4, 20, 24, 1), np.uint8)
    images[:, 6:12, 5:15] = 1
    masks, boxes = images[..., 0].astype(np.int64), [[[5, 6, 15, 12]]] * 4
    rng = np.random.default_rng(seed)
    found = augment.apply_to(images, rng, masks=masks, boxes=boxes)
    np.testing.assert_array_equal(found.masks, found.images[..., 0])
    for image, box in zip(found.images, found.boxes, strict=True):
        rows, columns = (
            np.flatnonzero(image.any((1, 2))),
            np.flatnonzero(image.any((0, 2))),
        )
        expected = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert box[0].tolist() == expected


def test_masks_and_boxes_turn_and_are_cropped_with_their_pictures():
    augment = Augment(rotate=40, resized_crop=0.5, randaugment=1, flip=True)
    images = np.zeros((30, 40, 40, 1), np.uint8)
    images[:, 12:28, 10:30] = 200
    rng = np.random.default_rng(0)
    moved = Augment(rotate=40, resized_crop=0.5, flip=True)
    found = moved.apply_to(
        images, rng, masks=images[..., 0], boxes=[[[10, 12, 30, 28]]] * 30
    )
    differs = (found.masks > 100) != (found.images[..., 0] > 100)
    assert differs.mean() < 0.02  # bilinear and nearest differ at edges
    for image, box in zip(found.images, found.boxes, strict=True):
        inside = np.zeros((40, 40), bool)
        x0, y0, x1, y1 = np.rint(box[0]).astype(int)
        inside[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1] = True
        assert not (image[..., 0][~inside] > 100).any()
    masks = augment.apply_to(images, rng, masks=images[..., 0]).masks
    assert set(np.unique(masks)) <= {0, 200}


def test_a_box_that_leaves_its_picture_is_left_out():
    augment, rng = Augment(shift=5), np.random.default_rng(3)
    boxes = [[[0, 0, 1, 1], [4, 4, 6, 6]]] * 40
    found = augment.apply_to(np.zeros((40, 10, 10, 1), np.uint8), rng, boxes=boxes)
    assert {len(kept) for kept in found.kept} == {1, 2}
    for box, kept in zip(found.boxes, found.kept, strict=True):
        assert len(box) == len(kept)
        assert 1 in kept
        assert (box >= 0).all()
        assert (box <= 10).all()


def test_alternating_flips_mirror_in_every_other_epoch():
    augment = Augment(flip="alternating")
    images = batch((40, 3, 4, 1))
    turned = [
        (augment.transform(images, augment.draw_epoch(5, epoch, 40)) != images).any(
            axis=(1, 2, 3)
        )
        for epoch in range(4)
    ]
    np.testing.assert_array_equal(turned[0], ~turned[1])
    np.testing.assert_array_equal(turned[0], turned[2])
    assert 10 < turned[0].sum() < 30


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
        ({"flip": "sometimes"}, "flip must be True, False or 'alternating'"),
        ({"resized_crop": 1.5}, "resized_crop must lie in 0 … 1, the smallest share"),
        ({"erase": -0.1}, "erase must lie in 0 … 1, a chance; got erase=-0.1"),
        ({"fill": 256}, "fill must lie in 0 … 255, a pixel's value; got fill=256"),
        ({"hue": 0.6}, "hue must lie in 0 … 0.5, a share of the circle; got hue=0.6"),
        (
            {"contrast": float("inf")},
            "contrast must be finite and at least 0, a factor's range",
        ),
        ({"reflect": True}, "reflect must come with shift or crop, and without rotate"),
        ({"magnitude": 31}, "magnitude must lie in 0 … 30, a strength"),
        ({"randaugment": 1.5}, "randaugment must be a number of operations"),
        ({"mixup": -1}, "mixup must be finite and at least 0"),
        ({"mixup": "some"}, "finite and at least 0, the Beta distribution's α; got"),
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


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"masks": np.zeros((1, 4, 5))}, r"of its size, \(1, 4, 4\) in all, so that"),
        ({"masks": np.zeros((2, 4, 4))}, "each picture must have one mask of its size"),
        ({"boxes": [[[0, 0, 2]]]}, "a box must be four numbers, x and y of two corn"),
        (
            {"boxes": [[[0, 0, 5, 2]]]},
            "box must lie inside its picture, from 0 to 4 × 4",
        ),
        ({"boxes": [[[2, 2, 1, 3]]]}, "its first corner at the top left; got"),
        ({"boxes": []}, "boxes must be 1 arrays, one for each picture; got 0"),
    ],
)
def test_masks_and_boxes_that_do_not_fit_are_refused(given, sentence):
    images = np.zeros((1, 4, 4, 1), np.uint8)
    with pytest.raises(DataError, match=sentence):
        Augment(flip=True).apply_to(images, np.random.default_rng(0), **given)


def test_reflected_images_have_no_masks_or_boxes_and_are_large_enough():
    images, rng = np.zeros((1, 4, 4, 1), np.uint8), np.random.default_rng(0)
    augment = Augment(shift=2, reflect=True)
    for along in ({"masks": images}, {"boxes": [[[0, 0, 2, 2]]]}):
        with pytest.raises(DataError, match="reflect must be False where masks or"):
            augment.apply_to(images, rng, **along)
    with pytest.raises(DataError, match="shift and crop together must be less than"):
        Augment(shift=2, crop=2, reflect=True).apply(images, rng)


def test_randaugment_refuses_floats():
    images = np.zeros((1, 4, 4, 1), np.float32)
    with pytest.raises(DataError, match="randaugment must have uint8 images"):
        Augment(randaugment=2).apply(images, np.random.default_rng(0))
