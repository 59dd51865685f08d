"""Layers that are classes of the caller's: on every engine, in files, and refused."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines import Engine
from pellucid.engines.state import initial_state
from pellucid.explain import arithmetic
from pellucid.network import from_json, to_json
from pellucid.verify import check_gradients

IMAGES = np.random.default_rng(0).standard_normal((6, 4, 3, 2))
LABELS = np.arange(6) % 3


@dataclass(frozen=True)
class Quadratic(pl.Layer):
    """``a·x² + (b₀ + b₁)·x`` by channel; ``sign`` plants a mistake."""

    sign: float = 1.0

    def output_shape(self, *inputs: Any) -> Any:
        return inputs[0]

    def weights(self, *inputs: Any) -> Any:
        channels = inputs[0][-1]
        return (
            pl.WeightSpec(role="weight", shape=(channels,), initializer="ones"),
            pl.WeightSpec(role="scale", shape=(channels, 2), fans=(2, 2)),
        )

    def forward(self, x: Any, weights: Any) -> Any:
        return weights["weight"] * (x * x) + weights["scale"].sum(1) * x

    def backward(self, x: Any, weights: Any, grad_y: Any) -> Any:
        squares, firsts = (
            (grad_y * value).reshape(-1, x.shape[-1]).sum(0) for value in (x * x, x)
        )
        slope = 2 * weights["weight"] * x + weights["scale"].sum(1)
        scale = np.stack([firsts, firsts], axis=1)
        return grad_y * slope, {"weight": self.sign * squares, "scale": scale}

    def torch(self, x: Any, weights: Any) -> Any:
        return weights["weight"] * (x * x) + weights["scale"].sum(1) * x

    jax = torch

    def tensorflow(self, x: Any, weights: Any) -> Any:
        import tensorflow as tf

        return weights["weight"] * (x * x) + tf.reduce_sum(weights["scale"], 1) * x


@dataclass(frozen=True)
class Gate(pl.Layer):
    """``x·y + x``: two inputs, no weights."""

    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    def output_shape(self, *inputs: Any) -> Any:
        return inputs[0]

    def forward(self, x: Any, weights: Any) -> Any:
        return x[0] * x[1] + x[0]

    def backward(self, x: Any, weights: Any, grad_y: Any) -> Any:
        return (grad_y * (x[1] + 1), grad_y * x[0]), {}

    def torch(self, x: Any, weights: Any) -> Any:
        return x[0] * x[1] + x[0]

    jax = tensorflow = torch


def network(sign: float = 1.0) -> pl.Network:
    image = pl.Input(4, 3, 2)
    x = pl.Conv2D(5, kernel_size=3, padding="same")(image)
    y = Gate()(Quadratic(sign=sign)(x), x)
    head = pl.Dense(3)(pl.Flatten()(pl.Conv2D(2, kernel_size=2)(y)))
    return pl.Network(inputs=image, outputs=head)


def sessions(engine: Engine, reference: Engine, dtype: str) -> Any:
    net = network()
    state = initial_state(net, seed=3, dtype=dtype)
    build: dict[str, Any] = {
        "state": state,
        "loss": pl.CrossEntropy(),
        "optimizer": pl.Adam(0.01),
    }
    return engine.build(net, dtype=dtype, **build), reference.build(
        net, dtype=dtype, **build
    )


def test_every_engine_computes_and_differentiates_them_alike(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any
) -> None:
    ours, theirs = sessions(engine, reference, tolerance.dtype)
    x = IMAGES.astype(tolerance.dtype)
    value, grads = ours.gradients(x, LABELS)
    expected_value, expected = theirs.gradients(x, LABELS)
    agree(value, expected_value, tolerance.activations)
    agree(grads, expected, tolerance.gradients)


def test_compiled_trains_them_and_its_plan_says_what_is_called_back() -> None:
    models = [
        pl.Model(network(), engine=e, loss="cross_entropy", optimizer=pl.Adam(0.01))
        for e in ("numpy", "compiled")
    ]
    how: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}
    numpy, compiled = (m.fit((IMAGES, LABELS), **how)["loss"] for m in models)
    assert compiled == pytest.approx(numpy, rel=1e-5)
    x = IMAGES.astype(np.float32)
    for count in (1, 6):  # one image has an entry of its own
        outputs = [m.predict(x[:count]) for m in models]
        np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-5)
    model = models[1]
    lines = [line for line in str(model.session.plan).splitlines() if "call_b" in line]
    assert [line.split()[0] for line in lines].count("quadratic") == 2
    assert all("(called back: NumPy)" in line for line in lines)


def test_the_gradient_check_finds_a_planted_mistake_by_the_weight_s_name() -> None:
    assert check_gradients(network()).passes
    checked = check_gradients(network(sign=-1.0))
    wrong = [w.name for w in checked.weights if w.error > checked.tolerance]
    assert wrong == ["quadratic.weight"]


@dataclass(frozen=True)
class Moments(pl.Layer):
    """Mean of each channel, its square and sine; a buffer, weights that are shared."""

    trainable: bool = True

    def output_shape(self, *inputs: Any) -> Any:
        return (inputs[0][-1], 3)

    def weights(self, *inputs: Any) -> Any:
        channels = inputs[0][-1]
        center = pl.Constant(0.3)
        return (
            pl.WeightSpec(role="gain", shape=(channels, 1), initializer="ones"),
            pl.WeightSpec(
                role="center", shape=(channels,), initializer=center, is_parameter=False
            ),
        )

    def means(self, x: Any, weights: Any) -> Any:
        return (x.reshape(len(x), -1, x.shape[-1]) - weights["center"]).mean(1)

    def forward(self, x: Any, weights: Any) -> Any:
        y = self.means(x, weights)
        return np.stack([y, y**2, np.sin(y)], -1) * weights["gain"]

    def backward(self, x: Any, weights: Any, grad_y: Any) -> Any:
        y, places = self.means(x, weights), x[0].size // x.shape[-1]
        values = np.stack([y, y**2, np.sin(y)], -1)
        slopes = np.stack([np.ones_like(y), 2 * y, np.cos(y)], -1)
        grad = (grad_y * weights["gain"] * slopes).sum(-1)[:, None] / places
        grad_x = np.broadcast_to(grad, (len(x), places, x.shape[-1]))
        return grad_x.reshape(x.shape), {"gain": (grad_y * values).sum((0, 2))[:, None]}


@pytest.mark.parametrize("trainable", [True, False])
def test_weights_may_be_shared_frozen_or_no_parameters(trainable: bool) -> None:
    image, layer = pl.Input(4, 4, 2), Moments(trainable=trainable)
    sides = [layer(pl.Conv2D(5, kernel_size=size)(image)) for size in (2, 3)]
    head = pl.Dense(3)(pl.Flatten()(pl.Concat()(*sides)))
    net = pl.Network(inputs=image, outputs=head)
    random = np.random.default_rng(0)
    x, y = random.standard_normal((10, 4, 4, 2)), np.arange(10) % 3
    found = []
    for engine in ("numpy", "compiled"):
        model = pl.Model(net, engine=engine, loss="cross_entropy", optimizer="adam")
        losses = model.fit((x, y), epochs=2, batch_size=4, progress=False)["loss"]
        assert (model.weights["moments.center"] == np.float32(0.3)).all()
        assert (model.weights["moments.gain"] == 1).all() == (not trainable)
        found.append(losses)
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@dataclass(frozen=True)
class Broken(pl.Layer):
    """Does what ``how`` says."""

    how: str = "shape"

    def output_shape(self, *inputs: Any) -> Any:
        return inputs[0]

    def forward(self, x: Any, weights: Any) -> Any:
        if self.how == "raises":
            raise ZeroDivisionError("mine")
        return x[:, :1] if self.how == "shape" else x

    def backward(self, x: Any, weights: Any, grad_y: Any) -> Any:
        return {"alone": grad_y, "missing": (grad_y[:, :1], {})}.get(
            self.how, (grad_y, {"extra": grad_y})
        )


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("shape", pl.NetworkError, "'broken': forward must return an array of shape"),
        ("raises", ZeroDivisionError, "mine"),
        ("alone", pl.NetworkError, "backward must return the gradient with respect"),
        ("missing", pl.NetworkError, "backward must return the gradient of input 0"),
        ("extra", pl.NetworkError, "a gradient for each of no weights; got extra"),
    ],
)
def test_a_method_that_errs_is_named_and_no_weight_changes(
    how: str, error: type[Exception], message: str, engine: str
) -> None:
    net = pl.Sequential(pl.Input(3), pl.Dense(3), Broken(how), pl.Dense(2))
    model = pl.Model(net, engine=engine, loss="cross_entropy", optimizer="sgd")
    before = model.state()
    with pytest.raises(error, match=message):
        model.train_step(np.ones((4, 3), np.float32), np.zeros(4, int))
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_framework_refuses_a_layer_that_has_no_method_for_it() -> None:
    pytest.importorskip("torch")
    net = pl.Sequential(pl.Input(3), Broken("none"))
    message = "engine 'torch': .* got Broken 'broken': it is written in NumPy and has"
    with pytest.raises(pl.UnsupportedLayerError, match=message):
        pl.Model(net, engine="torch")


def test_files_hold_name_and_fields_and_import_nothing(tmp_path: Path) -> None:
    model = pl.Model(network(sign=2.0), engine="numpy")
    path = tmp_path / "m.pellucid"
    model.save(path)
    same = pl.load(path, engine="numpy", layers=[Quadratic, Gate])
    assert same.network == model.network
    x = IMAGES.astype(np.float32)
    np.testing.assert_array_equal(same.predict(x), model.predict(x))
    with pytest.raises(pl.NetworkError, match=r"got 'Gate'.* layers=\[Gate\]"):
        pl.load(path, layers=[Quadratic])
    for given in (3, pl.Dense, pl.Layer):
        with pytest.raises(pl.NetworkError, match="layers: must be classes of"):
            pl.load(path, layers=[given])  # type: ignore[list-item]
    with pytest.raises(pl.NetworkError, match=r"list of .* layers=\[Quadratic\]\.$"):
        pl.load(path, layers=Quadratic)  # type: ignore[arg-type]
    document = to_json(model.network)
    document["nodes"][2]["layer"] = "os.system"
    with pytest.raises(pl.NetworkError, match=r"got 'os.system'\.$"):
        from_json(document, layers=[Quadratic, Gate])


def test_a_class_must_have_a_name_and_fields_that_files_can_hold() -> None:
    taken = type("Dense", (Gate,), {})
    left, right = pl.Input(2, name="left"), pl.Input(2, name="right")
    net = pl.Network(inputs=[left, right], outputs=taken()(left, right))
    with pytest.raises(pl.NetworkError, match="Dense: a layer of your own must have"):
        to_json(net)
    with pytest.raises(pl.NetworkError, match="field how must be a number, text"):
        to_json(pl.Sequential(pl.Input(2), Broken({"a": 1})))  # type: ignore[arg-type]


def test_a_class_must_say_its_output_s_shape() -> None:
    class Silent(pl.Layer):
        pass

    class Number(pl.Layer):
        def output_shape(self, *inputs: tuple[int, ...]) -> Any:
            return inputs[0][0]

    with pytest.raises(pl.NetworkError, match=r"Silent.*must have a method output_sha"):
        pl.Sequential(pl.Input(2), Silent())
    with pytest.raises(pl.NetworkError, match=r"must return a tuple of int.*got 2"):
        pl.Sequential(pl.Input(2), Number())


def test_what_cannot_hold_or_explain_it_refuses_it_by_name(tmp_path: Path) -> None:
    model = pl.Model(network(), engine="numpy")
    for target in ("m.onnx", "m.c", "m.npz", "m.tflite"):
        with pytest.raises(pl.NetworkError, match="got Quadratic 'quadratic', a class"):
            pl.exchange.write(model, tmp_path / target)
        assert not list(tmp_path.iterdir())
    with pytest.raises(pl.NetworkError, match="got Quadratic 'quadratic', a class of"):
        arithmetic(model, IMAGES[0].astype(np.float32), "quadratic")
    with pytest.raises(pl.NetworkError, match="pickle: layers must be pellucid's"):
        pickle.dumps(model)
    with pytest.raises(pl.NetworkError, match="forward must be a method of the class"):
        pl.Dense(3).forward(IMAGES, {})
