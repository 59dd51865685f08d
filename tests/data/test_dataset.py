"""Tests of images with their labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data import Dataset, as_dataset
from pellucid.errors import DataError


def images(n: int = 4) -> np.ndarray:
    return np.arange(n * 12, dtype=np.uint8).reshape(n, 2, 2, 3)


def test_dataset_keeps_uint8_and_makes_labels_int64():
    data = Dataset(images(), np.array([0, 1, 1, 0], np.uint8), ("cat", "dog"))
    assert data.images.dtype == np.uint8
    assert data.labels.dtype == np.int64
    assert data.image_shape == (2, 2, 3)
    assert len(data) == 4


def test_a_column_of_classes_is_one_class_each():
    for labels in ([[0], [1], [0], [1]], [[False], [True], [False], [True]]):
        data = Dataset(images(), np.array(labels))
        assert data.labels.tolist() == [0, 1, 0, 1]


def test_dataset_does_not_copy_images():
    pixels = images()
    assert Dataset(pixels, np.zeros(4, int)).images is pixels


def test_dataset_says_what_it_holds():
    data = Dataset(images(), np.array([0, 1, 1, 0]), ("cat", "dog"))
    assert repr(data) == "Dataset(4 images of (2, 2, 3) uint8, 2 classes: cat, dog)"
    soft = Dataset(np.zeros((2, 3)), np.zeros((2, 1)))
    assert repr(soft) == "Dataset(2 images of (3,) float64, labels float64 of (2, 1))"


def test_dataset_cannot_be_changed():
    data = Dataset(images(), np.zeros(4, int))
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.labels = np.ones(4)  # type: ignore[misc]


def test_a_pair_becomes_a_dataset_and_a_dataset_stays():
    data = as_dataset((images(), np.zeros(4, int)))
    assert isinstance(data, Dataset)
    assert as_dataset(data) is data
    assert Dataset.of([images(), [0, 1, 2, 3]]).labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("pixels", "labels", "classes", "sentence"),
    [
        (images(), [0, 1], (), "one length; got 4 images, 2 labels"),
        (images(0), np.zeros(0, int), (), "at least one example and pixel"),
        (np.zeros((4, 0, 2, 1), np.uint8), [0] * 4, (), "at least one example"),
        (images(), [0, 1, 2, 1], ("a", "b"), r"0 … 1, one per class; got 2 at posi"),
        (images(), [0, -1, 0, 0], (), "at least 0; got -1 at position 1"),
        (images(), [0, 0, 0, 0], ("a", "a"), "must be distinct; got 'a' twice"),
        (images(), ["a", "b", "a", "b"], (), "integers or floats; got shape"),
        (images(), [0.0, np.nan, 0, 0], (), r"labels must be finite; got nan at \(1,"),
        (images(), 3, (), "labels must be an array of integers or floats"),
        (images(), np.zeros((4, 3)), ("a", "b"), "one column per class; got 3 col"),
        (images()[..., 0], [0] * 4, (), r"\(N, H, W, C\).*images\[\.\.\., None\]"),
        (images().astype(int), [0] * 4, (), "uint8 or floats; got dtype=int64"),
        (np.zeros(4), [0] * 4, (), r"shape \(N, …\); got shape=\(4,\)"),
    ],
)
def test_dataset_refuses(pixels, labels, classes, sentence):
    with pytest.raises(DataError, match=sentence):
        Dataset(pixels, labels, classes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_dataset_names_the_first_pixel_that_is_not_finite(value):
    pixels = np.zeros((5, 4, 4, 1), np.float32)
    pixels[3, 1, 2, 0] = value
    with pytest.raises(DataError, match=rf"got {value} at \(3, 1, 2, 0\)"):
        Dataset(pixels, np.zeros(5, int))


def test_a_pair_that_is_none_is_refused():
    with pytest.raises(DataError, match=r"Dataset or a pair .* got int"):
        as_dataset(3)  # type: ignore[arg-type]


def test_weights_of_examples_are_no_names_of_classes():
    with pytest.raises(DataError, match=r"got floats\. Give .* sample_weight="):
        as_dataset((images(), [0, 1, 2, 3], np.ones(4)))


def test_subset_takes_examples_in_the_order_that_was_asked_for():
    data = Dataset(images(), np.array([0, 1, 2, 3]))
    part = data.subset([3, 0])
    assert part.labels.tolist() == [3, 0]
    np.testing.assert_array_equal(part.images, images()[[3, 0]])


@pytest.mark.parametrize(
    ("indices", "sentence"),
    [
        ([4], "must lie in 0 … 3; got 4"),
        ([-1], "must lie in 0 … 3; got -1"),
        ([], "at least one integer"),
        ([0.5], "at least one integer"),
        ([[1]], "at least one integer"),
    ],
)
def test_subset_refuses(indices, sentence):
    with pytest.raises(DataError, match=sentence):
        Dataset(images(), np.arange(4)).subset(indices)


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**64 - 1),
)
def test_split_divides_each_class_in_proportion(counts, fraction, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    n = len(labels)
    position = np.arange(n, dtype=np.float32)[:, None]
    wanted = round(n * fraction)
    if wanted in (0, n):
        with pytest.raises(DataError, match="both sides of a split"):
            Dataset(position, labels).split(fraction, seed=seed)
        return
    rest, part = Dataset(position, labels).split(fraction, seed=seed)
    assert len(part) == wanted
    both = np.concatenate([rest.images[:, 0], part.images[:, 0]])
    np.testing.assert_array_equal(np.sort(both), np.arange(n))
    found = np.bincount(part.labels, minlength=len(counts))
    assert (np.abs(found - np.array(counts) * fraction) < 1 + 1e-9).all()


def test_split_depends_on_nothing_but_the_seed():
    data = Dataset(images(20), np.arange(20) % 2)
    first, again, other = (data.split(0.5, seed=s)[1].images for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_split_of_labels_that_are_no_classes_ignores_them():
    rest, part = Dataset(images(10), np.linspace(0, 1, 10)).split(0.3)
    assert (len(rest), len(part)) == (7, 3)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, np.nan])
def test_split_refuses_a_fraction_outside_of_0_and_1(fraction):
    with pytest.raises(DataError, match="between 0 and 1; got fraction="):
        Dataset(images(), np.arange(4)).split(fraction)


def test_files_stay_with_their_images():
    images = np.zeros((4, 2, 2, 1), np.uint8)
    data = Dataset(images, np.arange(4) % 2, files=("a", "b", "c", "d"))
    assert data.subset([3, 1]).files == ("d", "b")
    rest, part = data.split(0.5)
    assert sorted(rest.files + part.files) == ["a", "b", "c", "d"]
    with pytest.raises(DataError, match="name the file of each image; got 1 files, 4"):
        Dataset(images, np.arange(4) % 2, files=("a",))


def test_a_part_of_the_training_data_has_no_validation_data():
    images = np.zeros((4, 2, 2, 1), np.uint8)
    held = Dataset(images, np.zeros(4, int))
    data = Dataset(images, np.zeros(4, int), validation=held)
    assert data.subset([0]).validation is None
    assert Dataset.of(data).validation is held
