"""Explanations of networks with several inputs, outputs and shared weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.several_ports import detector, on_the_way, siamese, triplet, two_branches

import pellucid as pl
from pellucid import explain
from pellucid.errors import DataError, NetworkError

KINDS = tuple(explain.ATTRIBUTIONS)


def model_of(network: pl.Network, **given: Any) -> pl.Model:
    return pl.Model(network, engine="numpy", dtype="float64", seed=3, **given)


def example(network: pl.Network) -> dict[str, Any]:
    random = np.random.default_rng(5)
    return {name: random.random(network.shapes[name]) for name in network.inputs}


def shifted(
    model: pl.Model, given: dict[str, Any], where: str, at: tuple[int, ...], h: float
) -> dict[str, Any]:
    """Return all outputs by name after one element of an input has moved by h."""
    moved = {name: array.copy() for name, array in given.items()}
    moved[where][at] += h
    batch = {name: array[None] for name, array in moved.items()}
    found = model.predict(batch)
    if not isinstance(found, dict):
        found = {model.network.outputs[0]: found}
    return {name: array[0] for name, array in found.items()}


@pytest.mark.parametrize("make", [two_branches, detector, siamese, on_the_way])
def test_every_node_s_arithmetic_gives_the_activation(make: Any) -> None:
    model = model_of(make())
    given = example(model.network)
    for node in model.network.nodes:
        shown = explain.arithmetic(model, given, node.name)
        assert shown.value == pytest.approx(shown.activation, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "output", "source", "at"),
    [
        (two_branches, "dense_2_softmax", "image", (2, 1, 0)),
        (two_branches, "dense_2_softmax", "vector", (3,)),
        (detector, "kind_softmax", "input", (4, 4, 1)),
        (detector, "box", "input", (4, 4, 1)),
        (siamese, "dense_sigmoid", "left", (1, 2, 0)),
    ],
)
def test_the_gradient_of_a_named_output_is_the_difference_quotient(
    make: Any, output: str, source: str, at: tuple[int, ...]
) -> None:
    model = model_of(make())
    given, h = example(model.network), 1e-6
    column = 0 if output == "dense_sigmoid" else 1
    found = explain.derivative(model, given, source, at, of_class=1, of_output=output)
    above, below = (shifted(model, given, source, at, s * h) for s in (1, -1))
    quotient = (above[output][column] - below[output][column]) / (2 * h)
    assert found.reaches == pytest.approx(quotient, rel=1e-6, abs=1e-10)
    if len(model.network.outputs) > 1:
        assert found.of.startswith(f"{output} 1 ")


def test_the_loss_of_a_label_is_that_of_its_output() -> None:
    losses = {"kind_softmax": "cross_entropy", "box": "mse"}
    model = model_of(detector(), loss=losses, loss_weights={"kind_softmax": 3.0})
    given, (kind, _) = example(model.network)["input"], model.network.outputs
    found = explain.derivative(model, given, kind, (2,), label=2, of_output=kind)
    share = model.predict(given[None])[0][0, 2]
    assert found.of == "cross_entropy of kind_softmax with label 2"
    assert found.of_value == pytest.approx(-np.log(share))
    assert found.reaches == pytest.approx(-1 / share)


def test_a_shared_weight_s_gradient_is_summed_over_both_branches() -> None:
    model = model_of(siamese())
    given = example(model.network)
    shown = explain.weight_gradient(model, given, "encoder_conv2d.weight[0,1,0,2]")
    nodes = {place.node for place in shown.places}
    assert nodes == {"encoder_conv2d", "encoder_conv2d_1"}
    total = sum(place.value for place in shown.places)
    assert total == pytest.approx(shown.gradient, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_attributions_are_of_a_named_input(kind: str) -> None:
    model = model_of(siamese())
    given = example(model.network)
    for source in ("left", "right"):
        found = explain.attribute(model, given, kind, of_input=source)
        assert found.values.shape == (6, 6)
        assert np.abs(found.values).max() > 0
        drawn = explain.attribution_picture(
            model, given, found, "title", of_input=source
        )
        assert len(drawn.axes) == 3


def test_integrated_gradients_of_all_inputs_add_up_to_the_rise() -> None:
    model = model_of(two_branches())
    given = example(model.network)
    total = sum(
        explain.integrated_gradients(
            model, given, 1, of_input=name, steps=400
        ).values.sum()
        for name in model.network.inputs
    )
    nodes = model.session.activations(
        tuple(given[name][None] for name in model.network.inputs)
    )
    zero = model.session.activations(
        tuple(np.zeros_like(given[name][None]) for name in model.network.inputs)
    )
    rise = nodes["dense_2"][0, 1] - zero["dense_2"][0, 1]
    assert total == pytest.approx(rise, rel=1e-2)


def test_grad_cam_looks_at_the_maps_behind_its_input() -> None:
    model = model_of(siamese())
    given = example(model.network)
    left = explain.grad_cam(model, given, of_input="left")
    other = {"left": given["left"], "right": given["right"] * 0.5}
    node = "encoder_max_pool2d"
    by_name = explain.grad_cam(model, given, of_input="left", node=node)
    np.testing.assert_array_equal(left.values, by_name.values)
    changed = explain.grad_cam(model, other, of_input="right")
    assert np.abs(changed.values - left.values).max() > 0


@pytest.mark.parametrize("make", [two_branches, detector, triplet, on_the_way])
def test_the_picture_shows_each_input_output_and_node(make: Any) -> None:
    network = make()
    model = model_of(network)
    figure = explain.picture(model, example(network))
    titles = [axes.get_title() for axes in figure.axes]
    for name in network.outputs if len(network.outputs) > 1 else ():
        assert any(title.startswith(name) for title in titles)
    for name in network.inputs if len(network.inputs) > 1 else ():
        assert f"input {name}" in titles


def test_an_input_or_output_that_is_not_named_is_asked_for() -> None:
    model = model_of(detector())
    image = example(model.network)["input"]
    names = "kind_softmax, box"
    with pytest.raises(
        NetworkError, match=f"output must be one of .*{names}; got none"
    ):
        explain.saliency(model, image)
    with pytest.raises(NetworkError, match=f"{names}; got 'boxes'"):
        explain.derivative(model, image, "input", (0, 0, 0), of_output="boxes")
    both = model_of(siamese())
    with pytest.raises(NetworkError, match=r"input must be one of .*left, right"):
        explain.saliency(both, example(both.network))
    with pytest.raises(DataError, match="explain: names must be left, right; got no"):
        explain.arithmetic(both, {"left": image}, "left")
    wrong = {"left": np.zeros((2, 6, 6, 2)), "right": np.zeros((6, 6, 2))}
    with pytest.raises(DataError, match="input 'left' must be one, of shape"):
        explain.arithmetic(both, wrong, "left")


def test_every_output_that_has_labels_is_assessed() -> None:
    losses = {"kind_softmax": "cross_entropy", "box": "mse"}
    model = model_of(detector(), loss=losses)
    random = np.random.default_rng(0)
    images = random.random((30, 8, 8, 2))
    kinds, boxes = random.integers(0, 3, 30), random.random((30, 4))
    found = explain.assess_outputs(
        model, (images, {"kind_softmax": kinds, "box": boxes}), batch_size=7
    )
    kind, box = found.outputs["kind_softmax"], found.outputs["box"]
    said = model.predict(images)[0].argmax(axis=1)
    assert found.metrics["kind_softmax_accuracy"] == pytest.approx(
        (said == kinds).mean()
    )
    assert kind.metrics["accuracy"] == found.metrics["kind_softmax_accuracy"]
    assert kind.confusion.sum() == 30
    assert np.trace(kind.confusion) == (said == kinds).sum()
    assert [m.label for m in kind.mistakes] == [kinds[m.index] for m in kind.mistakes]
    assert box.classes == ()
    assert box.metrics["mean_absolute_error"] > 0
    only = explain.assess_outputs(model_of(detector()), (images, {"box": boxes}))
    assert list(only.outputs) == ["box"]
