"""`pellucid export` checks files on the run's own data, at its size and colour."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.cli import main


def called(*arguments: str) -> int:
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as error:
        return int(error.code or 0)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A run in colour, of pictures that have several sizes."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for i in range(6):
            pixels = random.integers(0, 255, (9 + i, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / label / f"{i}.png")
    (tmp_path / "net.json").write_text(
        json.dumps(pl.network.to_json(small_network())), encoding="utf-8"
    )
    (tmp_path / "recipe.toml").write_text(
        'network = "net.json"\nepochs = 1\nengine = "numpy"\n'
        '[data]\nsource = "pets"\nsize = [8, 8]\ncolour = "rgb"\n',
        encoding="utf-8",
    )
    assert called("train", "recipe.toml", "--run", "runs/pets") == 0
    return tmp_path


def small_network() -> pl.Network:
    return pl.Sequential(
        pl.Input(8, 8, 3), pl.Conv2D(2, kernel_size=3), pl.Flatten(), pl.Dense(2)
    )


def test_a_run_of_pictures_of_several_sizes_is_checked_on_them(trained, capsys):
    capsys.readouterr()
    assert called("export", "runs/pets", "--to", "npz", "--json") == 0
    shown = capsys.readouterr()
    (row,) = json.loads(shown.out)["exports"]
    assert row["relative"] <= 1e-6
    assert row["images"] > 0
    assert "noise" not in shown.err


def test_a_folder_that_is_named_is_brought_to_the_run_s_size(trained, capsys):
    capsys.readouterr()
    assert called("export", "runs/pets", "--to", "npz", "--data", "pets") == 0
    assert "noise" not in capsys.readouterr().err


def test_a_run_whose_data_is_gone_is_checked_on_noise_and_says_so(trained, capsys):
    (trained / "pets").rename(trained / "gone")
    capsys.readouterr()
    assert called("export", "runs/pets", "--to", "npz", "--json") == 0
    shown = capsys.readouterr()
    assert "the run's data cannot be used" in shown.err
    assert "files are checked on noise" in shown.err
    assert json.loads(shown.out)["exports"][0]["images"] == 32


def test_a_file_of_28_by_28_is_not_checked_on_the_digits_of_others(tmp_path, capsys):
    network = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(2))
    pl.Model(network, engine="numpy").save(tmp_path / "m.pellucid")
    arguments = (str(tmp_path / "m.pellucid"), "--to", "npz")
    assert called("export", *arguments) == 0
    assert "files are checked on noise" in capsys.readouterr().err
