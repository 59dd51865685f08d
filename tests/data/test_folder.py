"""Tests of how names become classes."""

from __future__ import annotations

import os
import shutil
import zipfile

import pytest

from pellucid.data import load
from pellucid.data.folder import Layout
from pellucid.errors import DataError


def tree(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_bytes(b"x")
    return root


def test_subfolders_are_classes(tmp_path):
    layout = Layout.of(tree(tmp_path, "dog/1.png", "cat/2.jpg", "cat/deep/3.png"))
    assert layout.classes == ("cat", "dog")
    assert layout.train.names == ("cat/2.jpg", "cat/deep/3.png", "dog/1.png")
    assert layout.train.labels.tolist() == [0, 0, 1]
    assert layout.test is None


def test_numbered_classes_are_sorted_as_numbers(tmp_path):
    names = [f"{number}/a.png" for number in range(12)]
    assert Layout.of(tree(tmp_path, *names)).classes == tuple(map(str, range(12)))


def test_train_and_test_divide_the_pictures(tmp_path):
    root = tree(
        tmp_path, "train/a/1.png", "train/b/1.png", "test/a/2.png", "test/b/3.png"
    )
    layout = Layout.of(root)
    assert layout.train.names == ("train/a/1.png", "train/b/1.png")
    assert layout.test is not None
    assert layout.test.names == ("test/a/2.png", "test/b/3.png")
    assert layout.test.labels.tolist() == [0, 1]


PAIRS = [
    ("train", "test"),
    ("Train", "Test"),
    ("TRAIN", "TEST"),
    ("training", "testing"),
    ("Training", "Testing"),
    ("train_set", "test_set"),
    ("training-set", "test-set"),
    ("train data", "test data"),
    ("trainset", "testset"),
    ("TrainImages", "TestImages"),
    ("train1", "test1"),
    ("01_train", "02_test"),
    ("pets_train", "pets_test"),
]
VALIDATION = [
    ("train", "val"),
    ("train", "valid"),
    ("Train", "Valid"),
    ("training", "validation"),
    ("train", "dev"),
    ("train2017", "val2017"),
    ("TRAINING_SET", "VALIDATION_SET"),
]


@pytest.mark.parametrize("outer", ["", "pets/", "all/pets/"])
@pytest.mark.parametrize(("train", "test"), PAIRS)
def test_a_pair_of_train_and_test_is_known_however_it_is_spelt(
    tmp_path, outer, train, test
):
    names = [f"{outer}{part}/{name}/1.png" for part in (train, test) for name in "ab"]
    layout = Layout.of(tree(tmp_path, *names, f"{outer}README.md"))
    assert layout.classes == ("a", "b")
    assert layout.train.names == tuple(names[:2])
    assert layout.test is not None
    assert layout.test.names == tuple(names[2:])
    assert layout.validation is None


@pytest.mark.parametrize("has_test", [False, True])
@pytest.mark.parametrize(("train", "validation"), VALIDATION)
def test_validation_data_is_known_however_it_is_spelt(
    tmp_path, train, validation, has_test
):
    parts = [train, validation, *(["test"] if has_test else [])]
    names = [f"{part}/{name}/1.png" for part in parts for name in "ab"]
    layout = Layout.of(tree(tmp_path, *names))
    assert layout.train.names == tuple(names[:2])
    assert layout.validation is not None
    assert layout.validation.names == tuple(names[2:4])
    assert (layout.test is not None) == has_test
    assert layout.names == tuple(names)
    assert layout.labels.tolist() == [0, 1] * len(parts)


@pytest.mark.parametrize("inner", ["train", "images"])
def test_a_part_may_be_wrapped_once_more(tmp_path, inner):
    test = {"train": "test", "images": "images"}[inner]
    names = [f"train/{inner}/{name}/1.png" for name in "ab"]
    names += [f"test/{test}/{name}/1.png" for name in "ab"]
    assert Layout.of(tree(tmp_path, *names)).classes == ("a", "b")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["train/a/1", "train/b/1", "foo/a/1", "foo/b/1"], "got 'foo' beside 'train'"),
        (["cat/1", "dog/1", "test/1"], "got 'cat' beside 'test'.*if it is a class"),
        (["bus/1", "car/1", "train/1"], "got 'bus' beside 'train'"),
        (["train/1", "val/1"], "must have at least 2 subfolders"),
        (["train/1.png", "val/1.png"], "one subfolder per class; got '1.png' outside"),
        (["train/a/1", "train/b/1", "test/1.png"], "one subfolder per class; got '1"),
        (["train/a/1", "Training/a/1"], "one folder of train data; got 'Training' and"),
        (["val/a/1", "test/a/1"], "a folder of training data; got 'test' and 'val'"),
        (["test/a/1", "test/b/1"], "a folder of training data; got 'test' only"),
        (["val/a/1", "val/b/1"], "give the path of the folder itself"),
        (["my_train/a/1", "her_test/a/1"], "got 'her_test' and 'my_train', which coul"),
        (["a/train/1", "a/test/1", "b/train/1", "b/test/1"], "as in train/a; got a/te"),
        (["fold1/a/1", "fold1/b/1", "fold2/a/1", "fold2/b/1"], "both hold 'a' and 'b'"),
        (["uno/a/1", "uno/b/1", "dos/a/1", "dos/b/1", "dos/c/1"], "both hold 'a' and"),
        (["prueba/a/1", "prueba/b/1", "otra/a/1", "otra/b/1"], "which both hold 'a'"),
        (
            ["train/a/1", "train/b/1", "val/a/1", "val/c/1"],
            "val of .* the same c",
        ),
    ],
)
def test_what_could_be_parts_or_classes_is_refused(tmp_path, names, sentence):
    with pytest.raises(DataError, match=sentence):
        Layout.of(tree(tmp_path, *names))


