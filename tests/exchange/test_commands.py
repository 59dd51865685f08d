"""Commands export, import and convert, as they are called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.cli import main

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def saved(small_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_model.save("small.pellucid")
    return small_model


def called(*arguments: str) -> int:
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as error:
        return int(error.code or 0)


def test_export_proves_each_file_in_its_runtime(saved, capsys):
    names = ["onnx", "npz", "safetensors"]
    names += ["c"] if shutil.which("gcc") else []
    names += ["javascript"] if shutil.which("node") else []
    assert called("export", "small.pellucid", "--to", ",".join(names), "--json") == 0
    rows = json.loads(capsys.readouterr().out)["exports"]
    assert [row["format"] for row in rows] == names
    assert all(row["relative"] <= 1e-5 and row["runtime"] for row in rows)
    assert all(row["size_bytes"] > 0 and row["latency_s"] > 0 for row in rows)


def test_export_prints_a_table(saved, capsys):
    assert called("export", "small.pellucid", "--to", "npz") == 0
    shown = capsys.readouterr()
    assert "largest difference" in shown.out
    assert "small.npz" in shown.out
    assert "checked on noise" in shown.err


def test_export_refuses_an_unknown_format(saved, capsys):
    assert called("export", "small.pellucid", "--to", "npz,caffe") == 2
    assert "got 'caffe'" in capsys.readouterr().err


def test_import_keeps_the_model_as_a_file_of_ours(saved, images_of, agree, tmp_path):
    exchange.write(saved, tmp_path / "theirs.onnx")
    assert called("import", "theirs.onnx", "--as", "ours.pellucid") == 0
    back = pl.load(tmp_path / "ours.pellucid", engine="numpy")
    images = images_of(saved)
    agree(back.predict(images), saved.predict(images))


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ([], "runs/theirs"),
        (["--as", "ours"], "runs/ours"),
        (["--as", "kept/here"], "kept/here"),
    ],
)
def test_import_makes_a_run_that_other_commands_take(saved, options, place, capsys):
    exchange.write(saved, "theirs.onnx")
    assert called("import", "theirs.onnx", *options, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["run"] == place
    run = place.removeprefix("runs/")
    assert called("export", run, "--to", "npz", "--json") == 0
    row = json.loads(capsys.readouterr().out)["exports"][0]
    assert row["relative"] <= 1e-5
    assert Path(row["path"]).parent == Path(place)


def test_import_leaves_a_run_that_is_there(saved, capsys):
    exchange.write(saved, "theirs.onnx")
    assert called("import", "theirs.onnx", "--as", "ours") == 0
    recipe = Path("runs/ours/recipe.toml").read_bytes()
    assert called("import", "theirs.onnx", "--as", "ours") == 2
    assert "must be a new run" in capsys.readouterr().err
    assert Path("runs/ours/recipe.toml").read_bytes() == recipe
    assert called("import", "theirs.onnx") == 0
    assert called("import", "theirs.onnx") == 0
    assert Path("runs/theirs-2/last.pellucid").is_file()


def test_an_imported_run_says_that_it_has_no_data(saved, capsys):
    exchange.write(saved, "theirs.onnx")
    assert called("import", "theirs.onnx", "--as", "ours") == 0
    assert called("evaluate", "ours") == 2
    assert "got no --data" in capsys.readouterr().err


def test_an_imported_run_is_evaluated_on_the_data_that_recipes_begin_with(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    layers = (pl.MaxPool2D(14), pl.Flatten(), pl.Dense(10))
    model = pl.Model(pl.Sequential(pl.Input(28, 28, 1), *layers), engine="numpy")
    exchange.write(model, "theirs.onnx")
    assert called("import", "theirs.onnx", "--preset", "unit") == 0
    given = ("--data", "mnist", "--engine", "numpy", "--json")
    capsys.readouterr()
    assert called("evaluate", "theirs", *given) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 10_000


def test_import_says_what_is_wrong_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no")
    assert called("import", "broken.onnx") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "broken.pellucid").exists()


def test_convert_shows_both_files_and_each_node(saved, capsys, tmp_path):
    exchange.write(saved, tmp_path / "a.onnx")
    assert called("convert", "a.onnx", "b.safetensors", "--nodes", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["format"] for row in answer["files"]] == ["onnx", "safetensors"]
    assert all(row["relative"] <= 1e-5 for row in answer["files"])
    assert set(answer["nodes"]) == {node.name for node in saved.network.nodes}


def test_import_keeps_integers_or_turns_them_into_floats(
    saved, images_of, tmp_path, capsys
):
    images = images_of(saved)
    exchange.write(saved, tmp_path / "theirs.int8.tflite", calibration=images)
    for options, name in ((), "whole"), (("--dequantize",), "floats"):
        target = ("--as", f"{name}.pellucid")
        assert called("import", "theirs.int8.tflite", *target, *options) == 0
    assert "integer weights" in capsys.readouterr().out
    whole, floats = (
        pl.load(tmp_path / f"{name}.pellucid", engine="numpy")
        for name in ("whole", "floats")
    )
    dtypes = {weight.dtype for weight in whole.network.weights}
    assert "int8" in dtypes
    later = exchange.read("whole.pellucid", engine="numpy", dequantize=True)
    np.testing.assert_array_equal(later.predict(images), floats.predict(images))
    assert not any(weight.dtype for weight in floats.network.weights)
    assert floats.network.parameter_count > 0
    assert called("export", "whole.pellucid", "--to", "javascript") == 2
    assert "dequantize=True" in capsys.readouterr().err


def test_a_refused_export_leaves_no_new_folder(saved, tmp_path, capsys):
    code = called("export", "small.pellucid", "--to", "onnx,tflite,c", "--out", "new",
                  "--int8")  # fmt: skip
    assert code == 2
    assert capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--to", ","), "--to must name a format; got ','."),
        (("--to", "npz", "--calibration", "images.npy"), "must go with an int8 format"),
        (("--to", "c", "--batch-size", "3"), "--batch-size must go with --train"),
        (("--to", "native", "--train", "--batch-size", "0"), "from 1 to 1048576"),
    ],
)
def test_export_ignores_no_option(saved, options, rule, capsys):
    assert called("export", "small.pellucid", *options, "--out", "new") == 2
    assert rule in capsys.readouterr().err
    assert not Path("new").exists()


def test_export_refuses_formats_that_write_the_same_file(saved, capsys):
    assert called("export", "small.pellucid", "--to", "c,native", "--out", "both") == 2
    error = capsys.readouterr().err
    assert "got 'small.h' of both 'small.c' and 'small.a'" in error
    assert not Path("both").exists()


def test_an_export_leaves_the_header_of_another(saved, capsys):
    assert called("export", "small.pellucid", "--to", "c") == 0
    before = Path("small.h").read_bytes()
    assert called("export", "small.pellucid", "--to", "native") == 2
    assert "got a file of another export" in capsys.readouterr().err
    assert Path("small.h").read_bytes() == before
    assert not Path("small.a").exists()


def test_convert_compares_nodes_only_with_what_can_be_read(saved, capsys):
    exchange.write(saved, "a.npz")
    assert called("convert", "a.npz", "b.c", "--nodes") == 2
    assert "--nodes must go with a format that can be read" in capsys.readouterr().err
    assert not Path("b.c").exists()


def test_convert_does_not_write_over_what_it_reads(saved, capsys):
    exchange.write(saved, "a.npz")
    before = Path("a.npz").read_bytes()
    assert called("convert", "a.npz", "./a.npz") == 2
    assert "TARGET must be another file than SOURCE" in capsys.readouterr().err
    assert Path("a.npz").read_bytes() == before
