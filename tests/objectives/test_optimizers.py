"""Optimizers: two steps by hand in plain Python, decay, clipping."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.objectives import apply_update, as_optimizer, optimizer_from_json
from pellucid.objectives.optimizers import Optimizer

W, G = 2.0, (0.5, -0.25)
RATES = (0.1, 0.01)


def steps(optimizer: Optimizer, name: str = "a.weight") -> float:
    weights = {name: np.array([W])}
    slots = {slot: {name: np.zeros(1)} for slot in optimizer.slots}
    for step, (g, rate) in enumerate(zip(G, RATES, strict=True), 1):
        grads = {name: np.array([g])}
        apply_update(optimizer, weights, grads, slots, rate=rate, step=step)
    return float(weights[name][0])


def test_sgd() -> None:
    assert steps(pl.SGD(0.1)) == pytest.approx(W - 0.1 * 0.5 + 0.01 * 0.25)


def test_momentum_is_free_of_the_learning_rate() -> None:
    v1 = G[0]
    v2 = 0.9 * v1 + G[1]
    assert steps(pl.SGD(0.1, momentum=0.9)) == pytest.approx(W - 0.1 * v1 - 0.01 * v2)


def test_nesterov_looks_ahead() -> None:
    v1 = G[0]
    v2 = 0.9 * v1 + G[1]
    expected = W - 0.1 * (G[0] + 0.9 * v1) - 0.01 * (G[1] + 0.9 * v2)
    assert steps(pl.SGD(0.1, momentum=0.9, nesterov=True)) == pytest.approx(expected)


def test_rmsprop_has_epsilon_outside_the_root() -> None:
    s, w = 0.0, W
    for g, rate in zip(G, RATES, strict=True):
        s = 0.9 * s + 0.1 * g * g
        w -= rate * g / (math.sqrt(s) + 1e-8)
    assert steps(pl.RMSprop(0.1)) == pytest.approx(w, rel=1e-12)


def adam(decay: float = 0.0, l2: float = 0.0) -> float:
    m = v = 0.0
    w = W
    for t, (g, rate) in enumerate(zip(G, RATES, strict=True), 1):
        w *= 1 - rate * decay
        g += l2 * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        w -= rate * m_hat / (math.sqrt(v_hat) + 1e-8)
    return w


def test_adam_is_algorithm_1() -> None:
    assert steps(pl.Adam()) == pytest.approx(adam(), rel=1e-12)


def test_updates_are_pytorchs_formulas() -> None:
    torch = pytest.importorskip("torch")
    kinds, l2 = torch.optim, {"weight_decay": 0.1}
    nesterov = {"momentum": 0.9, "nesterov": True}
    cases: list[tuple[Any, Any, dict[str, Any]]] = [
        (pl.SGD(momentum=0.9, **l2), kinds.SGD, {"momentum": 0.9, **l2}),
        (pl.SGD(**nesterov, **l2), kinds.SGD, {**nesterov, **l2}),
        (pl.RMSprop(rho=0.8, **l2), kinds.RMSprop, {"alpha": 0.8, **l2}),
        (pl.Adam(beta2=0.98, **l2), kinds.Adam, {"betas": (0.9, 0.98), **l2}),
        (pl.AdamW(**l2), kinds.AdamW, l2),
        (pl.NAdam(**l2), kinds.NAdam, l2),
        (pl.Adagrad(**l2), kinds.Adagrad, l2),
    ]
    for ours, kind, options in cases:
        w = torch.tensor([W], dtype=torch.float64, requires_grad=True)
        theirs = kind([w], lr=0.1, **options)
        for g, rate in zip(G, RATES, strict=True):
            w.grad = torch.tensor([g], dtype=torch.float64)
            theirs.param_groups[0]["lr"] = rate
            theirs.step()
        assert steps(ours) == pytest.approx(w.item(), rel=1e-6)


def test_nadam_is_keras_formula_with_its_momentum_decay() -> None:
    m = v = 0.0
    product, w = 1.0, W
    for t, (g, rate) in enumerate(zip(G, RATES, strict=True), 1):  # keras Nadam
        here, following = (0.9 * (1 - 0.5 * 0.96**i) for i in (t, t + 1))
        product *= here
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        m_hat = following * m / (1 - product * following)
        m_hat += (1 - here) * g / (1 - product)
        w -= rate * m_hat / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert steps(pl.NAdam(momentum_decay=1.0)) == pytest.approx(w, rel=1e-9)


def test_a_products_end_is_one() -> None:
    long = pl.NAdam().momentum_products()
    assert 50 < len(long) < 200
    assert pl.NAdam().scalars(1.0, 10**9) == pytest.approx((0.1, 9.0, 1.0))


def test_groups_have_their_own_rate_and_decay() -> None:
    group = pl.ParameterGroup("a", rate_factor=0.5, weight_decay=0.0)
    sgd = pl.SGD(0.1, weight_decay=0.3, groups=[group])
    assert steps(sgd) == pytest.approx(W - 0.05 * 0.5 + 0.005 * 0.25)
    assert steps(sgd, "b.weight") == steps(pl.SGD(0.1, weight_decay=0.3))
    biases = pl.ParameterGroup(roles="bias", weight_decay=0.3)
    decayed = steps(pl.SGD(0.1, groups=[biases]), "a.bias")
    assert decayed == steps(pl.SGD(0.1, weight_decay=0.3))
    assert optimizer_from_json(json.loads(json.dumps(sgd.to_json()))) == sgd


def test_a_group_must_name_layers_of_the_network() -> None:
    network = pl.Sequential(pl.Input(2), pl.Dense(1))
    optimizer = pl.SGD(groups=pl.ParameterGroup("conv"))
    with pytest.raises(pl.NetworkError, match="name weights that train; got layers="):
        pl.Model(network, engine="numpy", optimizer=optimizer)


def test_weight_decay_is_l2_but_decoupled_in_adamw() -> None:
    assert steps(pl.Adam(weight_decay=0.1)) == pytest.approx(adam(l2=0.1), rel=1e-12)
    assert steps(pl.AdamW()) == pytest.approx(adam(decay=0.01), rel=1e-12)
    plain = W - 0.1 * (0.5 + 0.2 * W)
    expected = plain - 0.01 * (-0.25 + 0.2 * plain)
    assert steps(pl.SGD(0.1, weight_decay=0.2)) == pytest.approx(expected)


def test_weight_decay_leaves_biases_and_norms_alone() -> None:
    for name in ("a.bias", "a.scale", "a.offset"):
        assert steps(pl.AdamW(weight_decay=0.5), name) == pytest.approx(adam())


def test_clipping_brings_the_common_norm_down() -> None:
    weights = {"a.weight": np.zeros(2), "b.bias": np.zeros(1)}
    grads = {"a.weight": np.array([3.0, 0.0]), "b.bias": np.array([4.0])}
    optimizer = pl.SGD(1.0, clip_norm=1.0)
    apply_update(optimizer, weights, grads, {}, rate=1.0, step=1)
    np.testing.assert_allclose(weights["a.weight"], [-0.6, 0])
    np.testing.assert_allclose(weights["b.bias"], [-0.8])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.SGD(-1), "learning_rate must be a number of at least 0; got lear"),
        (lambda: pl.SGD(0.1, momentum=1.0), "momentum must be a number from 0 to less"),
        (lambda: pl.SGD(0.1, nesterov=True), "momentum must be positive where nester"),
        (lambda: pl.Adam(beta1=2), "beta1 must be a number from 0 to less than 1"),
        (lambda: pl.Adam(float("nan")), "learning_rate must be a number"),
        (lambda: as_optimizer("lion"), "optimizer: must be one of sgd, rmsprop"),
        (lambda: pl.ParameterGroup(), "layers or roles must be named"),
        (lambda: pl.ParameterGroup("a", rate_factor=-1), "rate_factor must be a numb"),
        (lambda: pl.ParameterGroup(layers=[1]), "layers must be names"),
        (lambda: pl.SGD(groups="conv"), "groups must be a list of ParameterGroup"),
        (lambda: pl.SGD(groups=[{"x": 1}]), "groups must hold layers, roles"),
        (lambda: optimizer_from_json({"name": "sgd", "x": 1}), "must be its own"),
        (lambda: optimizer_from_json({}), "name must be one of"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        make()


def test_json_leads_back() -> None:
    for optimizer in (pl.SGD(0.1, momentum=0.9), pl.AdamW(2e-3), pl.RMSprop(rho=0.5)):
        assert optimizer_from_json(optimizer.to_json()) == optimizer
