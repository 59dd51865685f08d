"""Figures name no folder of the machine they were measured on."""

from __future__ import annotations

import json
from pathlib import Path

import pellucid
from pellucid.compare.study import Figure
from pellucid.compare.study.paths import shortened, without_folders


def test_a_traceback_says_where_but_not_on_which_machine(tmp_path):
    source = Path(pellucid.__file__).parent / "errors.py"
    detail = (
        f'File "{source}", in it\nFile "{tmp_path}/user.py", File "{json.__file__}"'
    )
    (figure,) = without_folders(
        [Figure(name="caught", value=True, note=f"{tmp_path}/x", detail=detail)],
        [tmp_path],
    )
    assert figure.value is True
    assert figure.note == "x"
    assert figure.detail == (
        'File "pellucid/errors.py", in it\nFile "user.py", File "json/__init__.py"'
    )


def test_the_current_folder_is_not_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert shortened(f"at {tmp_path}/[eval]:3") == "at [eval]:3"
