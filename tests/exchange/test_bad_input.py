"""Bad input to every reader: one sentence, and nothing worse."""

from __future__ import annotations

import contextlib
import zipfile

import numpy as np
import pytest
from fuzz import changed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles.examples import examples

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import FORMATS

READ = [f for f in FORMATS.values() if f.is_read and f.is_written and not f.marker]
NAMES = [entry.name for entry in READ]
FUZZ = settings(
    max_examples=examples(30),
    deadline=10_000,  # milliseconds: a file that hangs fails the test
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def written(model, tmp_path, name):
    entry = FORMATS[name]
    for package in (*entry.needs, *(["torch"] if name == "pt2" else [])):
        pytest.importorskip(package, reason=f"{package} is not installed")
    return exchange.write(model, tmp_path / f"model{entry.suffix}", format=name)


def read(path, name):
    more = {"network": pl.zoo("xor-one-hidden")} if name == "state_dict" else {}
    return exchange.read(path, engine="numpy", format=name, **more)


@pytest.mark.parametrize("name", NAMES)
def test_truncated_files_are_refused(name, small_model, tmp_path):
    path = written(small_model, tmp_path, name)
    whole = path.read_bytes()
    for share in (0.02, 0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(pl.ExchangeError):
            read(path, name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"not a model at all", b"\x80\x04\x95pickle"]
)
def test_files_of_another_kind_are_refused(name, content, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(pl.ExchangeError):
        read(path, name)


@pytest.mark.parametrize("name", NAMES)
def test_no_file_and_a_folder_are_refused(name, tmp_path):
    with pytest.raises(
        pl.ExchangeError, match="must be a file; got no such regular file"
    ):
        read(tmp_path / "none", name)
    with pytest.raises(pl.ExchangeError, match="must be a file; got a folder"):
        read(tmp_path, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_more_than_two_gibibytes_is_refused_unread(name, tmp_path):
    path = tmp_path / "model"
    with path.open("wb") as file:
        file.truncate(2**31)  # sparse: takes no room
    with pytest.raises(pl.ExchangeError, match="must have at most 2147483647 bytes"):
        read(path, name)


@pytest.mark.parametrize("name", NAMES)
def test_changed_bytes_are_read_or_refused_and_never_crash(name, small_model, tmp_path):
    path = written(small_model, tmp_path, name)
    whole = path.read_bytes()

    # HDF5 is read in a process of its own, which takes its time
    @settings(FUZZ, max_examples=6 if name in ("keras", "h5") else 40, deadline=30_000)
    @given(changed(whole, most=8))
    def check(content):
        path.write_bytes(content)
        with contextlib.suppress(pl.PellucidError):
            assert read(path, name).network.nodes

    check()


@pytest.mark.parametrize("name", NAMES)
@FUZZ
@given(content=st.binary(max_size=512))
def test_any_bytes_are_refused(name, content, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(pl.ExchangeError):
        read(path, name)


def test_objects_in_an_npz_are_refused(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, weight=np.asarray([{}], object))
    with pytest.raises(pl.ExchangeError, match=r"must be a whole \.npz file"):
        exchange.read(path, engine="numpy")


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.data.archive.UNPACKED_LIMIT_BYTES", 2**20)
    path = tmp_path / "model.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weight.npy", bytes(2**22))
    with pytest.raises(pl.ExchangeError, match="bomb"):
        exchange.read(path, engine="numpy")


def test_weights_of_another_shape_are_refused_by_name(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.npz")
    arrays = dict(np.load(path))
    arrays["dense.weight"] = np.zeros((2, 2), np.float32)
    np.savez(path, **arrays)
    with pytest.raises(
        pl.ExchangeError, match=r"weight 'dense.weight' must have shape"
    ):
        exchange.read(path, engine="numpy")
