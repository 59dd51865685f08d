"""Modules compiled in this process and in others beside it; kernels kept one by one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines.compiled.codegen import cache, compilation, compiler, emit
from pellucid.engines.compiled.codegen.compilation import Compilation
from pellucid.engines.compiled.codegen.cpu import target

TEXTS = {
    f"f{n}": f"define i64 @f{n}(i64 %x) {{\n %y = mul i64 %x, {n}\n ret i64 %y\n}}\n"
    for n in range(6)
}


def compiled(texts):
    with Compilation(target(), what="texts") as made:
        for name, text in texts.items():
            made.add(name, text, "few")
        return made.finish()


@pytest.fixture
def with_processes(monkeypatch):
    """Start two other processes at once; return those that were started."""
    started = []

    def start(here):
        process = real(here)
        started.append(process)
        return process

    real = compilation._open
    monkeypatch.setattr(compilation, "_open", start)
    monkeypatch.setattr(compilation, "WORTH_LINES", 0)
    monkeypatch.setattr(compilation, "default_threads", lambda: 3)
    return started


def test_other_processes_make_the_same_code(with_processes, monkeypatch):
    here = emit.Emitter(target().cpu, target().features)
    wanted = {name: here.emit(text, "few") for name, text in TEXTS.items()}
    monkeypatch.setattr(Compilation, "_compile_the_rest", lambda self: None)
    assert compiled(TEXTS) == wanted
    assert len(with_processes) == 2
    assert all(process.poll() is not None for process in with_processes)


def test_what_a_process_that_ended_left_is_compiled_here(with_processes, monkeypatch):
    real = compilation._open

    def start(here):
        process = real(here)
        process.kill()
        process.wait()
        return process

    monkeypatch.setattr(compilation, "_open", start)
    assert compiled(TEXTS).keys() == TEXTS.keys()
    assert len(with_processes) == 2


@pytest.mark.parametrize("executable", ["", "/usr/bin/some-server", "/no/such/python"])
def test_without_an_interpreter_this_process_compiles(
    with_processes, monkeypatch, executable
):
    monkeypatch.setattr(sys, "executable", executable)
    assert compiled(TEXTS).keys() == TEXTS.keys()
    assert with_processes == [None]


def test_an_error_ends_the_processes(with_processes, monkeypatch):
    monkeypatch.setattr(Compilation, "_compile_the_rest", lambda self: None)
    with pytest.raises(RuntimeError, match="expected"):
        compiled(TEXTS | {"broken": "define nothing"})
    assert all(process.poll() is not None for process in with_processes)


def test_the_program_ends_with_its_input():
    process = compilation._open(target())
    assert isinstance(process, subprocess.Popen)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_long_compiling_says_how_much_is_left(monkeypatch, capsys):
    monkeypatch.setattr(compilation, "QUIET_S", 0.0)
    monkeypatch.setattr(compilation, "SPOKEN_S", 0.0)
    with Compilation(target(), what="texts") as made:
        made.expect(3)
        for name in ("f1", "f2", "f3"):
            made.add(name, TEXTS[name], "none")
        made.finish()
    said = capsys.readouterr().err
    assert said.startswith("compiling texts … 3 left …")
    assert said.endswith(" s\n")


def network(classes=3):
    return pl.Sequential(
        pl.Input(4, 4, 3),
        pl.Conv2D(4, 3),
        pl.Sigmoid(),
        pl.Flatten(),
        pl.Dense(classes),
    )


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Return the kernels that were compiled so far, by their names' first parts."""
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path))
    made = []
    real = Compilation.add

    def add(self, name, text, effort):
        if "." in name:
            made.append(name.partition(".")[0])
        real(self, name, text, effort)

    monkeypatch.setattr(Compilation, "add", add)
    return made


def predict(net):
    model = pl.Model(net, engine=pl.engines.compiled(threads=1))
    return model.predict(np.ones((1, *net.input_shape), np.float32))


def test_networks_share_kernels(kernels, tmp_path):
    expected = predict(network())
    first = len(kernels)
    np.testing.assert_array_equal(predict(network()), expected)
    assert len(kernels) == first  # from the disk
    predict(network(classes=5))
    assert set(kernels[first:]) == {"copy", "dense_forward"}  # not the convolution


def test_a_kernel_that_is_gone_is_compiled_anew(kernels, tmp_path):
    expected = predict(network())
    first = len(kernels)
    files = sorted((tmp_path / "code").glob("*.o"), key=lambda f: f.stat().st_size)
    files[-1].unlink()
    np.testing.assert_array_equal(predict(network()), expected)
    assert len(kernels) == first + 1
    assert files[-1].exists()


def test_a_disk_that_fills_up_leaves_nothing_half(kernels, tmp_path, monkeypatch):
    real, written = cache._write_new, []

    def write(path, content):
        if len(written) == 3:
            path.write_bytes(content[:5])
            raise OSError(28, "No space left on device")
        written.append(path)
        real(path, content)

    monkeypatch.setattr(cache, "_write_new", write)
    expected = predict(network())
    assert len(list((tmp_path / "code").iterdir())) == 3
    monkeypatch.setattr(cache, "_write_new", real)
    np.testing.assert_array_equal(predict(network()), expected)


def test_large_plans_are_called_from_quickly_made_code(kernels, monkeypatch):
    expected = predict(network())
    efforts = []
    real = emit.Emitter.emit

    def record(self, text, effort):
        efforts.append(effort)
        return real(self, text, effort)

    monkeypatch.setattr(emit.Emitter, "emit", record)
    monkeypatch.setattr(compiler, "SMALL_LINES", 0)
    monkeypatch.setattr(compiler, "sources_digest", lambda: "other")
    np.testing.assert_array_equal(predict(network()), expected)
    assert efforts.count("none") == 1
