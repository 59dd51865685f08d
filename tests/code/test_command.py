"""`pellucid code`: to stdout, to a file, with a run's weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pellucid as pl
from pellucid.cli import main
from pellucid.network import codec


def test_the_script_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["code", "mnist-keras", "--framework", "keras"]) == 0
    text = capsys.readouterr().out
    assert 'layers.Dense(10, activation="softmax")' in text
    assert "validation_split" not in text  # as the recipe: it trains on all images
    compile(text, "script", "exec")


def test_the_tutorial_s_pytorch_script_has_a_loader_and_a_loop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["code", "mnist-torch", "--framework", "torch"]) == 0
    text = capsys.readouterr().out
    for line in ("DataLoader(", "loss.backward()", "optimizer.step()", "lr=LEARN"):
        assert line in text


def test_a_run_s_weights_lie_beside_the_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, path = tmp_path / "digits.pellucid", tmp_path / "digits.py"
    pl.Model(pl.zoo("lenet5"), engine="numpy").save(run)
    given = ["--weights", str(run), "--output", str(path), "--data", "here", "--json"]
    assert main(["code", "lenet5", "--framework", "jax", *given]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == [str(path), str(tmp_path / "digits.npz")]
    assert 'default=Path("here")' in path.read_text()
    assert "default=0)" in path.read_text()


def test_weights_of_another_network_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "digits.pellucid"
    pl.Model(pl.zoo("lenet5"), engine="numpy").save(run)
    assert main(["code", "mnist-torch", "--weights", str(run)]) == 2
    assert "weights must be those of 'mnist-torch'" in capsys.readouterr().err


def test_weights_of_the_same_shapes_but_other_layers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = tmp_path / "digits.pellucid", tmp_path / "other.json"
    network = pl.zoo("lenet5")
    pl.Model(network, engine="numpy").save(run)
    text = codec.dumps(network)
    assert '"Tanh"' in text
    file.write_text(text.replace('"Tanh"', '"ReLU"'))
    given = ["--weights", str(run), "--data", str(tmp_path), "--json"]
    assert main(["code", str(file), *given]) == 2
    assert "weights must be those of" in capsys.readouterr().err


def test_the_folder_that_is_named_decides_how_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, photos = tmp_path / "mine.json", tmp_path / "photos"
    network = pl.Sequential(pl.Input(32, 32, 1), pl.Flatten(), pl.Dense(10))
    file.write_text(codec.dumps(network))
    assert main(["code", str(file)]) == 2
    assert "Name a folder of images of that size." in capsys.readouterr().err
    assert main(["code", str(file), "--data", "digits"]) == 0
    assert "def read_idx(" in capsys.readouterr().out
    (photos / "cats").mkdir(parents=True)
    assert main(["code", str(file), "--data", str(photos)]) == 0
    assert "Image.open(path)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["torch.py", "argparse.py"])
def test_a_script_that_would_import_itself_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    given = ["--framework", "torch", "--output", str(path)]
    assert main(["code", "mnist-torch", *given]) == 2
    assert "must not be that of a module it imports" in capsys.readouterr().err
    assert not path.exists()
