"""Tests of decoded pictures on disk."""

from __future__ import annotations

import os

import numpy as np
import pytest

from pellucid.data.folder import Layout, Part
from pellucid.data.picture_cache import Kept, cache_entry, keep, read_cached
from pellucid.errors import DataError


@pytest.fixture
def kept():
    images = np.arange(4 * 12, dtype=np.uint8).reshape(4, 2, 2, 3)
    train = Part(("a/1", "b/1", "a/2"), np.array([0, 1, 0]))
    test = Part(("b/2",), np.array([1]))
    return Kept(images, Layout(("a", "b"), train, test=test), {"a/3": "cut off"})


def test_what_is_kept_is_read_again(kept, tmp_path):
    keep(tmp_path / "x-1", kept)
    found = read_cached(tmp_path / "x-1")
    np.testing.assert_array_equal(found.images, kept.images)
    np.testing.assert_array_equal(found.layout.labels, kept.layout.labels)
    assert found.layout.classes == kept.layout.classes
    for one, other in (
        (found.layout.train, kept.layout.train),
        (found.layout.test, kept.layout.test),
    ):
        assert one.names == other.names
        np.testing.assert_array_equal(one.labels, other.labels)
    assert found.layout.validation is None
    assert found.broken == kept.broken


def test_an_older_entry_of_the_same_source_goes(kept, tmp_path):
    for name in ("x-1", "y-1", "x-2"):
        keep(tmp_path / name, kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-2", "y-1"]


def test_every_option_and_every_change_has_a_name_of_its_own(pictures, png, tmp_path):
    names = {cache_entry(pictures, None, None)}
    names.add(cache_entry(pictures, (3, 3), None))
    names.add(cache_entry(pictures, None, "grey"))
    (pictures / "cat" / "new.png").write_bytes(png(3))
    names.add(cache_entry(pictures, None, None))
    os.utime(pictures / "cat" / "new.png", ns=(5, 5))
    names.add(cache_entry(pictures, None, None))
    names.add(cache_entry(pictures, None, None, skip_broken=True))
    assert len(names) == 6
    assert len({name.name.split("-")[0] for name in names}) == 4


def test_a_change_behind_a_link_is_seen(pictures, tmp_path, png):
    os.symlink(pictures, tmp_path / "link")
    (tmp_path / "outer").mkdir()
    os.symlink(pictures / "cat", tmp_path / "outer" / "cat")
    before = cache_entry(tmp_path / "outer", None, None)
    (pictures / "cat" / "0.png").write_bytes(png((9, 9, 9), (7, 7)))
    assert cache_entry(tmp_path / "outer", None, None) != before


def test_hidden_files_make_no_difference(pictures):
    before = cache_entry(pictures, None, None)
    (pictures / ".hidden").write_text("x")
    assert cache_entry(pictures, None, None) == before


def test_a_source_that_is_gone_is_named(tmp_path):
    with pytest.raises(DataError, match="folder or zip that can be read; got No such"):
        cache_entry(tmp_path / "gone", None, None)
