"""Tests of which element types images may have."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import Dataset
from pellucid.data.elements import check_element_type
from pellucid.errors import DataError

INTEGERS = ["?", "i1", "i2", "u2", "i4", "u4", "i8", "u8"]
FLOATS = ["f2", "f4", "f8", ">f4", ">f8"]


@pytest.mark.parametrize("dtype", ["u1", *FLOATS])
def test_pixels_and_floats_stay_as_they_are(dtype):
    images = np.zeros((2, 4, 4, 1), dtype)
    assert check_element_type(images, "x") is images


@pytest.mark.parametrize("dtype", [*INTEGERS, ">i4", ">u2"])
@pytest.mark.parametrize("shape", [(2, 4, 4, 1), (2, 4, 4), (2, 4, 4, 4, 1)])
def test_other_integers_are_refused_for_images(dtype, shape):
    images = np.ones(shape, dtype)
    for call in (lambda: check_element_type(images, "Dataset"), lambda: made(images)):
        with pytest.raises(
            DataError, match="Dataset: images must be uint8 or floats; "
        ):
            call()
    with pytest.raises(DataError, match=r"Cast pixels .*: images.astype\(np.uint8\)"):
        check_element_type(images, "Dataset")


def made(images):
    return Dataset(images, np.zeros(len(images), int))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_plain_vectors_are_cast(dtype):
    vectors = np.array([[0, 1], [1, 1]], dtype)
    for images in (check_element_type(vectors, "x"), made(vectors).images):
        assert images.dtype == np.float64
        np.testing.assert_array_equal(images, [[0, 1], [1, 1]])


@pytest.mark.parametrize("dtype", ["O", "U1", "c8", "M8[s]"])
def test_what_is_no_number_is_refused(dtype):
    with pytest.raises(DataError, match="must be uint8 or floats; got dtype="):
        check_element_type(np.zeros((2, 2), dtype), "x")
