"""Compiled code on disk: found again, damaged, impossible to write."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from oracles.kernel_runner import compiled

from pellucid.engines.compiled import own_folder
from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    cache,
    compilation,
    compiler,
    cpu,
    emit,
    kernel,
)


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

    monkeypatch.setattr(emit.Emitter, "emit", refuse)
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
        if name.startswith(
            tuple(
                f"{package}.{part}."
                for part in ("codegen", "kernels", "lowering", "program")
            )
        )
    ]
    assert set(loaded) <= set(compiler.sources())
    assert any(file.parent.name == "codegen" for file in loaded)


def test_old_code_goes(folder, monkeypatch):
    monkeypatch.setattr(cache, "KEPT", 3)
    for n in range(6):
        cache.write({f"name{n}": b"code"})
    assert len(list(folder.glob("*.o"))) == 3


def other_code(code=b"other code"):
    """Return what a stranger could plant: a whole file."""
    return cache._MAGIC + cache._digest(code) + code


def test_the_folder_is_made_for_the_user_alone(folder):
    cache.write({"name": b"code"})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "name.o").stat().st_mode) == 0o600
    assert cache.read("name") == b"code"


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o707, 0o777, 0o1777])
def test_code_from_a_folder_that_others_may_write_is_not_loaded(folder, mode):
    folder.mkdir()
    (folder / "name.o").write_bytes(other_code())
    folder.chmod(mode)
    assert cache.read("name") is None
    cache.write({"name": b"code"})
    assert cache.read("name") == b"code"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_others_may_only_read_is_closed_and_used(folder):
    cache.write({"name": b"code"})
    folder.chmod(0o755)
    assert cache.read("name") == b"code"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_loaded(folder, mode):
    cache.write({"name": b"code"})
    (folder / "name.o").chmod(mode)
    assert cache.read("name") is None


def test_a_linked_file_is_not_loaded(folder, tmp_path):
    cache.write({"name": b"code"})
    (tmp_path / "elsewhere.o").write_bytes(other_code())
    (folder / "name.o").unlink()
    (folder / "name.o").symlink_to(tmp_path / "elsewhere.o")
    assert cache.read("name") is None
    cache.write({"name": b"code"})
    assert cache.read("name") == b"code"
    assert (tmp_path / "elsewhere.o").read_bytes() == other_code()


def test_a_linked_folder_is_not_used_and_that_is_said_once(folder, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "elsewhere" / "name.o").write_bytes(other_code())
    folder.symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        assert cache.read("name") is None
        cache.write({"name": b"code"})
    said = capsys.readouterr().err
    assert "must be the user's own folder; got a link" in said
    assert said.count("\n") == 1
    assert cache.read("name") is None


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_another_user_owns_is_not_loaded(folder, monkeypatch, capsys, what):
    cache.write({"name": b"code"})
    if what == "folder":
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert cache.read("name") is None
        assert f"got a folder of user {os.getuid()}" in capsys.readouterr().err
        cache.write({"other": b"code"})
        assert not (folder / "other.o").exists()
    elif os.getuid() == 0:
        os.chown(folder / "name.o", 12345, -1)
        assert cache.read("name") is None
    else:
        status = os.stat_result(
            (stat.S_IFREG | 0o600, 0, 0, 1, os.getuid() + 1, *[0] * 5)
        )
        real = os.fstat
        monkeypatch.setattr(
            own_folder.os,
            "fstat",
            lambda fd: status if stat.S_ISREG(real(fd).st_mode) else real(fd),
        )
        assert cache.read("name") is None


def test_what_a_killed_process_left_goes(folder):
    cache.write({"name": b"code"})
    for name, age in (("old", 3600), ("new", 0)):
        left = folder / f"{name}.1.part"
        left.write_bytes(b"half")
        os.utime(left, (time.time() - age,) * 2)
    cache.write({"other": b"code"})
    assert [p.name for p in folder.glob("*.part")] == ["new.1.part"]


def test_long_compiling_says_so(folder, monkeypatch, capsys):
    doubled(4.0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(compilation, "QUIET_S", 0.0)
    doubled(5.0)
    assert capsys.readouterr().err.startswith("compiling kernel double … ")
