"""The network as the page draws it: settings that people read, and counts."""

from __future__ import annotations

import pellucid as pl
from pellucid.studio.network_description import describe_network

STEP = pl.Quantization(0.05, 3)


def nodes_of(network: pl.Network) -> dict[str, dict]:
    document = describe_network(
        pl.Model(network, engine="numpy"), "it", has_samples=False
    )
    return {node["name"]: node for node in document["nodes"]}


def test_a_layer_with_rounded_weights_shows_the_layer_it_is() -> None:
    image = pl.Input(5, 5, 2)
    x = pl.FakeQuantize(pl.Quantization(0.1, -3), name="round")(image)
    layer = pl.FakeQuantized(pl.Conv2D(3, 3, padding="same"), bits=4, name="conv")
    shown = nodes_of(pl.Network(inputs=image, outputs=layer(x)))
    assert shown["round"]["settings"] == {"output": "0.1 · (q + 3)"}
    conv = shown["conv"]
    assert (conv["layer"], conv["form"]) == ("Conv2D", "fake 4 bits")
    assert set(conv["settings"]) == {"out_channels", "kernel_size", "padding"}
    assert (conv["parameters"], conv["integer_weights"]) == (57, 0)


def test_integer_weights_are_counted_as_such() -> None:
    image = pl.Input(4, 4, 1)
    layer = pl.Quantized(
        pl.Conv2D(2, 3), operands=(STEP,), output=pl.Quantization(0.1), name="conv"
    )
    x = layer(pl.Quantize(STEP, name="in")(image))
    x = pl.Dequantize(pl.Quantization(0.1), name="out")(x)
    network = pl.Network(inputs=image, outputs=x)
    conv = nodes_of(network)["conv"]
    assert (conv["layer"], conv["form"]) == ("Conv2D", "int8")
    assert (conv["parameters"], conv["integer_weights"]) == (0, 18)
    assert conv["settings"]["operands"] == "0.05 · (q − 3)"
    assert not any("Quantization(" in str(v) for v in conv["settings"].values())
    assert network.integer_weight_count == 18
    assert network.parameter_count == 0
