"""Exports and conversions that end at any file event: the old files or the new ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from storage.events import (
    die,
    each_event,
    find_the_disk_full,
    needs_fork,
    nothing_is_flushed,
)

import pellucid as pl
from pellucid import exchange
from pellucid.cli.main import main
from pellucid.exchange import FORMATS
from pellucid.storage import PENDING, recover

__all__ = ["nothing_is_flushed"]
pytestmark = needs_fork

#: formats of one file, of two, and of a folder, none of which needs a package
NAMES = ("npz", "c", "tfjs")


def model(seed: int) -> pl.Model:
    network = pl.Sequential(pl.Input(4), pl.Dense(2))
    return pl.Model(network, engine="numpy", seed=seed)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write_all(folder: Path, seed: int) -> None:
    targets = {folder / f"m{FORMATS[name].suffix}": FORMATS[name] for name in NAMES}
    exchange.write_all(model(seed), targets)


@pytest.mark.parametrize("act", [die, find_the_disk_full])
@pytest.mark.parametrize("is_new", [True, False], ids=["anew", "over an older one"])
def test_an_export_is_the_old_one_or_the_new_one_whole(
    tmp_path: Path, act: Callable[[], None], is_new: bool
) -> None:
    out, wanted = tmp_path / "out", {}
    for seed in (1, 2):
        wanted[seed] = tmp_path / f"wanted-{seed}"
        wanted[seed].mkdir()
        write_all(wanted[seed], seed)
    old = {} if is_new else content(wanted[1])
    new = content(wanted[2])

    def prepare() -> None:
        shutil.rmtree(out, ignore_errors=True)
        if is_new:
            out.mkdir()
        else:
            shutil.copytree(wanted[1], out)

    found = []
    works = each_event(out, prepare, lambda: write_all(out, 2), act, stride=3)
    for said in works:
        # an export of something else is a next start as well
        exchange.write(model(3), out / "other.npz")
        (out / "other.npz").unlink()
        found.append(content(out))
        assert found[-1] in (old, new), said
        assert not (out / PENDING).exists()
        if act is find_the_disk_full and said:
            assert said.startswith("ExchangeError: export: ")
            assert "No space left on device" in said
    assert found[0] == old
    assert found[-1] == new


def test_what_is_read_back_is_never_a_mix(tmp_path: Path) -> None:
    out, old, new = tmp_path / "m.tfjs", model(1), model(2)

    def prepare() -> None:
        shutil.rmtree(tmp_path / PENDING, ignore_errors=True)
        exchange.write(old, out)

    for _ in each_event(tmp_path, prepare, lambda: exchange.write(new, out)):
        kept = exchange.read(out, engine="numpy").weights
        assert any(
            all((kept[name] == one.weights[name]).all() for name in kept)
            for one in (old, new)
        )
        assert not (tmp_path / PENDING).exists()


def test_a_conversion_that_is_killed_leaves_the_old_file_or_the_new_one(
    tmp_path: Path,
) -> None:
    source, out = tmp_path / "m.npz", tmp_path / "out"
    exchange.write(model(2), source)
    out.mkdir()
    target = out / "m.safetensors"
    exchange.write(model(1), target)
    before = target.read_bytes()

    def prepare() -> None:
        shutil.rmtree(out)
        out.mkdir()
        target.write_bytes(before)

    def work() -> None:
        assert main(["convert", str(source), str(target)]) == 0

    expected = model(2).weights
    for _ in each_event(out, prepare, work):
        recover(out)
        assert [p.name for p in out.iterdir()] == ["m.safetensors"]
        if target.read_bytes() != before:
            kept = exchange.read(target, engine="numpy").weights
            assert all((kept[name] == expected[name]).all() for name in expected)
