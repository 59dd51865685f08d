"""A network as Python: executing it gives an equal network."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest

import pellucid as pl
from pellucid.network import ZOO, Network, Node
from pellucid.network.layers import LAYERS, Input, Layer, Recurrent
from pellucid.network.python_source import python_source

HOW = pl.Preprocessing(
    scale=(1 / 63.7, 0.1, 1e-3), offset=(-0.5, 0.25, 0.0), size=(6, 5), colour="rgb"
)


def executed(network: Network) -> Network:
    space: dict[str, Any] = {}
    exec(python_source(network).replace("print(network)", ""), space)
    found = space["network"]
    assert isinstance(found, Network)
    return found


def check(network: Network) -> None:
    found = executed(network)
    assert found == network
    assert found.name == network.name
    assert found.preprocessing == network.preprocessing


@pytest.mark.parametrize("how", [None, pl.Preprocessing.signed(), HOW])
@pytest.mark.parametrize("name", sorted(ZOO))
def test_each_network_of_the_zoo_comes_back_with_its_preprocessing(name, how):
    check(pl.zoo(name))
    network = pl.zoo(name)
    check(Network.from_nodes(network.nodes, name="mine's", preprocessing=how))


#: arguments other than the default, for the fields of all layers
OTHERS: dict[str, tuple[Any, ...]] = {
    "out_channels": (4,),
    "units": (3,),
    "bits": (4,),
    "kernel_size": ((2, 3), 1),
    "pool_size": ((2, 1), 3),
    "stride": ((2, 1), 2),
    "padding": ("same", 1, ((0, 1), (1, 0))),
    "dilation": (2, (1, 2)),
    "groups": (2,),
    "bias": (False,),
    "rate": (0.3,),
    "momentum": (0.8,),
    "epsilon": (1e-3,),
    "output_padding": (1, (1, 0)),
    "scale": (3, (2, 1)),
    "mode": ("bilinear",),
    "slope": (0.2,),
    "negative_slope": (0.2,),
    "alpha": (2.0,),
    "function": (lambda x: x * pl.math.sigmoid(1.702 * x) - abs(x - 0.1) ** 1.5,),
    "minimum": (-1.5,),
    "maximum": (2.5,),
    "after": (2,),
    "axes": ((2, 0, 1),),
    "before": (1,),
    "block_size": (2,),
    "cropping": (1, ((0, 1), (1, 0))),
    "offset": (0.5,),
    "order": ("CRD",),
    "shared": (True,),
    "slope_initializer": ("ones",),
    "axis": (0,),
    "shape": ((4, -1),),
    "start": (1,),
    "stop": (3,),
    "step": (2,),
    "beta": (0.6,),
    "size": (3,),
    "trainable": (False,),
    "coordinates": ("asymmetric",),
    "cubic": (-0.5,),
    "rounding": ("floor", "even"),
    "input": (pl.Quantization(0.5, 3),),
    "return_sequences": (False, True),
    "recurrent_initializer": ("zeros", pl.Normal(0.5)),
    "reverse": (True,),
    "reset_after": (False, True),
    "transpose_a": (True,),
    "transpose_b": (True,),
    "initializer": ("zeros", pl.Normal(0.5)),
    "form": ("asymmetric", "uint8"),
    "output": (pl.Quantization(0.25, 130, "uint8"),),
    "operation": (pl.Conv2D(4, 3, padding="same"), pl.Sigmoid()),
    "operands": ((pl.Quantization(0.1),),),
    "clamp": ("relu6",),
    "arithmetic": ("real",),
    "weight_dtype": ("int16",),
    "weight_initializer": (
        "he_normal",
        pl.Normal(0.125),
        pl.Uniform(-0.5, 0.25),
        pl.Constant(1.5),
    ),
    "bias_initializer": ("ones", pl.Constant(2)),
}


SHAPE = (12, 8, 32)


def layers() -> list[Layer]:
    """Return every layer with every argument once not as it is by default."""
    return [layer for layer in _layers() if _fits(layer)]


def _shape(layer: Layer) -> tuple[int, ...]:
    """Return an image, or a signal for layers of one dimension."""
    is_sequence = type(layer).__name__.endswith("1D") or isinstance(layer, Recurrent)
    return SHAPE[1:] if is_sequence else SHAPE


def _fits(layer: Layer) -> bool:
    """Return whether a layer takes the test's image; several values for others."""
    with contextlib.suppress(pl.ShapeError):
        layer.output_shape(*[_shape(layer)] * max(layer.arity[0], 1))
        return True
    return False


