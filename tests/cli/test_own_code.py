"""Layers and losses of one's own, named by --layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.cli import main
from pellucid.network.registered_layers import registered_layers

OWN = """
from dataclasses import dataclass
import numpy as np
import pellucid as pl


@dataclass(frozen=True)
class Wave(pl.Layer):
    start: float = 1.0

    def output_shape(self, shape):
        return shape

    def weights(self, shape):
        return (
            pl.WeightSpec(
                role="frequency",
                shape=(shape[-1],),
                initializer=pl.Constant(self.start),
            ),
        )

    def forward(self, x, weights):
        return np.sin(weights["frequency"] * x)

    def backward(self, x, weights, grad_y):
        slope = grad_y * np.cos(weights["frequency"] * x)
        grad = (slope * x).reshape(-1, x.shape[-1]).sum(axis=0)
        return slope * weights["frequency"], {"frequency": grad}


def bounded(output, target):
    error = output - target
    return error * error / (1 + error * error)


def _value(output, target):
    return ((output - target) ** 2).mean(axis=1)


def _slope(output, target):
    return 2 * (output - target) / output.shape[1]


counted = pl.NumpyLoss(_value, _slope, title="counted")


class Unfit(pl.Layer):
    pass
"""
NETWORK = """
import pellucid as pl
from own import Wave

network = pl.Sequential(
    pl.Input(8, 8, 1),
    pl.Conv2D(2, kernel_size=3),
    Wave(start=2.0),
    pl.Flatten(),
    pl.Dense(3),
    name="waves",
)
"""


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a network with a layer of one's own, beside its data and code."""
    folder = tmp_path_factory.mktemp("own")
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)
    labels = np.arange(60) % 3
    (folder / "own.py").write_text(OWN)
    np.savez(
        folder / "tiny.npz",
        x_train=images[:40],
        y_train=labels[:40],
        x_test=images[40:],
        y_test=labels[40:],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        namespace: dict[str, Any] = {}
        exec(OWN, namespace)
        network = pl.Sequential(
            pl.Input(8, 8, 1),
            pl.Conv2D(2, kernel_size=3),
            namespace["Wave"](start=2.0),
            pl.Flatten(),
            pl.Dense(3),
            name="waves",
        )
        Path("waves.json").write_text(pl.network.dumps(network))
        given = ["--data", "tiny.npz", "--engine", "numpy", "--epochs", "2", "-q"]
        assert main(["train", "waves.json", *given, "--layers", "own.py"]) == 0
    return folder


@pytest.fixture(autouse=True)
def in_folder(here: Path, waves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(waves)


def test_every_command_takes_the_file(pellucid: Any) -> None:
    own = ("--layers", "own.py")
    tested = pellucid("evaluate", "waves", *own, "--json")
    assert tested.code == 0, tested.err
    assert tested.json["count"] == 20
    np.save("one.npy", np.zeros((8, 8, 1), np.float32))
    said = pellucid("predict", "waves", "one.npy", *own, "--json")
    assert len(said.json["predictions"][0]["output"]) == 3
    node = ("--node", "dense", "--at", "1", "--json")
    shown = pellucid("explain", "waves", "test:0", *node, *own).json["arithmetic"]
    assert shown["value"] == pytest.approx(shown["activation"], rel=1e-5)
    checked = pellucid(
        "verify", "waves", "--gradients", "--samples", "4", *own, "--json"
    ).json
    assert checked["passes"]
    assert "wave.frequency" in {w["name"] for w in checked["weights"]}
    both = ("--engines", "numpy,compiled", "--steps", "1", "--batch-size", "4")
    assert pellucid("verify", "waves", *both, "--data", "tiny.npz", *own).code == 0
    again = pellucid("train", "--resume", "waves", "--epochs", "3", "-q", *own)
    assert again.code == 0, again.err


def test_without_it_the_layer_is_refused_by_name(pellucid: Any) -> None:
    assert registered_layers() == ()
    for command in (["evaluate", "waves"], ["verify", "waves"]):
        answer = pellucid(*command)
        assert answer.code == 2
        assert "got 'Wave'" in answer.err
        assert "--layers FILE" in answer.err
        assert answer.err.count("\n") == 1


def test_formats_refuse_the_layer_and_not_its_name(pellucid: Any) -> None:
    answer = pellucid("export", "waves", "--to", "onnx", "--layers", "own.py")
    assert answer.code == 2
    assert "layers must be pellucid's; got Wave 'wave'" in answer.err


@pytest.mark.parametrize("name", ["bounded", "counted"])
def test_losses_of_the_file_have_names(pellucid: Any, name: str) -> None:
    network = pl.Sequential(pl.Input(8, 8, 1), pl.Flatten(), pl.Dense(2), name="rows")
    Path("rows.json").write_text(pl.network.dumps(network))
    random = np.random.default_rng(0)
    x, y = random.random((20, 8, 8, 1)), random.random((20, 2))
    np.savez("rows.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    given = ("--data", "rows.npz", "--engine", "numpy", "--epochs", "2", "-q")
    own, run = ("--layers", "own.py"), ("--run", f"by-{name}")
    loss = ("--set", f"loss.name={name}")
    answer = pellucid("train", "rows.json", *given, *loss, *own, *run)
    assert answer.code == 0, answer.err
    model = pl.load(f"runs/by-{name}/best.pellucid", engine="numpy")
    output = model.predict(x)
    error = (output - y) ** 2
    expected = error / (1 + error) if name == "bounded" else error
    line = next(row for row in answer.out.splitlines() if row.startswith("test loss"))
    assert float(line.split()[-1]) == pytest.approx(expected.mean(), abs=1e-4)


def test_a_python_network_may_bring_its_layers(
    pellucid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(".")
    Path("net.py").write_text(NETWORK)
    given = ("--data", "tiny.npz", "--engine", "numpy", "--epochs", "1", "-q")
    assert pellucid("train", "net.py", *given, "--run", "brought").code == 0
    assert registered_layers() == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "layers: file must exist; got 'none.py'"),
        ("import nothing_there", "'none.py' must run without an error; got ModuleNot"),
        ("x = (", "'none.py' must run without an error; got SyntaxError"),
        (
            OWN.replace("class Wave", "class ReLU"),
            "a layer of your own must have a name of its own",
        ),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused(
    pellucid: Any, text: str | None, sentence: str
) -> None:
    Path("none.py").unlink(missing_ok=True)
    if text is not None:
        Path("none.py").write_text(text)
    answer = pellucid("evaluate", "waves", "--layers", "none.py")
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_a_loss_that_is_none_is_refused(pellucid: Any) -> None:
    given = ("--data", "tiny.npz", "--layers", "own.py", "--run", "no")
    answer = pellucid("train", "waves.json", *given, "--set", "loss.name=Unfit")
    assert answer.code == 2
    assert "loss 'Unfit' must be a function of (output, target)" in answer.err
