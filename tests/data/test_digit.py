"""Tests of MNIST's own preparation."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pellucid.data import DigitSteps, digit, load, prepare_digit
from pellucid.errors import DataError


def canvas(top=30, left=100, height=80, width=20, value=255):
    pixels = np.zeros((200, 300), np.uint8)
    pixels[top : top + height, left : left + width] = value
    return pixels


def test_a_bar_becomes_20_pixels_high_in_the_middle():
    image, steps = prepare_digit(canvas())
    assert (image.shape, image.dtype) == ((28, 28, 1), np.uint8)
    rows, columns = np.nonzero(image[..., 0])
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (20, 5)
    expected = DigitSteps(
        inverted=False, box=(30, 100, 110, 120), scale=0.25, shift=(4, 12)
    )
    assert steps == expected


def test_a_wide_bar_keeps_its_aspect_ratio():
    rows, columns = np.nonzero(digit(canvas(height=10, width=160))[..., 0])
    assert columns.max() - columns.min() + 1 == 20
    assert rows.max() - rows.min() + 1 in (1, 2)


def test_dark_on_light_is_inverted():
    one, steps = prepare_digit(255 - canvas())
    assert steps.inverted
    np.testing.assert_array_equal(one, digit(canvas()))


def test_colour_and_channel_axis_make_no_difference():
    expected = digit(canvas())
    np.testing.assert_array_equal(digit(canvas()[..., None]), expected)
    np.testing.assert_array_equal(
        digit(np.repeat(canvas()[..., None], 3, axis=2)), expected
    )


def test_where_the_digit_is_drawn_makes_no_difference():
    np.testing.assert_array_equal(digit(canvas()), digit(canvas(top=0, left=5)))


def test_the_centre_of_mass_is_that_of_mnist():
    _, test = load("mnist")
    for original in test.images[:50, ..., 0]:
        large = np.asarray(Image.fromarray(original).resize((280, 280)))
        mass = digit(np.pad(large, 40))[..., 0].astype(float)
        centre = [(mass.sum(1 - a) * np.arange(28)).sum() / mass.sum() for a in (0, 1)]
        assert np.abs(np.array(centre) - 14).max() <= 0.51


def test_mnists_own_images_come_back_nearly_unchanged():
    _, test = load("mnist")
    errors = []
    for original in test.images[:100, ..., 0]:
        large = np.asarray(Image.fromarray(original).resize((280, 280)))
        back = digit(np.pad(large, ((10, 70), (90, 5))))[..., 0]
        errors.append(np.abs(back.astype(float) - original).mean())
    assert np.mean(errors) < 10  # of 255; a shift by one pixel would make it 20


@pytest.mark.parametrize("value", [0, 255, 100])
def test_an_empty_picture_is_refused(value):
    with pytest.raises(DataError, match=r"must show a digit; got .* in every pixel"):
        digit(np.full((50, 50), value, np.uint8))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((0, 2), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(pixels):
    with pytest.raises(DataError, match="digit: pixels must be uint8 of shape"):
        digit(pixels)
