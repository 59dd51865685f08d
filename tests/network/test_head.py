"""The head of a network: found, replaced, refused where there is none."""

from __future__ import annotations

import pytest

import pellucid as pl
from pellucid.network.head import find_head, find_nodes, replace_head


def branching() -> pl.Network:
    image = pl.Input(8, 8, 3)
    x = pl.Conv2D(4, kernel_size=3, name="stem_conv")(image)
    left = pl.Conv2D(4, kernel_size=1, name="left")(x)
    return pl.Network(inputs=image, outputs=pl.Add()(left, x))


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("mnist-keras", "dense_1"),  # Softmax behind it
        ("squeezenet", "classifier_1"),  # a convolution, ReLU and a pool behind it
        ("unet", "outc_conv"),
        ("xor-one-hidden", "dense_1"),  # Sigmoid behind it
    ],
)
def test_the_head_is_the_last_layer_with_weights(name: str, head: str) -> None:
    network = pl.zoo(name)
    assert find_head(network).name == head
    assert replace_head(network, 7).output_shape[-1] == 7


def test_a_head_before_an_add_must_be_named() -> None:
    network = branching()
    with pytest.raises(pl.NetworkError, match=r"head must be a Dense.* got Add 'add'"):
        find_head(network)
    assert find_head(network, "left").name == "left"
    with pytest.raises(pl.NetworkError, match=r"head must be a Dense.*got Input"):
        find_head(network, "input")


def test_of_several_outputs_the_head_must_be_named() -> None:
    image = pl.Input(4)
    ends = [pl.Dense(2, name="one")(image), pl.Dense(3, name="two")(image)]
    network = pl.Network(inputs=image, outputs=ends)
    with pytest.raises(pl.NetworkError, match=r"head must be named .* got one, two"):
        find_head(network)
    assert replace_head(network, 5, name="two").shapes["two"] == (5,)


def test_nodes_are_found_by_the_beginning_of_their_names() -> None:
    network = pl.zoo("resnet18")
    found = find_nodes(network, ["conv1", "layer1_0"])
    assert found == (
        "conv1",
        "layer1_0_conv1",
        "layer1_0_bn1",
        "layer1_0_conv2",
        "layer1_0_bn2",
    )
    with pytest.raises(pl.NetworkError, match=r"what is frozen must .* got 'layer'"):
        find_nodes(network, ["layer"])
