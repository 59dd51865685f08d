"""Large layers are updated during the backward pass, by the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.lowering import early_updates, late_preparations


def network_of(*, has_side: bool = False) -> pl.Network:
    """Return a network of small layers; one of two outputs may stand behind no loss."""
    x = image = pl.Input(6, 6, 4)
    for _ in range(3):
        x = pl.ReLU()(pl.BatchNorm()(pl.Conv2D(24, 3, padding=1)(x)))
    side = pl.Conv2D(16, 3)(x)
    y = pl.Dense(3, name="scores")(pl.GlobalAvgPool2D()(x))
    if not has_side:
        return pl.Network(inputs=image, outputs=y)
    other = pl.Dense(2, name="other")(pl.GlobalAvgPool2D()(side))
    return pl.Network(inputs=image, outputs=[y, other])


def trained(network: pl.Network, loss: Any, **options: Any) -> pl.Model:
    """Return a model after some steps of several batch sizes."""
    optimizer = options.pop("optimizer", pl.SGD(0.1, momentum=0.9, weight_decay=0.01))
    engine = pl.engines.compiled(threads=2)
    model = pl.Model(network, engine=engine, loss=loss, optimizer=optimizer, seed=0)
    draws = np.random.default_rng(0)
    for count in (7, 2, 9):
        images = draws.standard_normal((count, 6, 6, 4)).astype(np.float32)
        labels = np.arange(count) % 3
        model.train_step(
            images, labels if isinstance(loss, str) else {"scores": labels}
        )
    return model


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_updates, "TOGETHER", 6000)
    monkeypatch.setattr(late_preparations, "LARGE", 1024)
    monkeypatch.setattr(late_preparations, "TOGETHER", 30_000)


def titles(model: pl.Model) -> list[str]:
    return [phase.title for phase in model.plan.low.phases]


def same(model: pl.Model, other: pl.Model) -> None:
    for name, weight in other.weights.items():
        np.testing.assert_array_equal(model.weights[name], weight, err_msg=name)


def test_weights_are_the_same_to_the_bit(request):
    late = trained(network_of(), "cross_entropy")
    assert titles(late).count("join and update") == 1
    request.getfixturevalue("small_is_large")
    early = trained(network_of(), "cross_entropy")
    assert titles(early).count("join and update") > 2
    assert titles(early).count("prepare what follows") > 1
    assert early.plan.low.chunk_grads.size < late.plan.low.chunk_grads.size
    same(early, late)


def test_gradients_are_those_of_numpy(small_is_large):
    network = network_of()
    images = np.random.default_rng(1).standard_normal((5, 6, 6, 4)).astype(np.float32)
    found = [
        pl.Model(
            network, engine=engine, loss="cross_entropy", optimizer=pl.SGD(0.1), seed=0
        ).gradients(images, np.arange(5) % 3)
        for engine in (pl.engines.compiled(threads=2), "numpy")
    ]
    for name, gradient in found[1][1].items():
        np.testing.assert_allclose(found[0][1][name], gradient, atol=2e-5, err_msg=name)


def small_maps(side: int, channels: int) -> pl.Network:
    """Return a network of small maps, whose weights' gradients are tasks."""
    x = image = pl.Input(side, side, 3)
    x = pl.ReLU()(pl.Conv2D(channels, 1)(x))
    for _ in range(2):
        x = pl.ReLU()(pl.BatchNorm()(pl.Conv2D(channels, 3, padding=1)(x)))
    y = pl.Dense(3, name="scores")(pl.GlobalAvgPool2D()(x))
    return pl.Network(inputs=image, outputs=y)


@pytest.mark.parametrize(
    ("side", "channels", "kernel"),
    [
        (2, 48, "conv_tiny_grad_weight"),
        pytest.param(
            4,
            256,
            "images_amx_grad_inputs",
            marks=pytest.mark.skipif(
                not target().has_amx, reason="a processor without AMX"
            ),
        ),
    ],
)
def test_tasks_make_gradients_over_all_images(small_is_large, side, channels, kernel):
    network, count = small_maps(side, channels), 35
    draws = np.random.default_rng(1)
    shape = count, side, side, 3
    images, labels = draws.standard_normal(shape).astype(np.float32), np.arange(count)
    models = [
        pl.Model(network, engine=engine, loss="cross_entropy", optimizer=pl.SGD(0.1))
        for engine in (pl.engines.compiled(threads=2), "numpy")
    ]
    found, wanted = (model.gradients(images, labels % 3)[1] for model in models)
    for name, gradient in wanted.items():
        np.testing.assert_allclose(found[name], gradient, atol=2e-5, err_msg=name)
    tasks = [t for phase in models[0].plan.low.phases for t in phase.tasks]
    made = [task for task in tasks if task.steps[0].kernel.name == kernel]
    assert len(made) == 2
    for model in models:
        model.train_step(images[:7], labels[:7] % 3)
    for name, weight in models[1].weights.items():
        np.testing.assert_allclose(models[0].weights[name], weight, atol=2e-5)


def test_weights_behind_no_loss_only_decay(request):
    losses = {"scores": "cross_entropy"}
    late = trained(network_of(has_side=True), losses)
    request.getfixturevalue("small_is_large")
    early = trained(network_of(has_side=True), losses)
    assert titles(early).count("join and update") > 2
    same(early, late)


def test_a_clipped_norm_is_that_of_all_gradients(small_is_large):
    clipped = trained(
        network_of(), "cross_entropy", optimizer=pl.SGD(0.1, clip_norm=0.1)
    )
    assert titles(clipped).count("join and update") == 1