@pytest.mark.parametrize(
    "classes",
    [
        ("valid", "invalid"),
        ("class_test", "cat"),
        ("contest", "strain"),
        ("trained", "untrained"),
        ("trains", "cars"),
        ("license_plate", "readme"),
        ("log.txt", "b.md"),
    ],
)
def test_classes_that_sound_like_parts_or_texts_are_classes(tmp_path, classes):
    names = [f"{name}/1.png" for name in classes]
    assert set(Layout.of(tree(tmp_path, *names)).classes) == set(classes)


@pytest.mark.parametrize(
    "stray",
    [
        ".DS_Store",
        "Thumbs.db",
        "thumbs.db",
        "desktop.ini",
        "Desktop.ini",
        "README",
        "readme.txt",
        "README.md",
        "LICENSE",
        "labels.csv",
        "SHA256SUMS",
        "md5sums",
        "a.md5",
        "checksums.txt",
        "__MACOSX/1.png",
        "@eaDir/1.png",
    ],
)
def test_stray_files_are_not_looked_at(tmp_path, stray):
    root = tree(tmp_path, "a/1.png", "b/1.png", "b/noending", f"a/{stray}", stray)
    layout = Layout.of(root)
    assert layout.classes == ("a", "b")
    assert layout.train.names == ("a/1.png", "b/1.png", "b/noending")


@pytest.mark.parametrize("outer", ["pets", "all/pets", "train"])
def test_an_outer_folder_is_no_class(tmp_path, outer):
    layout = Layout.of(tree(tmp_path, f"{outer}/cat/1.png", f"{outer}/dog/1.png"))
    assert layout.classes == ("cat", "dog")
    assert layout.train.names == (f"{outer}/cat/1.png", f"{outer}/dog/1.png")


def test_hidden_files_and_texts_at_the_top_are_not_looked_at(tmp_path):
    layout = Layout.of(
        tree(
            tmp_path,
            "a/1.png",
            "b/1.png",
            "a/.DS_Store",
            ".git/x.png",
            "__MACOSX/a/1.png",
            "b/Thumbs.db",
            "README.md",
        )
    )
    assert layout.classes == ("a", "b")
    assert layout.train.names == ("a/1.png", "b/1.png")


def test_a_zip_is_looked_at_like_a_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("x/", "x/b/", "x/b/1.png", "x/a/2.png", "__MACOSX/x/._2.png"):
            archive.writestr(name, b"")
    layout = Layout.of(tmp_path / "x.zip")
    assert layout.classes == ("a", "b")
    assert layout.train.names == ("x/a/2.png", "x/b/1.png")


@pytest.mark.parametrize("way", ["./{}", "{}", ".\\{}", ".//{}"])
@pytest.mark.parametrize("mark", ["/", "\\"])
def test_a_zip_is_read_whoever_named_its_entries(tmp_path, png, way, mark):
    path = tmp_path / "x.zip"
    names = [f"train/{n}/1.png" for n in "ab"] + [f"val/{n}/2.png" for n in "ab"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("./"), b"")
        for value, name in enumerate(names):
            archive.writestr(way.format(name).replace("/", mark), png(value))
    layout = Layout.of(path)
    assert layout.names == tuple(names)
    train, test = load(path, cache=False)
    assert train.images[:, 0, 0, 0].tolist() == [0, 1]
    assert test.images[:, 0, 0, 0].tolist() == [2, 3]


def test_of_two_entries_of_one_name_the_last_counts(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a/1.png", "b/1.png", "./a/1.png"):
            archive.writestr(name, b"x")
    assert Layout.of(path).names == ("a/1.png", "b/1.png")


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    tree(tmp_path, "real/1.png", "pets/a/1.png")
    os.symlink(tmp_path / "real", tmp_path / "pets" / "b")
    os.symlink(tmp_path / "pets", tmp_path / "pets" / "a" / "again")
    assert Layout.of(tmp_path / "pets").classes == ("a", "b")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a/1.png"], "at least 2 subfolders, one per class; got 1, 'a'"),
        (["README.md"], "at least 2 subfolders, one per class; got 0"),
        (["a/1.png", "b/1.png", "c/"], "got the empty folder 'c'"),
        (["a/1.png", "b/.hidden"], "got the empty folder 'b'"),
        (["a/1.png", "b/1.png", "x.png"], "one subfolder per class; got 'x.png'"),
        (
            ["train/a/1", "train/b/1", "test/a/1", "test/b/1", "foo/a/1"],
            "must be classes, or parts .*; got 'foo' beside 'test'",
        ),
        (
            ["train/a/1", "train/b/1", "test/a/1", "test/c/1"],
            "must have the same classes; got 'b' in one of them only",
        ),
        (
            ["train/a/1", "train/b/1", "test/a/1", "test/b/"],
            "got the empty folder 'test/b'",
        ),
    ],
)
def test_a_folder_is_refused(tmp_path, names, sentence):
    with pytest.raises(DataError, match=sentence):
        Layout.of(tree(tmp_path, *names))


def test_a_folder_that_is_gone_is_named(tmp_path):
    root = tree(tmp_path / "x", "a/1.png")
    shutil.rmtree(root)
    with pytest.raises(DataError, match=r"zip file|must be a f"):
        Layout.of(root)
