"""Tests of how names become classes."""

from __future__ import annotations

import os
import shutil
import zipfile

import pytest

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
