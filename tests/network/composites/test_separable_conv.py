"""Separable convolution: two Conv2D; called twice, it shares their weights."""

from __future__ import annotations

import numpy as np

import pellucid as pl


def test_a_separable_convolution_is_two() -> None:
    network = pl.Sequential(
        pl.Input(6, 6, 3),
        pl.SeparableConv2D(
            5, 3, padding="same", depth_multiplier=2, activation="relu", name="sep"
        ),
    )
    assert [node.name for node in network.nodes] == [
        "input",
        "sep_depthwise",
        "sep",
        "sep_relu",
    ]
    shapes = {weight.name: weight.shape for weight in network.weights}
    assert shapes == {
        "sep_depthwise.weight": (3, 3, 1, 6),
        "sep.weight": (1, 1, 6, 5),
        "sep.bias": (5,),
    }


def test_called_twice_it_shares_its_weights() -> None:
    first, second = pl.Input(6, 6, 3), pl.Input(6, 6, 3)
    layer = pl.SeparableConv2D(5, 3)
    network = pl.Network(
        inputs=[first, second], outputs=pl.Subtract()(layer(first), layer(second))
    )
    assert len(network.weights) == 3
    x = np.random.default_rng(0).random((2, 6, 6, 3))
    y = pl.Model(network, engine="numpy").predict((x, x))
    assert not y.any()
