"""This file is compiled code on disk: found again, damaged, impossible to write."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.engines.compiled import cache, compiler, cpu
from pellucid.engines.compiled.kernels.harness import compiled
from pellucid.engines.compiled.kernels.ir import Builder, Pointer, kernel


@kernel(x="f32*")
def double(b: Builder, x: Pointer, *, spec: float) -> None:
    x.store(x.vector(lanes=4) * spec)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path))
    return tmp_path / "code"


def doubled(factor):
    x = np.arange(4, dtype=np.float32)
    compiled(double, factor)(x)
    return x.tolist()


def test_code_is_kept_and_found_again(folder, monkeypatch):
    assert doubled(2.0) == [0, 2, 4, 6]
    (kept,) = folder.glob("*.o")

    def refuse(*_):
        raise AssertionError("compiled again")

    monkeypatch.setattr(compiler, "_compiled", refuse)
    assert doubled(2.0) == [0, 2, 4, 6]
    with pytest.raises(AssertionError, match="compiled again"):
        doubled(3.0)
    assert list(folder.glob("*.o")) == [kept]


def test_damaged_code_is_compiled_anew(folder):
    doubled(2.0)
    (kept,) = folder.glob("*.o")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert doubled(2.0) == [0, 2, 4, 6]
    assert kept.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file"))
    assert doubled(2.0) == [0, 2, 4, 6]


def test_other_lanes_are_other_code(folder):
    for lanes in {4, cpu.target().lanes}:
        compiled(double, 2.0, on=cpu.target(lanes))
    assert len(list(folder.glob("*.o"))) == len({4, cpu.target().lanes})


def test_every_file_that_writes_kernels_is_part_of_the_key():
    package = "pellucid.engines.compiled"
    loaded = [
        Path(module.__file__)
        for name, module in sys.modules.items()
        if name.startswith((f"{package}.kernels.", f"{package}.plan."))
    ]
    assert set(loaded) <= set(compiler.sources())
    assert any(file.parent.name == "ir" for file in loaded)


def test_old_code_goes(folder, monkeypatch):
    monkeypatch.setattr(cache, "KEPT", 3)
    for n in range(6):
        cache.write(f"name{n}", b"code")
    assert len(list(folder.glob("*.o"))) == 3


def test_long_compiling_says_so(folder, monkeypatch, capsys):
    doubled(4.0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(compiler, "QUIET_S", 0.0)
    doubled(5.0)
    assert capsys.readouterr().err.startswith("compiling kernel double … ")
