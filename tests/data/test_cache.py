"""Tests of the user's cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.data.cache import cache_folder, data_folders, new_folder


def test_the_cache_lies_where_the_platform_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "pellucid"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "pellucid"


def test_the_users_own_folder_comes_first(monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", "/own")
    assert data_folders("x")[:2] == (Path("/own/x"), Path("/usr/share/datasets/x"))
    monkeypatch.delenv("PELLUCID_DATA")
    assert data_folders("x")[-1] == cache_folder() / "x"


def test_a_new_folder_appears_all_at_once(tmp_path):
    target = tmp_path / "deep" / "target"
    with new_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_failed_folder_leaves_nothing(tmp_path):
    def fail():
        with new_folder(tmp_path / "target") as folder:
            (folder / "a").write_text("1")
            raise KeyError("disk")

    with pytest.raises(KeyError, match="disk"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_process_made_first_stays(tmp_path):
    with new_folder(tmp_path / "target") as folder:
        (folder / "a").write_text("mine")
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "a").write_text("theirs")
    assert (tmp_path / "target" / "a").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
