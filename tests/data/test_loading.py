"""Tests of `load`."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import load
from pellucid.errors import DataError


def test_xor_is_its_truth_table():
    for data in load("xor"):
        assert data.images.dtype == data.labels.dtype == np.float32
        assert data.images.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert data.labels.tolist() == [[0], [1], [1], [0]]


def test_named_datasets_take_another_size_and_colour(idx_folder):
    train, test = load(idx_folder, size=(8, 8), colour="rgb")
    assert train.image_shape == test.image_shape == (8, 8, 3)
    assert train.images.dtype == np.uint8


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        ("mnits", {}, "source must be 'mnist', .* got 'mnits', where nothing is"),
        ("mnist", {"colour": "red"}, "colour must be 'grey' or 'rgb'; got colour="),
        ("mnist", {"test_fraction": 1}, "test_fraction must lie between 0 and 1; got"),
        ("xor", {"size": (2, 2)}, "must be uint8, grey or rgb, to be brought"),
    ],
)
def test_load_refuses(source, options, sentence):
    with pytest.raises(DataError, match=sentence):
        load(source, **options)


def test_a_file_of_no_known_kind_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(
        DataError, match=r"a folder, a \.zip, a \.csv or a \.npz; got the file"
    ):
        load(tmp_path / "x.txt")
