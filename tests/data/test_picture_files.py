"""Tests of pictures that stay in their files."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import Batches, Dataset, PictureFiles
from pellucid.data.decode_worker import Wanted
from pellucid.errors import DataError


@pytest.fixture
def files(pictures):
    wanted = Wanted(source=pictures, shape=(6, 8, 3))
    return PictureFiles(wanted, [f"dog/{number}.png" for number in range(10)])


def test_picture_files_look_like_an_array(files):
    assert files.shape == (10, 6, 8, 3)
    assert files.dtype == np.uint8
    assert len(files) == 10
    assert repr(files).startswith("PictureFiles(10 of (6, 8, 3) in ")


def test_picture_files_are_indexed_like_an_array(files):
    blue = np.arange(10, dtype=np.uint8)
    assert files[3].shape == (6, 8, 3)
    assert files[-1][0, 0].tolist() == [255, 0, 9]
    np.testing.assert_array_equal(files[2:5][:, 0, 0, 2], blue[2:5])
    np.testing.assert_array_equal(files[np.array([7, 1])][:, 0, 0, 2], [7, 1])
    np.testing.assert_array_equal(files.subset(np.array([4]))[0][0, 0], [255, 0, 4])
    with pytest.raises(IndexError):
        files[10]


def test_a_dataset_of_files_is_divided_without_decoding(files, pictures):
    data = Dataset(files, np.arange(10) % 2)
    for path in pictures.rglob("*.png"):
        path.unlink()
    rest, part = data.split(0.2)
    assert isinstance(part.images, PictureFiles)
    assert (len(rest), len(part)) == (8, 2)


def test_a_stream_keeps_the_order_of_its_batches(files):
    batches = [np.array([3, 1]), np.array([], np.int64), np.arange(10)[::-1]]
    out = list(files.stream(batches, workers=2))
    assert [len(pixels) for pixels in out] == [2, 0, 10]
    for batch, pixels in zip(batches, out, strict=True):
        np.testing.assert_array_equal(pixels[:, 0, 0, 2], batch)


def test_a_large_batch_is_decoded_in_pieces(files):
    batch = np.arange(200) % 10
    (pixels,) = files.stream([batch], workers=2)
    np.testing.assert_array_equal(pixels[:, 0, 0, 2], batch)


def test_a_file_that_disappears_is_named_while_streaming(files, pictures):
    (pictures / "dog" / "5.png").unlink()
    batches = Batches(Dataset(files, np.zeros(10, int)), batch_size=2, seed=0)
    with pytest.raises(DataError, match=r"5\.png' must be a file that can be read"):
        list(batches.epoch(0))
