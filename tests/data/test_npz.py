"""Tests of datasets in .npz files."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import load
from pellucid.errors import DataError

X = np.arange(10 * 4 * 4, dtype=np.uint8).reshape(10, 4, 4)
Y = np.arange(10) % 2


def test_train_and_test_are_taken_as_they_are(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x_train=X, y_train=Y[:, None], x_test=X[:3], y_test=Y[:3])
    train, test = load(path)
    assert train.images.shape == (10, 4, 4, 1)
    assert train.labels.tolist() == Y.tolist()
    assert len(test) == 3


def test_images_and_labels_are_divided(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, images=X / 255, labels=Y, classes=np.array(["even", "odd"]))
    train, test = load(path, test_fraction=0.4)
    assert (len(train), len(test)) == (6, 4)
    assert train.classes == ("even", "odd")
    assert test.labels.tolist().count(0) == 2


def test_python_objects_are_never_read(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, images=np.array([{}], object), labels=Y)
    with pytest.raises(DataError, match="must hold plain arrays; got Python objects"):
        load(path)


def test_other_keys_are_named(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=X, y=Y)
    with pytest.raises(DataError, match=r"or images and labels; got \['x', 'y'\]"):
        load(path)


@pytest.mark.parametrize("cut", [0, 30, 400])
def test_a_file_that_is_cut_off_is_refused(tmp_path, cut):
    path = tmp_path / "x.npz"
    np.savez(path, images=X, labels=Y)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="must be a whole zip file"):
        load(path)


def test_a_damaged_array_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=X, labels=Y)
    raw = bytearray(path.read_bytes())
    raw[60:80] = bytes(20)
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"must be a whole \.npz file; got "):
        load(path)


def test_validation_data_comes_along(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(
        path, x_train=X, y_train=Y, x_test=X[:3], y_test=Y[:3], x_val=X[:4], y_val=Y[:4]
    )
    train, test = load(path)
    assert (len(train), len(test)) == (10, 3)
    assert train.validation is not None
    np.testing.assert_array_equal(train.validation.images, train.images[:4])


def test_arrays_in_fortran_order_are_read_as_they_were(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, images=np.asfortranarray(X), labels=Y)
    parts = load(path)
    everything = np.concatenate([part.images for part in parts])
    assert {one.tobytes() for one in everything[..., 0]} == {one.tobytes() for one in X}
