"""`pellucid runs`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_runs_are_listed_and_put_side_by_side(pellucid) -> None:
    assert pellucid("runs").out.startswith("There is no run yet.")
    base = ("train", "tiny.json", "--data", "tiny.npz", "--epochs", "2", "--quiet")
    pellucid(*base, "--run", "one", "--validation-split", "0.2")
    pellucid(*base, "--run", "two", "--learning-rate", "0.05")
    listed = pellucid("runs")
    assert listed.code == 0, listed.err
    rows = listed.out.splitlines()
    assert [row.split()[0] for row in rows[2:]] == ["one", "two"]
    side = pellucid("runs", "one", "two", "--picture", "both.png")
    assert side.code == 0, side.err
    header = side.out.splitlines()[0]
    assert "optimizer.learning_rate" in header
    assert "validation_split" in header
    assert "batch_size" not in header
    assert Path("both.png").read_bytes().startswith(b"\x89PNG")
    document = pellucid("runs", "one", "two", "--json").json
    assert document["differing"] == ["optimizer.learning_rate", "validation_split"]
    one = document["runs"][0]
    assert one["epochs"] == 2
    lines = Path("runs/one/history.jsonl").read_text().splitlines()
    losses = [json.loads(line)["val_loss"] for line in lines]
    assert one["best"]["val_loss"] == min(losses)
    assert one["best"]["epoch"] == losses.index(min(losses)) + 1


def test_data_that_have_no_source_are_not_called_mnist(pellucid) -> None:
    folder = Path("runs/given")
    folder.mkdir(parents=True)
    recipe = 'network = "tiny.json"\n[data]\ngiven = "python"\n'
    (folder / "recipe.toml").write_text(recipe)
    assert "mnist" not in pellucid("runs").out
    settings = pellucid("runs", "--json").json["runs"][0]["settings"]
    assert settings["data.source"] == "python"
    assert "data.given" not in settings


def test_where_much_differs_each_run_is_a_column(
    pellucid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.cli.runs.table_width", lambda: 80)
    for name, rate in (("one", 1), ("two", 2)):
        folder = Path("runs") / name
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(
            f'network = "tiny.json"\nepochs = {rate}\nbatch_size = {rate}\n'
            f"seed = {rate}\nclip_norm = {rate}\nvalidation_split = 0.{rate}\n"
            f"[optimizer]\nname = 'sgd'\nlearning_rate = 0.{rate}\n"
        )
    rows = [row.split() for row in pellucid("runs", "one", "two").out.splitlines()]
    assert rows[0] == ["setting", "one", "two"]
    assert ["optimizer.learning_rate", "0.1", "0.2"] in rows
    assert ["clip_norm", "1", "2"] in rows


def test_what_is_no_run_is_said(pellucid) -> None:
    answer = pellucid("runs", "nothing")
    assert answer.code == 2
    assert "must be a run folder" in answer.err
    broken = Path("runs/broken")
    broken.mkdir(parents=True)
    (broken / "recipe.toml").write_text("epochs = [")
    listed = pellucid("runs")
    assert listed.code == 0
    assert "must be readable TOML" in listed.err
    assert pellucid("runs", "--picture", "x.png").code == 2
