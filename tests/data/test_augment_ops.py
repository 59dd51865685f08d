"""Tests of movements, against their definition."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data.augment_ops import cover, mirror, move, turn


def batch(shape=(5, 6, 7, 3), dtype="uint8"):
    rng = np.random.default_rng(0)
    return rng.integers(1, 256, shape).astype(dtype)


def test_mirror_changes_the_chosen_images_of_a_copy():
    images = batch()
    out = mirror(images, np.array([True, False, False, True, False]))
    np.testing.assert_array_equal(out[[0, 3]], images[[0, 3], :, ::-1])
    np.testing.assert_array_equal(out[[1, 2, 4]], images[[1, 2, 4]])


def test_move_goes_down_and_right():
    images = batch((2, 4, 5, 3))
    out = move(images, np.array([[1, 2], [-1, 0]]), 2)
    np.testing.assert_array_equal(out[0, 1:, 2:], images[0, :-1, :-2])
    np.testing.assert_array_equal(out[1, :-1], images[1, 1:])
    assert not out[0, 0].any()
    assert not out[0, :, :2].any()
    assert not out[1, -1].any()


@pytest.mark.parametrize(("shape", "most"), [((5, 6, 1), 2), ((4, 3, 3), 5)])
def test_move_takes_each_pixel_from_where_it_was(shape, most):
    images = batch((20, *shape))
    offsets = np.random.default_rng(1).integers(-most, most + 1, (20, 2))
    expected = np.zeros_like(images)
    for image, out, (down, right) in zip(images, expected, offsets, strict=True):
        for row, column in np.ndindex(shape[:2]):
            y, x = row + down, column + right
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                out[y, x] = image[row, column]
    np.testing.assert_array_equal(move(images, offsets, most), expected)


def test_cover_has_the_drawn_pixel_in_its_middle():
    images = batch((1, 9, 9, 1))
    before = images.copy()
    cover(images, np.array([[4.5 / 9, 2.5 / 9]]), 3, 200)
    assert (images[0, 3:6, 1:4] == 200).all()
    images[0, 3:6, 1:4] = before[0, 3:6, 1:4]
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_a_quarter_turn_is_exact_and_counter_clockwise(quarter):
    images = batch((2, 6, 6, 3))
    offsets = np.zeros((2, 2), np.intp)
    turned = turn(images, offsets, np.full(2, quarter * np.pi / 2))
    np.testing.assert_array_equal(turned, np.rot90(images, quarter, axes=(1, 2)))


def test_rotation_and_shift_sample_between_the_pixels():
    images = batch((1, 5, 6, 2), "float64")
    angle, (down, right) = 0.3, (1, -2)
    turned = turn(images, np.array([[down, right]]), np.array([angle]))
    for row, column in np.ndindex(5, 6):
        r, c = row - 2 - down, column - 2.5 - right
        y = np.cos(angle) * r + np.sin(angle) * c + 2
        x = -np.sin(angle) * r + np.cos(angle) * c + 2.5
        expected = np.zeros(2)
        for i in range(5):
            for j in range(6):
                expected += (
                    max(0, 1 - abs(y - i)) * max(0, 1 - abs(x - j)) * images[0, i, j]
                )
        np.testing.assert_allclose(turned[0, row, column], expected, atol=1e-9)


def test_rotation_is_torchvisions_bilinear_sampling():
    torch = pytest.importorskip("torch")
    rows, columns, angles = 9, 13, np.array([0.3, -1.1])
    images = np.random.default_rng(0).random((2, rows, columns, 3))
    cos, sin = np.cos(angles), np.sin(angles)
    theta = np.zeros((2, 2, 3))
    theta[:, 0, 0], theta[:, 0, 1] = cos, -sin * rows / columns
    theta[:, 1, 0], theta[:, 1, 1] = sin * columns / rows, cos
    functional = torch.nn.functional
    grid = functional.affine_grid(
        torch.from_numpy(theta), (2, 3, rows, columns), align_corners=False
    )
    theirs = functional.grid_sample(
        torch.from_numpy(images.transpose(0, 3, 1, 2)), grid, align_corners=False
    )
    ours = turn(images, np.zeros((2, 2), np.intp), angles)
    theirs = theirs.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
