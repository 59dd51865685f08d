"""Figures name no folder of the machine they were measured on."""

from __future__ import annotations

import json
from pathlib import Path

import pellucid
from pellucid.compare.criteria import Measurement
from pellucid.compare.methods.paths import remove_folders, shorten


def test_a_traceback_says_where_but_not_on_which_machine(tmp_path):
    source = Path(pellucid.__file__).parent / "errors.py"
    detail = (
        f'File "{source}", in it\nFile "{tmp_path}/user.py", File "{json.__file__}"'
    )
    (measurement,) = remove_folders(
        [Measurement(name="caught", value=True, note=f"{tmp_path}/x", detail=detail)],
        [tmp_path],
    )
    assert measurement.value is True
    assert measurement.note == "x"
    assert measurement.detail == (
        'File "pellucid/errors.py", in it\nFile "user.py", File "json/__init__.py"'
    )


def test_the_current_folder_is_not_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert shorten(f"at {tmp_path}/[eval]:3") == "at [eval]:3"