def _layers() -> list[Layer]:
    found: list[Layer] = []
    for kind in LAYERS.values():
        if kind is Input:
            continue
        needed = {
            f.name: OTHERS[f.name][0]
            for f in dataclasses.fields(kind)
            if f.default is dataclasses.MISSING and f.name != "name"
        }
        if kind.__name__.endswith("1D") and "kernel_size" in needed:
            needed["kernel_size"] = 3
        if kind is pl.MatMul:
            needed["transpose_b"] = True  # of two values of one shape
        if kind is pl.Parameter:
            needed["shape"] = (2, 3)
        if kind is pl.Clip:
            needed["minimum"] = -1.0  # one of its limits must be given
        if kind is pl.Resize:  # which has a size or a scale
            found.append(pl.Resize(scale=1.5))
            needed["size"] = OTHERS["size"][0]
        found.append(kind(**needed))
        for field in dataclasses.fields(kind):
            if field.name == "output_padding":
                needed = {**needed, "stride": 2}  # which it must be less than
            for value in OTHERS.get(field.name, ()):
                if kind is pl.Softmax and field.name == "axis":
                    continue  # of another axis it is several layers
                with contextlib.suppress(pl.NetworkError):
                    found.append(kind(**{**needed, field.name: value}))
    return found


@pytest.mark.parametrize("layer", layers(), ids=repr)
def test_each_layer_comes_back_with_each_argument(layer):
    image = pl.Input(*_shape(layer))
    inputs = [pl.Tanh()(image) for _ in range(layer.arity[0])]
    last = dataclasses.replace(layer)(*inputs)  # a layer stands at one place
    network = pl.Network(inputs=image, outputs=last, preprocessing=HOW)
    check(network)
    found = executed(network).nodes[-1].layer
    assert dataclasses.replace(found, name=None) == layer


def test_every_layer_is_tried():
    assert {type(layer) for layer in layers()} == set(LAYERS.values()) - {Input}


def test_every_argument_of_every_layer_is_tried():
    fields = {
        field.name
        for kind in LAYERS.values()
        if kind is not Input
        for field in dataclasses.fields(kind)
    }
    assert fields - {"name", "activation"} <= OTHERS.keys()


def test_nodes_may_be_called_as_python_s_own_words():
    image = pl.Input(3, name="pixels")
    x = pl.Dense(2, name="print")(pl.Dense(2, name="pl")(image))
    x = pl.Dense(2, name="network")(pl.Dense(2, name="lambda")(x))
    x = pl.Dense(2, name="image")(pl.Dense(2, name="lambda_")(x))
    check(pl.Network(inputs=image, outputs=x))


def test_the_order_of_nodes_is_kept():
    dense = pl.Dense(2)
    network = Network.from_nodes(
        [
            Node("input", pl.Input(2, name="input"), ()),
            Node("b", dataclasses.replace(dense, name="b"), ("input",)),
            Node("a", dataclasses.replace(dense, name="a"), ("input",)),
            Node("sum", pl.Add(name="sum"), ("a", "b")),
        ],
        preprocessing=HOW,
    )
    check(network)


def ports(*, order: tuple[int, ...] = (0, 1)) -> Network:
    images = [pl.Input(4, name="left"), pl.Input(4, name="left_layer")]
    dense = pl.Dense(3, name="left_dense")
    ends = [pl.Tanh()(dense(image)) for image in images]
    inputs = [images[i] for i in order]
    return pl.Network(inputs=inputs, outputs=[ends[i] for i in order], name="both")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_several_inputs_outputs_and_shared_layers_come_back(order):
    network = ports(order=order)
    check(network)
    assert "left_dense_layer = pl.Dense(units=3" in python_source(network)


def test_shared_nodes_come_back_under_any_name_and_in_any_order():
    network = ports()
    nodes = [
        dataclasses.replace(
            n, name="other", layer=dataclasses.replace(n.layer, name="other")
        )
        if n.weights_of
        else n
        for n in network.nodes
    ]
    nodes = [
        dataclasses.replace(n, inputs=("other",)) if "left_dense_1" in n.inputs else n
        for n in nodes
    ]
    renamed = Network.from_nodes(nodes, outputs=network.outputs)
    check(renamed)
    assert "replace(network.node('other'), weights_of='left_dense')" in (
        python_source(renamed)
    )
    mixed = [nodes[i] for i in (1, 0, *range(2, len(nodes)))]
    check(Network.from_nodes(mixed, inputs=network.inputs, outputs=network.outputs))
