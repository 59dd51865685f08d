"""Tests of a folder or zip of pictures as a dataset."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from pellucid.data import Batches, PictureFiles, load
from pellucid.data import pictures as module
from pellucid.errors import DataError


def test_a_folder_becomes_train_and_test(pictures):
    train, test = load(pictures, test_fraction=0.3, seed=1)
    assert (len(train), len(test)) == (14, 6)
    assert train.classes == ("cat", "dog")
    assert np.bincount(test.labels).tolist() == [3, 3]
    assert train.image_shape == (6, 8, 3)
    reds = train.images[:, 0, 0, 0]
    np.testing.assert_array_equal(reds, np.where(train.labels == 1, 255, 0))


def test_a_zip_gives_what_its_folder_gives(pictures, zipped):
    for one, other in zip(load(pictures), load(zipped(pictures)), strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_train_and_test_folders_are_kept_apart(pictures, tmp_path, zipped):
    root = tmp_path / "divided"
    root.mkdir()
    for part in ("train", "test"):
        shutil.copytree(pictures, root / part)
    (root / "test" / "cat" / "0.png").unlink()
    for source in (root, zipped(root)):
        for _ in range(2):  # decoded, then from the cache
            train, test = load(source)
            assert (len(train), len(test)) == (20, 19)
            assert np.bincount(test.labels).tolist() == [9, 10]


def test_pictures_are_decoded_once(pictures, own_cache, monkeypatch):
    first = load(pictures)
    monkeypatch.setattr(module, "decode_whole", None)
    told = []
    second = load(pictures, progress=lambda *now: told.append(now[2]))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
    assert told == ["reading decoded pictures from the cache"]
    assert len(list((own_cache / "pictures").iterdir())) == 1


def test_a_changed_picture_is_decoded_again(pictures, png, own_cache):
    load(pictures)
    (pictures / "cat" / "0.png").write_bytes(png((9, 9, 9)))
    train, test = load(pictures)
    everything = np.concatenate([train.images, test.images])
    assert (everything == 9).all(axis=(1, 2, 3)).sum() == 1
    assert len(list((own_cache / "pictures").iterdir())) == 1


def test_options_have_a_cache_of_their_own(pictures):
    assert load(pictures, size=(3, 3))[0].image_shape == (3, 3, 3)
    assert load(pictures, colour="grey")[0].image_shape == (6, 8, 1)
    assert load(pictures)[0].image_shape == (6, 8, 3)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "about.json"])
def test_a_damaged_cache_is_made_again(pictures, own_cache, name):
    expected = load(pictures)[0]
    (entry,) = (own_cache / "pictures").iterdir()
    (entry / name).write_bytes((entry / name).read_bytes()[:-9])
    told = []
    found = load(pictures, progress=lambda *now: told.append(now[2]))[0]
    np.testing.assert_array_equal(found.images, expected.images)
    assert "is damaged" in told[0]


def test_no_cache_is_written_where_none_is_wanted(pictures, own_cache):
    load(pictures, cache=False)
    assert not own_cache.exists()


def test_a_cache_that_cannot_be_written_is_no_error(pictures, own_cache):
    own_cache.write_text("a file where the folder should be")
    told = []
    train, _ = load(pictures, progress=lambda *now: told.append(now[2]))
    assert len(train) == 16
    assert "not kept in" in told[-1]


def test_many_pictures_are_decoded_by_worker_processes(pictures, monkeypatch):
    expected = load(pictures, cache=False)
    monkeypatch.setattr(module, "_IN_THIS_PROCESS", 5)
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    told = []
    found = load(pictures, cache=False, progress=lambda *now: told.append(now[:2]))
    np.testing.assert_array_equal(found[0].images, expected[0].images)
    assert told == [(7, 20), (14, 20), (20, 20)]


def test_more_than_memory_stays_in_its_files(pictures, zipped):
    expected, _ = load(pictures)
    for source in (pictures, zipped(pictures)):
        train, _ = load(source, memory_limit_bytes=100, cache=False)
        assert isinstance(train.images, PictureFiles)
        assert repr(train).startswith("Dataset(16 images of (6, 8, 3) uint8 in files")
        one, other = (
            list(Batches(data, batch_size=5, seed=3).epoch(2))
            for data in (train, expected)
        )
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a.images, b.images)
            np.testing.assert_array_equal(a.labels, b.labels)


@pytest.mark.parametrize(
    ("size", "colour", "sentence"),
    [
        ((6, 9), (0, 1, 2), r"one size; got \(6, 9\) in 'dog/x.png' and \(6, 8\)"),
        (None, None, r"'dog/x.png' must be an image that we can read"),
    ],
)
def test_a_picture_that_does_not_fit_is_named(pictures, png, size, colour, sentence):
    content = b"text" if size is None else png(colour, size)
    (pictures / "dog" / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        load(pictures)


def test_colours_among_grey_pictures_need_a_decision(pictures, png):
    (pictures / "cat" / "0.png").write_bytes(png(5))
    with pytest.raises(DataError, match="must all be grey like the first; got colours"):
        load(pictures)
    assert load(pictures, colour="rgb")[0].image_shape == (6, 8, 3)


def test_a_grey_picture_among_colours_becomes_rgb(pictures, png):
    (pictures / "dog" / "9.png").write_bytes(png(5))
    train, test = load(pictures)
    everything = np.concatenate([train.images, test.images])
    assert (everything == 5).all(axis=(1, 2, 3)).sum() == 1


def test_a_broken_picture_is_named_by_worker_processes_too(pictures, monkeypatch):
    (pictures / "dog" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    monkeypatch.setattr(module, "_IN_THIS_PROCESS", 0)
    with pytest.raises(DataError, match=r"picture: 'dog/3\.png' must be an image "):
        load(pictures)


def test_a_zip_with_another_time_is_decoded_again(pictures, zipped):
    path = zipped(pictures)
    told = []
    for _ in range(2):
        load(path, progress=lambda *now: told.append(now[2]))
    os.utime(path, ns=(1, 1))
    load(path, progress=lambda *now: told.append(now[2]))
    kept = "reading decoded pictures from the cache"
    assert told == ["decoding pets.zip", kept, "decoding pets.zip"]


@pytest.fixture
def parted(pictures, tmp_path):
    """Return a function that copies the pictures below some parts."""

    def make(*parts):
        for part in parts:
            shutil.copytree(pictures, tmp_path / "parted" / part)
        return tmp_path / "parted"

    return make


@pytest.mark.parametrize("limit", [None, 100])
def test_validation_data_comes_with_the_training_data(parted, zipped, limit):
    root = parted("Training", "Validation", "Testing")
    (root / "Validation" / "cat" / "3.png").unlink()
    for source in (root, zipped(root)):
        for _ in range(2):  # decoded, then from the cache
            train, test = load(source, memory_limit_bytes=limit)
            assert train.validation is not None
            assert (len(train), len(train.validation), len(test)) == (20, 19, 20)
            assert train.validation.files[3] == "Validation/cat/4.png"
            assert train.validation.classes == train.classes == ("cat", "dog")
            np.testing.assert_array_equal(train.validation.images[3], train.images[4])


def test_validation_data_is_the_test_data_where_there_is_no_other(parted):
    train, test = load(parted("train", "val"), size=(3, 3), cache=False)
    assert test is train.validation
    assert (len(train), len(test)) == (20, 20)
    assert all(name.startswith("val/") for name in test.files)


def test_each_image_knows_its_file(pictures):
    for _ in range(2):
        train, test = load(pictures, test_fraction=0.3)
        for part in (train, test):
            assert len(part.files) == len(part)
            names = [name.split("/")[0] for name in part.files]
            assert names == [part.classes[label] for label in part.labels]
        assert {*train.files}.isdisjoint(test.files)


@pytest.fixture
def broken(pictures):
    """Three pictures that cannot be read, each in another way."""
    (pictures / "cat" / "0.png").write_bytes(b"text")
    whole = (pictures / "cat" / "1.png").read_bytes()
    (pictures / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "dog" / "9.png").unlink()
    os.mkfifo(pictures / "dog" / "9.png")
    return pictures


def test_a_link_that_leads_nowhere_is_a_broken_picture(pictures):
    (pictures / "dog" / "x.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"dog/x\.png' must be a file that can be read"):
        load(pictures)
    with pytest.warns(UserWarning, match=r"left out 1 .*'dog/x\.png'"):
        train, test = load(pictures, skip_broken=True)
    assert len(train) + len(test) == 20


@pytest.mark.parametrize("at_once", [512, 0])
def test_all_broken_pictures_are_named_at_once(broken, monkeypatch, at_once):
    monkeypatch.setattr(module, "_IN_THIS_PROCESS", at_once)
    with pytest.raises(DataError, match="got 3 that cannot be read: ") as caught:
        load(broken)
    for words in (
        "'cat/0.png' (a file in no known format)",
        "'cat/1.png' (",
        "'dog/9.png' (a named pipe, not a regular file)",
        "skip_broken=True (--skip-broken)",
    ):
        assert words in str(caught.value)


def test_no_more_than_twenty_broken_pictures_are_named(pictures):
    for number in range(30):
        (pictures / "cat" / f"x{number:02}.png").write_bytes(b"text")
    with pytest.raises(DataError, match=r"got 30 .*'cat/x19.png' .*; and 10 more. Men"):
        load(pictures)


@pytest.mark.parametrize("limit", [None, 100])
def test_broken_pictures_are_left_out_on_request(broken, limit):
    for _ in range(2):  # decoded, then from the cache
        with pytest.warns(UserWarning, match="left out 3 that cannot be read: 'cat/0"):
            train, test = load(broken, skip_broken=True, memory_limit_bytes=limit)
        assert len(train) + len(test) == 17
        assert {"cat/0.png", "cat/1.png", "dog/9.png"}.isdisjoint(
            train.files + test.files
        )
        blues = [part.images[:][:, 0, 0, 2] for part in (train, test)]
        values = [int(name[4]) for part in (train, test) for name in part.files]
        expected = np.array(values) + np.where(
            np.concatenate([train.labels, test.labels]), 0, 200
        )
        np.testing.assert_array_equal(np.concatenate(blues), expected)
    told = []
    load(broken, skip_broken=True, progress=lambda *now: told.append(now[2]))
    assert "left out 3 that cannot be read" in told[-1]
    with pytest.raises(DataError, match="got 3 that cannot be read"):
        load(broken)  # what was kept without them is another entry


def test_a_class_without_a_whole_picture_is_refused(pictures):
    for path in (pictures / "cat").iterdir():
        path.write_bytes(b"text")
    with pytest.raises(
        DataError, match="a picture that can be read; got none of 'cat'"
    ):
        load(pictures, skip_broken=True)
    shutil.rmtree(pictures / "dog")
    (pictures / "dog").mkdir()
    (pictures / "dog" / "1.png").write_bytes(b"text")
    with pytest.raises(DataError, match="got 11 that cannot be read"):
        load(pictures, skip_broken=True)
