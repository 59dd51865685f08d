"""Gradients at every node of every network of the zoo, by central differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain, objectives
from pellucid.engines.numpy.layers import Mode, run
from pellucid.engines.ports import loss_terms
from pellucid.network import ZOO, Node

STEP = 1e-6
DEEP = 20  # nodes, from which a sample of them is looked at
SMOOTHED = objectives.CrossEntropy(label_smoothing=0.1)

#: a network, the loss whose gradient is shown, and the label
LOSSES = [
    *((name, objectives.CrossEntropy(), 7) for name in ZOO if "xor" not in name),
    ("mnist-keras", SMOOTHED, 7),
    *((n, objectives.HalfSquaredErrorSum(), 0) for n in ZOO if "xor" in n),
    *((n, objectives.BinaryCrossEntropy(), 0) for n in ZOO if "xor" in n),
]


def drawn(network: pl.Network, loss: objectives.Loss) -> pl.Model:
    model = pl.Model(network, engine="numpy", loss=loss, dtype="float64", seed=3)
    random = np.random.default_rng(3)
    copy_element = {
        name: array + random.uniform(0.01, 0.1, array.shape)
        for name, array in model.weights.items()
        if array.ndim == 1
    }
    model.load_weights({**model.weights, **copy_element})
    return model


def rerun(model: pl.Model, found: dict, node: str, output: np.ndarray) -> dict:
    """Return every node's output where one node's output is another one."""
    network, found = model.network, {**found, node: output}
    changed = {node}
    for follower in network.nodes:
        if follower.name == node or not changed.intersection(follower.inputs):
            continue
        changed.add(follower.name)
        specs = follower.layer.weights(*network.input_shapes(follower))
        weights = {s.role: model.weights[f"{follower.name}.{s.role}"] for s in specs}
        inputs = tuple(found[source] for source in follower.inputs)
        mode = Mode(is_training=False, mask=None)
        found[follower.name] = run(follower.layer, inputs, weights, mode).output
    return found


def loss_value(model: pl.Model, found: dict, node: str, label: int) -> float:
    """Return the loss; as a function of the probabilities at an absorbed output."""
    network, loss = model.network, model.loss
    output = network.outputs[0]
    labels = np.array([label] if found[output].shape[-1] > 1 else [[float(label)]])
    head = loss_terms(network, loss)[0].node
    if head == output or node != output:
        return loss.value_and_grad(found[head], labels)[0]
    p = found[output]
    if isinstance(loss, objectives.CrossEntropy):
        # log softmax(log p) would make the probabilities add up to 1 again
        return float(-np.sum(loss.soft_labels(labels, p.shape, p.dtype) * np.log(p)))
    return float(-np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p)))


@pytest.mark.parametrize("name", ["lenet5", "mnist-torch"])
def test_the_softmax_after_the_logits_and_its_loss_are_right(name):
    model = drawn(pl.zoo(name), objectives.CrossEntropy())
    x = np.random.default_rng(4).random((1, *model.network.input_shape))
    logits = model.predict(x)[0]
    p = np.exp(logits - logits.max())
    p /= p.sum()
    for label in (0, 7):
        lost = explain.arithmetic(model, x, "loss", label=label)
        assert lost.value == pytest.approx(-np.log(p[label]), rel=1e-9)
        loss = explain.derivative(model, x, "loss", label=label)
        for k in (label, 3):
            sides = []
            for step in (STEP, -STEP):
                moved = p.copy()
                moved[k] += step
                sides.append(-np.log(moved[label]))
            numeric = (sides[0] - sides[1]) / (2 * STEP)
            assert loss.inputs[k].value == pytest.approx(numeric, rel=1e-6)
            shown = explain.derivative(model, x, "softmax", (k,), label=label)
            assert shown.reaches == pytest.approx(numeric, rel=1e-6)
            softmax = explain.arithmetic(model, x, "softmax", (k,))
            for m in (label, 5):
                sides = []
                for step in (STEP, -STEP):
                    z = logits.copy()
                    z[m] += step
                    e = np.exp(z - z.max())
                    sides.append(e[k] / e.sum())
                numeric = (sides[0] - sides[1]) / (2 * STEP)
                assert softmax.terms[m].slope == pytest.approx(numeric, abs=1e-8)


def looked_at(network: pl.Network) -> list[Node]:
    """Return all nodes; of a deep network each kind's first, and the last ones."""
    if len(network.nodes) < DEEP:
        return list(network.nodes)
    first = {type(node.layer): node for node in reversed(network.nodes)}
    return [*first.values(), *network.nodes[-3:]]


def places(output: np.ndarray, *, is_deep: bool = False) -> list[tuple[int, ...]]:
    """Return a place drawn and, unless the network is deep, where it is largest."""
    drawn = int(np.random.default_rng(5).integers(output.size))
    chosen = {drawn} if is_deep else {drawn, int(output.argmax())}
    return [tuple(map(int, np.unravel_index(n, output.shape))) for n in chosen]


