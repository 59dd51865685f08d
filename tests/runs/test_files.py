"""Files: whole or not at all, and every kind of wrong one."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import pellucid as pl
from pellucid.runs import find, model_path, new_name
from pellucid.runs.recipe import Recipe
from pellucid.runs.tensor_file import read_tensors, tensor_bytes, write_bytes


def small(**arguments: Any) -> pl.Model:
    network = pl.Sequential(pl.Input(4), pl.Dense(3, activation="softmax"))
    return pl.Model(network, engine="numpy", **arguments)


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    model = small(
        loss=pl.CrossEntropy(label_smoothing=0.1),
        optimizer=pl.AdamW(3e-3),
        seed=9,
        dtype="float64",
        preprocessing=pl.Preprocessing.signed(),
        classes=("a", "b", "c"),
    )
    model.save(tmp_path / "m.pellucid")
    again = pl.load(tmp_path / "m.pellucid", engine="numpy")
    for field in ("network", "loss", "optimizer", "seed", "dtype", "classes"):
        assert getattr(model, field) == getattr(again, field), field
    assert model.preprocessing == again.preprocessing
    for name, array in model.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])


def test_scalars_and_every_dtype_survive(tmp_path: Path) -> None:
    arrays = {
        "step": np.asarray(7, np.int64),
        "seed": np.asarray(2**64 - 1, np.uint64),
        "a": np.arange(6.0).reshape(2, 3).T,
        "b": np.zeros((0, 3), np.float32),
    }
    write_bytes(tmp_path / "t", tensor_bytes(arrays, {"k": "v"}))
    again, metadata = read_tensors(tmp_path / "t")
    assert metadata == {"k": "v"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])
        assert array.dtype == again[name].dtype
        assert array.shape == again[name].shape


def test_wrong_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.pellucid"
    small().save(path)
    whole = path.read_bytes()
    for cut in (0, 4, 50, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(pl.ExchangeError, match="must be a safetensors file"):
            pl.load(path, engine="numpy")
    save_file({"a": np.zeros(1)}, path)
    with pytest.raises(pl.ExchangeError, match="got a safetensors file without a netw"):
        pl.load(path, engine="numpy")
    with pytest.raises(pl.ExchangeError, match="must be a file; got none"):
        pl.load(tmp_path / "none", engine="numpy")


def test_a_file_of_another_version_or_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pellucid"
    small().save(path)
    tensors, metadata = read_tensors(path)
    document = json.loads(metadata["model.json"])
    newer = {**metadata, "model.json": json.dumps({**document, "schema_version": 9})}
    write_bytes(path, tensor_bytes(tensors, newer))
    with pytest.raises(pl.ExchangeError, match="must be of schema_version 1; got 9"):
        pl.load(path, engine="numpy")
    broken = {**metadata, "model.json": json.dumps({"schema_version": 1})}
    write_bytes(path, tensor_bytes(tensors, broken))
    with pytest.raises(pl.ExchangeError, match=r"must hold a whole model.json"):
        pl.load(path, engine="numpy")
    write_bytes(path, tensor_bytes({"dense.weight": np.zeros((4, 3))}, metadata))
    with pytest.raises(pl.EngineError, match="names must be those of network"):
        pl.load(path, engine="numpy")
    wrong = {**tensors, "dense.weight": np.zeros((4, 4), np.float32)}
    write_bytes(path, tensor_bytes(wrong, metadata))
    with pytest.raises(pl.ShapeError, match=r"must have shape \(4, 3\); got shape="):
        pl.load(path, engine="numpy")


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.pellucid"
    small().save(path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(pl.RunError, match="must be writable; got File too large"):
            small().save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.pellucid"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(pl.RunError, match="must be writable; got No such file"):
        write_bytes(tmp_path / "none" / "x", b"")


def test_runs_are_found_by_folder_name_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "first"
    folder.mkdir(parents=True)
    with pytest.raises(pl.RunError, match=r"got 'first' \(there is none yet\)"):
        find("first")
    (folder / "recipe.toml").write_text("")
    assert find("first") == Path("runs/first")
    with pytest.raises(pl.RunError, match=r"got 'second' \(there are first\)"):
        find("second")
    with pytest.raises(pl.RunError, match=r"must hold best.pellucid or last.pellucid"):
        model_path("first")
    small().save(folder / "last.pellucid")
    assert model_path("first") == Path("runs/first/last.pellucid")
    assert new_name("first") == Path("runs/first-2")


def test_a_recipe_survives_toml(tmp_path: Path) -> None:
    recipe = Recipe.parse(
        {"network": "lenet5", "epochs": 3, "early_stopping": {"patience": 2}},
        origin="a test",
    )
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml())
    assert Recipe.read(path) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "network = 'lenet5'\nspeed = 1",
            "'speed' in .* must be a known setting; got 1",
        ),
        ("network = 'lenet5'\nepochs = -1", "'epochs' in .* must fit; got -1"),
        ("network = 'lenet5'\nschema_version = 2", "schema_version in .* must be 1"),
        ("epochs = 1", "'network' in .* must fit"),
        ("network = ", "must be readable TOML"),
        ("network = 'lenet5'\n[data]\nx = 1", "'data.x' in .* must be a known setting"),
    ],
)
def test_a_wrong_recipe_names_the_place(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(pl.RunError, match=message):
        Recipe.read(path)
