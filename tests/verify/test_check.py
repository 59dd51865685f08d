"""Parity: engines agree, and one that is wrong is found and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.compare import ParityReport, check_parity
from pellucid.engines import NAMES, missing_package
from pellucid.engines.numpy import NumpySession
from pellucid.network import ZOO, Preprocessing
from pellucid.verify import Examples, draw_parity, load_examples
from pellucid.verify.tolerance import limits

INSTALLED = tuple(name for name in NAMES if missing_package(name) is None)
CAN_DOUBLE = tuple(name for name in INSTALLED if name != "compiled")


def small_network() -> pl.Network:
    """Everything whose training differs from its use: dropout and batch norm."""
    return pl.Sequential(
        pl.Input(28, 28, 1),
        pl.Conv2D(4, kernel_size=3, stride=2, bias=False),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.MaxPool2D(2),
        pl.Dropout(0.3),
        pl.Flatten(),
        pl.Dense(16, activation="leaky_relu"),
        pl.Dropout(0.5),
        pl.Dense(10),
        name="small",
    )


def small_examples(network: pl.Network) -> Examples:
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (32, *network.input_shape)).astype(np.uint8)
    return Examples(images, random.integers(0, 10, 32), "noise", Preprocessing())


class Wrong:
    """The NumPy engine with one thing done otherwise."""

    name = "wrong"

    def __init__(self, kind: type[NumpySession]) -> None:
        self.kind = kind

    def build(self, network: pl.Network, **arguments: Any) -> NumpySession:
        arguments = {"loss": None, "optimizer": None, "dtype": "float32"} | arguments
        return self.kind(network, **arguments)


class WrongBias(NumpySession):
    def gradients(self, *arguments: Any, **more: Any) -> Any:
        loss, grads = super().gradients(*arguments, **more)
        grads["dense.bias"] = grads["dense.bias"] * 1.001
        return loss, grads


class WrongDense(NumpySession):
    def activations(self, *arguments: Any, **more: Any) -> Any:
        found = super().activations(*arguments, **more)
        found["dense"] = found["dense"] + 1e-3
        found["dense_1"] = found["dense_1"] + 1e-3
        return found


class WrongRate(NumpySession):
    def train_step(self, *arguments: Any, learning_rate: float, **more: Any) -> Any:
        return super().train_step(
            *arguments, learning_rate=learning_rate * 1.001, **more
        )


class NotANumber(NumpySession):
    def gradients(self, *arguments: Any, **more: Any) -> Any:
        loss, grads = super().gradients(*arguments, **more)
        grads["dense.bias"] = grads["dense.bias"] * np.nan
        return loss, grads


def check(kind: type[NumpySession]) -> ParityReport:
    network = small_network()
    return check_parity(
        network,
        ["numpy", Wrong(kind)],
        examples=small_examples(network),
        optimizer=pl.SGD(0.1, momentum=0.9),
        steps=2,
        batch_size=8,
    )


@pytest.mark.parametrize(
    "optimizer",
    [
        pl.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
        pl.AdamW(1e-3),
    ],
    ids=lambda optimizer: optimizer.name,
)
def test_all_engines_agree_with_dropout_and_batch_norm(optimizer: Any) -> None:
    network = small_network()
    examples = small_examples(network)
    report = check_parity(
        network,
        INSTALLED,
        examples=examples,
        optimizer=optimizer,
        steps=3,
        batch_size=8,
    )
    assert report.passes, [str(report.first_divergence(pair)) for pair in report.pairs]
    assert len(report.pairs) == len(INSTALLED) * (len(INSTALLED) - 1) // 2
    assert report.gradients.floor.max() > 0


def test_engines_agree_in_float64_to_the_stated_digits() -> None:
    network = small_network()
    report = check_parity(
        network,
        CAN_DOUBLE,
        examples=small_examples(network),
        steps=3,
        batch_size=8,
        dtype="float64",
    )
    assert report.passes, [str(report.first_divergence(pair)) for pair in report.pairs]
    assert report.activations.deviation.max() < 1e-10
    assert report.free.floor.max() == 0


@pytest.mark.parametrize("name", sorted(set(ZOO) - {"resnet20"}))
def test_the_zoo_agrees_on_real_data(name: str) -> None:
    network = pl.zoo(name)
    compiled = pl.engines.compiled(winograd=name != "mnist-keras")
    engines = ["numpy", compiled, *{"torch"}.intersection(INSTALLED)]
    report = check_parity(network, engines, steps=2, batch_size=8)
    assert report.passes, [str(report.first_divergence(pair)) for pair in report.pairs]
    assert report.data in ("mnist", "xor")


def test_exact_zeros_before_a_relu_stay_zeros_on_the_compiled_engine() -> None:
    report = check_parity(
        pl.zoo("mnist-keras"), ["numpy", "compiled"], steps=1, batch_size=8
    )
    assert report.passes


@pytest.mark.parametrize(
    ("kind", "what", "tensor"),
    [
        (WrongDense, "activations", "dense"),
        (WrongBias, "gradients", "dense.bias"),
        (NotANumber, "gradients", "dense.bias"),
    ],
)
def test_the_first_place_where_engines_part_is_named(
    kind: type[NumpySession], what: str, tensor: str
) -> None:
    report = check(kind)
    parting = report.first_divergence(("numpy", "wrong"))
    assert not report.passes
    assert parting is not None
    assert (parting.step, parting.kind, parting.tensor) == (1, what, tensor)
    assert f"at {what.removesuffix('s')} '{tensor}'" in str(parting)


def test_a_wrong_update_is_found_although_the_gradients_agree() -> None:
    parting = check(WrongRate).first_divergence(("numpy", "wrong"))
    assert parting is not None
    assert parting.kind == "weights"


def test_lockstep_does_not_let_differences_accumulate() -> None:
    report = check(WrongRate)
    assert not report.gradients.fails.any()
    assert report.free.deviation[1, 1] > report.free.deviation[0, 1] > 0
    assert report.free.deviation[:, 0] == pytest.approx(report.free.floor)


def test_an_array_of_zeros_agrees_with_itself() -> None:
    network = small_network()
    black = Examples(
        np.zeros((8, 28, 28, 1), np.uint8), np.arange(8), "black", Preprocessing()
    )
    report = check_parity(
        network, ["numpy", "compiled"], examples=black, steps=1, batch_size=8
    )
    assert np.isfinite(report.gradients.deviation).all()
    assert report.passes


def test_the_report_as_json_holds_every_number() -> None:
    report = check(NumpySession)
    document = report.to_json()
    (pair,) = document["pairs"]
    assert pair["engines"] == ["numpy", "wrong"]
    assert pair["passes"] is document["passes"] is True
    assert np.shape(pair["gradients"]["deviation"]) == (2, 7)
    assert len(document["tensors"]["weights"]) == 9
    assert len(document["near_corners"]["crossed"]["wrong"]) == 2


def test_the_picture_has_a_panel_for_each_kind_and_the_free_run() -> None:
    measurement = draw_parity(check(NumpySession))
    assert len(measurement.axes) == 4


@pytest.mark.parametrize("engines", [["numpy"], ["numpy", "numpy"]])
def test_engines_must_be_two(engines: list[str]) -> None:
    with pytest.raises(pl.EngineError, match="must be two or more, each once; got num"):
        check_parity(small_network(), engines, steps=1)


def test_the_tolerance_is_ten_floors_of_the_array_or_of_the_typical_one() -> None:
    floor = np.array([[1e-6, 3e-6, 2e-6], [1e-6, 1e-6, 9e-6]])
    wanted = np.array([[3e-5, 3e-5, 9e-5]] * 2)
    assert limits("gradients", floor, dtype="float32") == pytest.approx(wanted)
    small = limits("activations", floor / 100, dtype="float32")
    assert small == pytest.approx(1e-5)
    assert limits("gradients", floor, dtype="float64") == pytest.approx(1e-9)


def test_pictures_are_brought_to_the_network_and_labels_to_its_classes() -> None:
    network = pl.Sequential(pl.Input(8, 10, 3), pl.Flatten(), pl.Dense(4))
    found = load_examples(network, pl.CrossEntropy(), count=20)
    assert found.images.shape == (20, 8, 10, 3)
    assert found.labels.max() == 3
    assert found.description == "mnist, brought to 8×10 rgb, labels modulo 4"


def test_a_network_that_takes_no_pictures_gets_random_numbers() -> None:
    network = pl.Sequential(pl.Input(5), pl.Dense(3))
    found = load_examples(network, pl.MeanSquaredError())
    assert found.description == "random numbers"
    assert found.labels.shape == (512, 3)


def test_own_data_must_not_have_more_classes_than_outputs() -> None:
    network = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(4))
    with pytest.raises(pl.DataError, match="got 10 classes for 4 outputs"):
        load_examples(network, pl.CrossEntropy(), source="mnist")