def check(model, x, node, at, end, **ends):
    """Compare with both one-sided differences: at a corner of a ReLU or a tie of a
    max-pool the gradient may be either of them.
    """
    found = model.activations(x)
    values = []
    for step in (-STEP, 0.0, STEP):
        copy_element = found[node].copy()
        copy_element[(0, *at)] += step
        values.append(end(rerun(model, found, node, copy_element)))
    left, right = ((b - a) / STEP for a, b in itertools.pairwise(values))
    reaches = explain.derivative(model, x[0], node, at, **ends).reaches
    if left == pytest.approx(right, rel=1e-3, abs=1e-4):
        left = right = (values[2] - values[0]) / (2 * STEP)
        assert reaches == pytest.approx(left, rel=1e-5, abs=1e-8), (node, at)
        return
    is_a_side = reaches == pytest.approx(left, rel=1e-3, abs=1e-6)
    assert is_a_side or reaches == pytest.approx(right, rel=1e-3, abs=1e-6), (node, at)


@pytest.mark.parametrize(("name", "loss", "label"), LOSSES)
def test_the_gradient_of_the_loss_is_right_at_every_node(name, loss, label):
    model = drawn(pl.zoo(name), loss)
    x = np.random.default_rng(4).random((1, *model.network.input_shape))
    found = model.activations(x)
    for node in looked_at(model.network):
        is_deep = len(model.network.nodes) >= DEEP
        for at in places(found[node.name][0], is_deep=is_deep):

            def end(copy_element, node=node.name):
                return loss_value(model, copy_element, node, label)

            check(model, x, node.name, at, end, label=label)


@pytest.mark.parametrize("name", ZOO)
def test_the_gradient_of_an_output_is_right_at_every_node(name):
    model = drawn(pl.zoo(name), None)
    network = model.network
    x = np.random.default_rng(4).random((1, *network.input_shape))
    found, k = model.activations(x), network.output_shape[-1] - 1
    for node in looked_at(network):
        is_deep = len(model.network.nodes) >= DEEP
        for at in places(found[node.name][0], is_deep=is_deep):

            def end(copy_element):
                return float(copy_element[network.outputs[0]][0, k])

            # of a single output for two classes, class 1 is the output itself
            check(model, x, node.name, at, end, of_class=k or 1)


@pytest.mark.parametrize("name", ["mnist-keras", "xor-one-hidden"])
def test_the_shares_of_an_absorbed_output_add_up_to_the_logits_gradient(name):
    losses = {1: objectives.BinaryCrossEntropy(), 10: objectives.CrossEntropy()}
    network = pl.zoo(name)
    count = network.output_shape[-1]
    model = drawn(network, losses[count])
    x = np.random.default_rng(4).random(network.input_shape)
    head, output = loss_terms(network, model.loss)[0].node, network.outputs[0]
    total = 0.0
    for k in range(count):
        shown = explain.derivative(model, x, output, (k,), label=0)
        total += sum(share.value for share in shown.inputs if share.at == (0,))
    logit = explain.derivative(model, x, head, (0,), label=0)
    assert total == pytest.approx(logit.reaches, rel=1e-9)


def test_a_loss_that_absorbs_another_way_is_refused():
    from pellucid.explain.absorbed import absorbed_gradient

    class Odd(objectives.Loss):
        name = "odd"
        absorbs = "Softmax"

    with pytest.raises(pl.NetworkError, match="loss 'odd' must have a known formula"):
        absorbed_gradient(Odd(), np.ones((1, 2)) / 2, np.array([0]))


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("name", ["mnist-keras", "lenet5", "xor-two-hidden"])
def test_the_vjp_of_every_engine_is_right(name, engine):
    # the compiled engine has float32 only: against the same network's float64
    model = drawn(pl.zoo(name), None)
    other = pl.Model(model.network, engine=engine)
    other.load_weights(model.weights)
    random = np.random.default_rng(6)
    x = random.random((1, *model.network.input_shape))
    given = random.normal(size=(1, *model.network.output_shape))
    grad_x, grads = other.vjp(x, given, training=False)
    for at in places(np.abs(grad_x[0])):
        sides = []
        for step in (STEP, -STEP):
            copy_element = x.copy()
            copy_element[(0, *at)] += step
            sides.append(float(np.sum(model.predict(copy_element) * given)))
        numeric = (sides[0] - sides[1]) / (2 * STEP)
        assert grad_x[0][at] == pytest.approx(numeric, rel=1e-3, abs=1e-6), at
    exact = model.vjp(x, given, training=False)[1]
    for weight, grad in grads.items():
        np.testing.assert_allclose(
            grad, exact[weight], rtol=1e-3, atol=1e-5 * np.abs(exact[weight]).max()
        )
