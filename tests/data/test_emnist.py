"""Tests of EMNIST's splits, under the names that its authors gave the files."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from pellucid.data import load
from pellucid.data.emnist import CLASSES
from pellucid.errors import DataError

from .conftest import idx_bytes

UPRIGHT = np.zeros((28, 28), np.uint8)
UPRIGHT[4:24, 13:15] = 255  # an upright stroke
UPRIGHT[22:24, 13:20] = 200  # and a foot to the right

SPLITS = {
    "emnist-byclass": 62,
    "emnist-bymerge": 47,
    "emnist-balanced": 47,
    "emnist-letters": 26,
    "emnist-digits": 10,
    "emnist-mnist": 10,
}


def write(folder, split, *, is_gzipped=True, mark="-", first=None):
    """Write a split as its authors did: transposed, letters from 1."""
    folder.mkdir(exist_ok=True, parents=True)
    begin = int(split == "emnist-letters") if first is None else first
    labels = np.arange(begin, begin + SPLITS[split])
    images = np.stack([UPRIGHT.T] * len(labels))
    for part in ("train", "test"):
        for kind, array in (
            (f"images{mark}idx3", images),
            (f"labels{mark}idx1", labels),
        ):
            content = idx_bytes(array)
            name = f"{split}-{part}-{kind.replace('-', mark)}-ubyte"
            if is_gzipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
            else:
                (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(("split", "count"), SPLITS.items())
@pytest.mark.parametrize("is_gzipped", [True, False])
def test_every_split_stands_upright_and_counts_from_0(
    tmp_path, split, count, is_gzipped
):
    for data in load(write(tmp_path / "x", split, is_gzipped=is_gzipped)):
        assert data.images.shape == (count, 28, 28, 1)
        np.testing.assert_array_equal(data.images[0, ..., 0], UPRIGHT)
        assert data.labels.tolist() == list(range(count))
        assert data.classes == CLASSES[split]


def test_classes_are_those_of_the_mapping_files():
    assert CLASSES["emnist-letters"][0] == "A"
    assert CLASSES["emnist-byclass"][10:12] == ("A", "B")
    assert CLASSES["emnist-byclass"][36:38] == ("a", "b")
    assert CLASSES["emnist-balanced"][36:] == tuple("abdefghnqrt")


def test_of_several_splits_one_is_to_be_named(tmp_path):
    for split in ("emnist-letters", "emnist-digits"):
        write(tmp_path / "gzip", split)
    for path in (tmp_path / "gzip", tmp_path):
        with pytest.raises(DataError, match=r"-digits, emnist-letters. Name one: "):
            load(path)
    train, _ = load(tmp_path / "gzip" / "emnist-letters")
    assert train.classes[-1] == "Z"


def test_an_outer_folder_and_dots_in_names_do_not_matter(tmp_path):
    write(tmp_path / "a" / "gzip", "emnist-digits", mark=".")
    assert len(load(tmp_path / "a")[0]) == 10


def test_a_file_that_is_missing_is_named(tmp_path):
    folder = write(tmp_path / "x", "emnist-letters")
    (folder / "emnist-letters-test-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"must hold 'emnist-letters-test-labels-idx1-"):
        load(folder)


def test_other_labels_of_letters_are_refused(tmp_path):
    folder = write(tmp_path / "x", "emnist-letters", first=0)
    with pytest.raises(DataError, match="letters must lie in 1 … 26; got 0 … 25"):
        load(folder)


def test_a_split_that_emnist_does_not_have_is_refused(tmp_path):
    folder = write(tmp_path / "x", "emnist-digits")
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("digits", "words"))
    with pytest.raises(DataError, match="must be called like emnist-byclass, "):
        load(folder)


def test_files_of_others_stay_as_they_are(idx_folder):
    expected, _ = load(idx_folder)
    for path in list(idx_folder.iterdir()):
        path.rename(idx_folder / f"kmnist-{path.name}")
    found, _ = load(idx_folder)
    np.testing.assert_array_equal(found.images, expected.images)
    assert found.classes == ()
