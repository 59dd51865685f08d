"""Weights prepared late share memory, and nothing is read that was not written."""

from __future__ import annotations

import numpy as np
import pytest
from goldens.plans import TARGETS, purposes

import pellucid as pl
from pellucid.engines.compiled.lowering import late_preparations
from pellucid.engines.compiled.lowering.context import Options
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.engines.compiled.program import lifetimes
from pellucid.engines.compiled.program.program import Program


@pytest.mark.parametrize("options", [{}, {"amx": False}, {"winograd": False}])
def test_what_lay_there_before_does_not_matter(options, monkeypatch):
    monkeypatch.setattr(late_preparations, "LARGE", 1024)
    monkeypatch.setattr(late_preparations, "TOGETHER", 200_000)
    x = image = pl.Input(8, 8, 3)
    for channels, kernel, stride in ((64, 3, 1), (64, 3, 1), (72, 3, 2), (20, 1, 1)):
        x = pl.Conv2D(channels, kernel, stride=stride, padding=kernel // 2)(x)
        x = pl.ReLU()(pl.BatchNorm()(x))
    network = pl.Network(inputs=image, outputs=pl.Dense(3)(pl.GlobalAvgPool2D()(x)))
    draws = np.random.default_rng(0)
    images = draws.standard_normal((6, 8, 8, 3)).astype(np.float32)

    def trained() -> pl.Model:
        model = pl.Model(
            network,
            engine=pl.engines.compiled(threads=2, **options),
            loss="cross_entropy",
            optimizer=pl.SGD(0.1),
            seed=0,
        )
        for _ in range(2):
            model.train_step(images, np.arange(6) % 3)
        return model

    plain, run = trained(), Program.run

    def spoiled(program: Program, *args: object, **kwargs: object) -> None:
        start = -program._memory.ctypes.data % 64
        program._memory[start : start + program.late_bytes] = 0xFF  # all NaN
        run(program, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Program, "run", spoiled)
    other = trained()
    assert other.plan.late_bytes
    for name, weight in plain.weights.items():
        np.testing.assert_array_equal(other.weights[name], weight, err_msg=name)


def test_nothing_lies_where_another_one_lives():
    network, target = pl.zoo("resnet18"), TARGETS["amx"]
    options, purpose = Options(), purposes("cross_entropy")["train"]
    parameters = parameters_of(network, target, options)
    low = lower_network(network, parameters, target, options=options, purpose=purpose)
    places, end = lifetimes.shared_places(low)
    lives = lifetimes._lives(low)
    assert end < sum(map(lifetimes._bytes, places)) / 3
    for buffer, start in places.items():
        for other, begin in places.items():
            meets = begin < start + lifetimes._bytes(buffer)
            meets &= start < begin + lifetimes._bytes(other)
            if meets and other is not buffer:
                (a, b), (c, d) = lives[buffer], lives[other]
                assert b < c or d < a
