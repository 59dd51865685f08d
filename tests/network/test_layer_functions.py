"""A layer's function is found by name and parameters, its entry by class or family."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import pytest

import pellucid as pl
from pellucid.engines.numpy.layers import FORWARD
from pellucid.network.layer_functions import layer_functions
from pellucid.network.layers import Pointwise, Rearrangement, find_entry, has_entry


@dataclass(frozen=True)
class Narrow(pl.Conv2D):
    """A class of the caller's below a layer of ours."""


def test_an_entry_of_the_layers_own_comes_before_its_familys() -> None:
    table = {Rearrangement: "family", pl.Reshape: "own"}
    assert find_entry(table, pl.Reshape((2, 2))) == "own"
    assert find_entry(table, pl.Permute((1, 0))) == "family"
    assert not has_entry(table, pl.Flatten())


def test_a_class_below_a_layer_of_ours_has_not_its_entry() -> None:
    table = {pl.Conv2D: "ours"}
    assert has_entry(table, pl.Conv2D(2, 3))
    with pytest.raises(KeyError, match="Narrow"):
        find_entry(table, Narrow(2, 3))


def test_a_helper_of_a_layers_name_is_not_its_function() -> None:
    # the numpy engine's `sigmoid` of recurrent cells takes an array alone
    assert pl.Sigmoid not in FORWARD
    assert find_entry(FORWARD, pl.Sigmoid()) is FORWARD[Pointwise]


def test_functions_are_found_in_all_modules_and_must_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "found_by_name"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "first": "def dense(layer, x): ...\ndef slice_(layer, x): ...\n",
        "second": "def pointwise(layer, x): ...\ndef dense(x): ...\n",
    }.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = layer_functions("found_by_name", "layer", "x")
    assert set(found) == {pl.Dense, pl.Slice, Pointwise}
    (folder / "third.py").write_text("def slice_(layer, x): ...\n")
    importlib.invalidate_caches()
    with pytest.raises(TypeError, match=r"found_by_name: slice_ must be one function"):
        layer_functions("found_by_name", "layer", "x")
