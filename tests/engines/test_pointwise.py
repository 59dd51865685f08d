"""Pointwise layers on every engine, beside PyTorch's own functions."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.network.expression.evaluate import compute
from pellucid.network.layers import LAYERS, Pointwise

pytestmark = pytest.mark.sweep(every=3, engines=("jax", "tensorflow"))

LAYERS_TRIED: list[Any] = [
    pl.ReLU(),
    pl.LeakyReLU(0.2),
    pl.ReLU6(),
    pl.Clip(-1, 2),
    pl.Clip(minimum=-0.5),
    pl.Clip(maximum=0.5),
    pl.Sigmoid(),
    pl.HardSigmoid(),
    pl.Tanh(),
    pl.GELU(),
    pl.SiLU(),
    pl.HardSwish(),
    pl.ELU(1.3),
    pl.ELU(),
    pl.Softplus(),
    pl.Mish(),
]
OWN: list[Any] = [
    pl.Elementwise(lambda x: x * pl.math.sigmoid(1.702 * x)),
    pl.Elementwise(lambda x: pl.math.log1p(x * x) - pl.math.sqrt(abs(x) + 1) ** 3 / 9),
    pl.Elementwise(lambda x: pl.math.where(x > 1, 2, 3) + pl.math.erf(x) / 2),
    pl.Elementwise(lambda x: pl.math.maximum(x, -x / 3) + pl.math.minimum(x, 0.5)),
    # the branch that is not taken overflows: 0 · ∞ would be NaN
    pl.Elementwise(lambda x: pl.math.where(x > 0, x, pl.math.exp(x) - 1)),
    # f(0) is not 0 and f'(0) is infinite: padding channels must not see it
    pl.Elementwise(lambda x: pl.math.sqrt(abs(x)) + 1),
    pl.Elementwise(lambda x: pl.math.round(x / 2) * x),
    # halves, and both limits
    pl.FakeQuantize(pl.Quantization(2.0, 117)),
]
#: with the points where a derivative jumps, and far out
POINTS = np.array(
    [-1e4, -30, -3, -1.5, -1, -0.5, -1e-3, 1e-3, 0.5, 1, 2, 3, 5.5, 6, 7, 30, 1e4]
)


def model_of(layer: Any, engine: str, dtype: str) -> pl.Model:
    placed = dataclasses.replace(layer)
    network = pl.Sequential(pl.Input(len(POINTS)), placed)
    return pl.Model(network, engine=engine, dtype=dtype)


def test_every_pointwise_layer_is_tried() -> None:
    kinds = {kind for kind in LAYERS.values() if issubclass(kind, Pointwise)}
    assert {type(layer) for layer in [*LAYERS_TRIED, *OWN]} == kinds


@pytest.mark.parametrize("engine", ["numpy", "compiled", "torch", "tensorflow", "jax"])
@pytest.mark.parametrize("layer", [*LAYERS_TRIED, *OWN], ids=lambda v: repr(v)[:60])
def test_engines_compute_the_expression_and_its_derivative(
    layer: Any, engine: str
) -> None:
    for package in {"torch": ["torch"], "tensorflow": ["keras"], "jax": ["jax"]}.get(
        engine, []
    ):
        pytest.importorskip(package)
    dtype = "float32" if engine == "compiled" else "float64"
    x = np.stack([POINTS, np.zeros_like(POINTS)]).astype(dtype)
    if not np.isfinite(compute(layer.derivative, x=0.0)):
        x = x[:1]
    model = model_of(layer, engine, dtype)
    found = model.predict(x)
    grad, _ = model.vjp(x, np.ones_like(found))
    tolerance = 2e-6 if engine == "compiled" else 1e-12
    exact = x.astype(np.float64)
    for value, formula in ((found, layer.expression), (grad, layer.derivative)):
        wanted = np.broadcast_to(compute(formula, x=exact), x.shape)
        np.testing.assert_allclose(value, wanted, rtol=tolerance, atol=tolerance)


def _torch_functions() -> dict[int, Any]:
    functional = pytest.importorskip("torch.nn.functional")
    torch = pytest.importorskip("torch")
    return {
        0: torch.relu,
        1: lambda x: functional.leaky_relu(x, 0.2),
        2: functional.relu6,
        3: lambda x: torch.clamp(x, -1, 2),
        4: lambda x: torch.clamp(x, min=-0.5),
        5: lambda x: torch.clamp(x, max=0.5),
        6: torch.sigmoid,
        7: functional.hardsigmoid,
        8: torch.tanh,
        9: functional.gelu,
        10: functional.silu,
        11: functional.hardswish,
        12: lambda x: functional.elu(x, 1.3),
        13: functional.elu,
        14: functional.softplus,
        15: functional.mish,
    }


@pytest.mark.parametrize("number", range(len(LAYERS_TRIED)))
def test_expressions_are_pytorch_s_functions(number: int) -> None:
    function = _torch_functions()[number]
    torch = pytest.importorskip("torch")
    layer = LAYERS_TRIED[number]
    at = np.concatenate([POINTS, [0.0, np.inf, -np.inf, np.nan]])
    x = torch.tensor(at, requires_grad=True)
    y = function(x)
    y.sum().backward()
    # its softplus is x from 20 on, and its hard sigmoid's slope a float32
    tolerance = 1e-7 if layer.stem in ("softplus", "hard_sigmoid") else 1e-12
    np.testing.assert_allclose(
        compute(layer.expression, x=at), y.detach().numpy(), tolerance, tolerance
    )
    finite = np.isfinite(at)
    found = np.broadcast_to(compute(layer.derivative, x=at), at.shape)
    np.testing.assert_allclose(
        found[finite], x.grad.numpy()[finite], tolerance, tolerance
    )


@pytest.mark.parametrize("channels", [3, 16, 19])
@pytest.mark.parametrize("number", range(len(OWN)))
def test_padding_channels_stay_out_of_compiled_gradients(
    number: int, channels: int
) -> None:
    layer = dataclasses.replace(OWN[number])
    network = pl.Sequential(
        pl.Input(6, 5, 2),
        pl.Conv2D(channels, kernel_size=2),
        layer,
        pl.Conv2D(4, kernel_size=2),
        pl.Flatten(),
        pl.Dense(3),
    )
    models = [
        pl.Model(network, engine=engine, loss="cross_entropy", seed=3)
        for engine in ("numpy", "compiled")
    ]
    random = np.random.default_rng(0)
    images = random.standard_normal((5, 6, 5, 2)).astype("f")
    labels = np.arange(5) % 3
    (loss, grads), (found_loss, found) = (m.gradients(images, labels) for m in models)
    assert found_loss == pytest.approx(loss, rel=1e-5)
    for name, wanted in grads.items():
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-4 * scale)
