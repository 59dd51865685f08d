"""Training from the command line."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.cli.main import main
from pellucid.runs.recipe import Recipe

TINY = ("tiny.json", "--data", "tiny.npz", "--engine", "numpy", "--batch-size", "8")


def test_the_last_line_is_the_accuracy_on_test_data(pellucid):
    answer = pellucid("train", *TINY, "--epochs", "3")
    assert answer.code == 0
    *_, last = answer.out.splitlines()
    name, value, sign = last.rsplit(" ", 2)
    assert (name, sign) == ("test accuracy:", "%")
    assert 0 <= float(value) <= 100
    assert "Saved in runs/tiny" in answer.err
    assert "epoch 3/3" in answer.err
    assert re.search(r"Trained in \d+\.\d\d s, after 0\.00 s of compiling", answer.err)


def test_a_run_keeps_all_its_files(trained):
    names = {path.name for path in trained.iterdir()}
    assert names >= {
        "recipe.toml",
        "history.jsonl",
        "checkpoint.safetensors",
        "best.pellucid",
        "last.pellucid",
        "curves.png",
    }


def test_evaluate_says_what_train_said(pellucid):
    said = pellucid("train", *TINY, "--epochs", "4", "--validation-split", "0.25")
    measured = pellucid("evaluate", "tiny")
    assert said.out.splitlines()[-1] == measured.out.splitlines()[-1]


def test_a_second_run_has_a_name_of_its_own(pellucid, trained):
    pellucid("train", *TINY, "--epochs", "1", "--quiet")
    assert Path("runs/tiny-2/recipe.toml").exists()


def test_quiet_says_nothing_on_stderr(pellucid):
    assert pellucid("train", *TINY, "--epochs", "1", "--quiet").err == ""


def test_json_is_an_object_a_line_epochs_first(pellucid):
    answer = pellucid("train", *TINY, "--epochs", "2", "--json")
    *epochs, result = answer.lines
    assert [e["event"] for e in epochs] == ["epoch", "epoch"]
    assert [e["epoch"] for e in epochs] == [1, 2]
    assert result["event"] == "result"
    assert result["run"] == "runs/tiny"
    assert result["test"].keys() == {"loss", "accuracy"}
    assert 0 < result["training_s"] < 60
    assert result["compiling_s"] < 1  # the numpy engine has nothing to compile
    assert all(line["schema_version"] == 1 for line in answer.lines)


def test_options_arrive_in_the_recipe(pellucid):
    answer = pellucid(
        "train",
        *TINY,
        *("--epochs", "1", "--seed", "5", "--limit", "40", "--dtype", "float64"),
        *("--optimizer", "sgd", "--learning-rate", "0.05", "--schedule", "cosine"),
        *("--validation-split", "0.2", "--early-stopping", "2", "--clip-norm", "1"),
        *("--label-smoothing", "0.1", "--augment", "shift=1", "--augment", "flip"),
        *("--set", "conv2d.out_channels=2", "--set", "optimizer.momentum=0.9"),
        *("--average", "ema", "--accumulate", "2", "--sampler", "balanced"),
        *("--set", "average.decay=0.5", "--run", "mine"),
    )
    assert answer.code == 0, answer.err
    recipe = tomllib.loads(Path("runs/mine/recipe.toml").read_text())
    assert recipe["optimizer"] == {
        "name": "sgd",
        "learning_rate": 0.05,
        "momentum": 0.9,
    }
    assert recipe["settings"] == {"conv2d.out_channels": 2}
    assert recipe["augment"] == {"shift": 1, "flip": True}
    assert recipe["average"] == {"name": "ema", "decay": 0.5}
    assert (recipe["accumulate"], recipe["sampler"]) == (2, "balanced")
    assert recipe["data"]["limit"] == 40
    assert recipe["loss"]["label_smoothing"] == 0.1
    assert recipe["early_stopping"]["patience"] == 2
    assert (recipe["seed"], recipe["dtype"], recipe["clip_norm"]) == (5, "float64", 1)
    model = pl.load("runs/mine/last.pellucid", engine="numpy")
    assert model.weights["conv2d.weight"].shape == (3, 3, 1, 2)
    assert model.dtype == "float64"


def test_a_recipe_runs_again_to_the_same_weights(pellucid, trained):
    answer = pellucid("train", "runs/tiny/recipe.toml", "--run", "again", "--quiet")
    assert answer.code == 0, answer.err
    same_weights("runs/tiny/last.pellucid", "runs/again/last.pellucid")


def test_a_network_in_python_trains(pellucid):
    Path("mine.py").write_text(
        "import pellucid as pl\n"
        "network = pl.Sequential(pl.Input(8, 8, 1), pl.Flatten(), pl.Dense(3))\n"
    )
    answer = pellucid("train", "mine.py", *TINY[1:], "--epochs", "1", "--quiet")
    assert answer.code == 0, answer.err
    Path("mine.py").unlink()
    again = pellucid("train", "--resume", "mine", "--epochs", "2", "--quiet")
    assert again.code == 0, again.err


def test_pictures_are_brought_to_the_networks_size_and_colour(pellucid):
    for name, light in (("dark", 10), ("light", 220)):
        folder = Path("pictures") / name
        folder.mkdir(parents=True)
        for k in range(8):
            pixels = np.full((20, 30, 3), light + k, np.uint8)
            Image.fromarray(pixels).save(folder / f"{k}.png")
    given = ("--data", "pictures", "--engine", "numpy", "--epochs", "1", "--quiet")
    answer = pellucid("train", "tiny.json", *given)
    assert answer.code == 2
    assert (
        "3 outputs for 2 classes (dark, light). Take --set dense.units=2." in answer.err
    )
    answer = pellucid("train", "tiny.json", *given, "--set", "dense.units=2")
    assert answer.code == 0, answer.err
    model = pl.load("runs/tiny/last.pellucid", engine="numpy")
    assert model.classes == ("dark", "light")
    assert (model.preprocessing.size, model.preprocessing.colour) == ((8, 8), "grey")


def test_the_classic_network_shows_its_four_predictions(pellucid):
    answer = pellucid("train", "xor-one-hidden", "--epochs", "20", "--quiet")
    assert answer.code == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines()[2:6]]
    assert [row[:3] for row in rows] == [
        ["0", "0", "0"],
        ["0", "1", "1"],
        ["1", "0", "1"],
        ["1", "1", "0"],
    ]
    model = pl.load("runs/xor-one-hidden/last.pellucid", engine="numpy")
    expected = model.predict(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]))
    shown = [float(row[3]) for row in rows]
    np.testing.assert_allclose(shown, expected.ravel(), atol=5e-5)


def test_resuming_to_more_epochs_gives_what_never_stopping_gives(pellucid, trained):
    pellucid("train", *TINY, "--epochs", "5", "--run", "whole", "--quiet")
    answer = pellucid("train", "--resume", "tiny", "--epochs", "5", "--quiet")
    assert answer.code == 0, answer.err
    same_weights("runs/tiny/last.pellucid", "runs/whole/last.pellucid")
    history = Path("runs/tiny/history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2, 3, 4, 5]
    recipe = tomllib.loads(Path("runs/tiny/recipe.toml").read_text())
    assert recipe["epochs"] == 5
    assert recipe["provenance"].keys() >= {"started", "resumed"}


def test_a_run_that_stopped_early_stays_stopped(pellucid):
    given = ("--epochs", "9", "--early-stopping", "1", "--learning-rate", "0")
    pellucid("train", *TINY, *given, "--quiet")
    before = Path("runs/tiny/history.jsonl").read_text()
    assert len(before.splitlines()) == 2
    answer = pellucid("train", "--resume", "tiny")
    assert "has not improved" in answer.err
    assert Path("runs/tiny/history.jsonl").read_text() == before


def test_a_learning_rate_is_found_and_drawn(pellucid):
    answer = pellucid("train", *TINY, "--find-rate", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert 0 < found["suggestion"] < 10
    assert Path("learning-rates.png").read_bytes().startswith(b"\x89PNG")
    assert not Path("runs").exists()


REFUSED = {
    "an unknown network": (["train", "tinny"], "what to train must be one of"),
    "nothing to train": (["train"], "NETWORK must be given"),
    "data that is not there": (
        ["train", *TINY, "--data", "nowhere"],
        "got 'nowhere', where nothing is",
    ),
    "a setting of no node": (
        ["train", *TINY, "--set", "conv9.units=3"],
        "node must be one of input, conv2d",
    ),
    "a setting of no argument": (
        ["train", *TINY, "--set", "conv2d.units=3"],
        "setting must be one of out_channels",
    ),
    "a setting without a value": (
        ["train", *TINY, "--set", "conv2d.units"],
        "must be key=value",
    ),
    "shapes that do not fit": (
        ["train", *TINY, "--set", "conv2d.kernel_size=9"],
        "input must be at least as large as the window",
    ),
    "a rate that is no number": (
        ["train", *TINY, "--set", "optimizer.learning_rate=fast"],
        "learning_rate must be a number",
    ),
    "a rate that is not finite": (
        ["train", *TINY, "--learning-rate", "nan"],
        "optimizer.learning_rate must be finite; got nan",
    ),
    "an optimizer without that argument": (
        ["train", *TINY, "--set", "optimizer.momentum=0.5"],
        "optimizer 'adam': arguments must be its own",
    ),
    "an unknown engine": (
        ["train", *TINY, "--engine", "nump"],
        "must be one of numpy, compiled, torch, tensorflow, jax; got 'nump'",
    ),
    "an option that the engine has not": (
        ["train", *TINY, "--threads", "2"],
        "options must be ones that it has; got threads=2",
    ),
    "an unknown augmentation": (
        ["train", *TINY, "--augment", "spin=3"],
        "Augment: keys must be shift",
    ),
    "an augmentation of words": (
        ["train", *TINY, "--augment", "rotate=far"],
        "Augment: rotate must lie in 0 … 180 degrees; got rotate='far'.",
    ),
    "an unknown average": (
        ["train", *TINY, "--average", "mean"],
        "average: must be one of ema, swa, lookahead",
    ),
    "a rate to find in a run": (
        ["train", *TINY, "--find-rate", "--run", "mine"],
        "--find-rate must be given without --run",
    ),
    "a share out of range": (
        ["train", *TINY, "--validation-split", "1.5"],
        "'validation_split' in the recipe as it was changed must fit",
    ),
    "an unknown sampler": (
        ["train", *TINY, "--sampler", "fair"],
        "recipe: 'sampler' in the recipe as it was changed must fit; got 'fair' "
        "(Input should be a valid list, or a valid dictionary, or 'balanced')",
    ),
    "float64 where there is none": (
        ["train", *TINY, "--dtype", "float16"],
        "dtype must be one of float32, float64",
    ),
    "a run that is not there": (["train", "--resume", "none"], "got 'none'"),
    "data of another shape": (
        ["train", *TINY, "--data", "xor"],
        "images must have shape (N, 8, 8, 1); got shape=(4, 2)",
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=list(REFUSED))
def test_train_refuses_in_one_sentence(pellucid, case):
    arguments, sentence = REFUSED[case]
    answer = pellucid(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert sentence in answer.err
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_recipe_with_an_unknown_key_is_refused(pellucid):
    Path("bad.toml").write_text('network = "mnist-torch"\nepocs = 3\n')
    answer = pellucid("train", "bad.toml")
    assert (answer.code, answer.err) == (
        2,
        "error: recipe: 'epocs' in 'bad.toml' must be a known setting; got 3. "
        "Did you mean 'epochs'?\n",
    )


def test_a_recipe_that_is_no_toml_is_refused(pellucid):
    Path("bad.toml").write_text("network = \n")
    answer = pellucid("train", "bad.toml")
    assert answer.code == 2
    assert "'bad.toml' must be readable TOML" in answer.err


def test_the_announcement_names_another_precision(pellucid):
    given = ("--data", "tiny.npz", "--engine", "compiled", "--epochs", "0")
    bfloat16 = ("--set", "engine_options.precision=bfloat16")
    answer = pellucid("train", "tiny.json", *given, *bfloat16)
    assert "engine   compiled, float32, precision bfloat16" in answer.err


def test_options_of_an_engine_stay_behind_when_a_run_moves(pellucid):
    given = ["--data", "tiny.npz", "--epochs", "1", "--quiet", "--run", "here"]
    first = pellucid(
        "train", "tiny.json", *given, "--engine", "compiled", "--threads", "1"
    )
    assert first.code == 0, first.err
    moved = pellucid(
        "train", "--resume", "here", "--engine", "numpy", "--epochs", "2", "--quiet"
    )
    assert moved.code == 0, moved.err
    recipe = tomllib.loads(Path("runs/here/recipe.toml").read_text())
    assert recipe["engine"] == "numpy"
    assert not recipe.get("engine_options")


def test_a_resumed_run_keeps_its_options(pellucid, trained):
    answer = pellucid("train", "--resume", "tiny", "--batch-size", "4")
    assert answer.code == 2
    assert "the rest must stay as it was; got batch_size=4" in answer.err


def test_a_run_is_never_trained_over(pellucid, trained):
    before = {p.name: p.read_bytes() for p in trained.iterdir()}
    answer = pellucid("train", *TINY, "--run", "tiny", "--seed", "9")
    assert answer.code == 2
    assert "must be new; got a run with 3 finished epochs" in answer.err
    assert {p.name: p.read_bytes() for p in trained.iterdir()} == before | {
        ".lock": Path("runs/tiny/.lock").read_bytes()
    }


def test_a_folder_with_other_things_is_left_alone(pellucid):
    Path("runs/mine").mkdir(parents=True)
    Path("runs/mine/letter.txt").write_text("dear")
    answer = pellucid("train", *TINY, "--run", "mine")
    assert answer.code == 2
    assert "must be an empty or a run's folder" in answer.err
    assert [p.name for p in Path("runs/mine").iterdir()] == ["letter.txt"]


def test_not_a_number_in_the_data_is_refused(pellucid):
    images = np.zeros((6, 8, 8, 1), np.float32)
    images[3, 2, 2, 0] = np.nan
    np.savez("nan.npz", images=images, labels=np.arange(6) % 3)
    answer = pellucid("train", "tiny.json", "--data", "nan.npz", "--engine", "numpy")
    assert answer.code == 2
    assert "finite" in answer.err


def test_labels_out_of_range_are_refused(pellucid):
    images = np.zeros((8, 8, 8, 1), np.uint8)
    np.savez("bad.npz", images=images, labels=np.arange(8))
    answer = pellucid("train", "tiny.json", "--data", "bad.npz", "--engine", "numpy")
    assert answer.code == 2
    assert "labels must be from 0 to 2" in answer.err


def test_a_loss_that_is_no_longer_finite_gives_3_and_keeps_the_run(pellucid):
    answer = pellucid("train", *TINY, "--learning-rate", "1e30", "--quiet")
    assert answer.code == 3
    assert "the loss must stay finite" in answer.err
    assert answer.err.count("\n") == 1
    assert Path("runs/tiny/checkpoint.safetensors").exists()


def test_a_full_disk_is_one_sentence_and_the_former_files_stay(trained):
    before = {p.name: p.read_bytes() for p in trained.iterdir() if p.name != ".lock"}
    program = (
        "import resource, signal, sys\n"
        "from pellucid.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "sys.exit(main(['train', '--resume', 'tiny', '--epochs', '4', '--quiet']))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: save: ")
    assert "File too large" in done.stderr
    assert "What was there before is unchanged." in done.stderr
    assert done.stderr.count("\n") == 1
    after = {p.name: p.read_bytes() for p in trained.iterdir() if p.name != ".lock"}
    unchanged = {"checkpoint.safetensors", "best.pellucid", "last.pellucid"}
    assert all(after[name] == before[name] for name in unchanged)
    assert not any(name.endswith(".tmp") for name in after)


def same_weights(first, second):
    one, other = (pl.load(path, engine="numpy").weights for path in (first, second))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_class_weights_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (20, 4, 4, 1), np.uint8)
    labels = np.arange(20) % 2
    data = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez("d.npz", **data)
    Path("net.py").write_text(
        "import pellucid as pl\n"
        "network = pl.Sequential(pl.Input(4, 4, 1), pl.Flatten(), pl.Dense(2))\n"
    )
    command = ["train", "net.py", "--data", "d.npz", "--epochs", "1", "--quiet"]
    command += ["--engine", "numpy", "--run"]
    assert main([*command, "a", "--class-weight", "balanced"]) == 0
    assert Recipe.read(Path("runs/a/recipe.toml")).class_weight == "balanced"
    assert main(["train", "--resume", "a", "--epochs", "2", "--quiet"]) == 0
    assert (
        main([*command, "b", "--class-weight", "1=2.5", "--class-weight", "0=1"]) == 0
    )
    assert Recipe.read(Path("runs/b/recipe.toml")).class_weight == {"1": 2.5, "0": 1}
    capsys.readouterr()
    for wrong in ("even", "1=heavy", "=2", "7=1", "1=-1"):
        assert main([*command, "c", "--class-weight", wrong]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
