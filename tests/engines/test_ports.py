"""Several inputs and outputs, shared weights: every engine as the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import (
    BATCH,
    CASES,
    Case,
    detector,
    images_for,
    labels_for,
    siamese,
    two_branches,
)

from pellucid import objectives as obj
from pellucid.engines import Engine, Session
from pellucid.engines.ports import inputs_of
from pellucid.engines.state import initial_state
from pellucid.errors import DataError
from pellucid.network import Network

pytestmark = pytest.mark.sweep(every=3, engines=("jax", "tensorflow"))


@dataclass(frozen=True)
class Pair:
    """One network on an engine and on the reference, with a batch."""

    ours: Session
    theirs: Session
    network: Network
    images: Any
    labels: Any


def state_of(network: Network, seed: int = 5) -> dict[str, Any]:
    """Initial weights in which nothing is zero by chance."""
    state = initial_state(network, seed=seed, dtype="float64")
    random = np.random.default_rng(1)
    for name, array in state.items():
        if name.endswith((".bias", ".offset", ".running_mean")):
            state[name] = 0.1 * random.standard_normal(array.shape)
    return state


def pair_of(engine: Engine, reference: Engine, name: str, dtype: str) -> Pair:
    case = CASES[name]
    network = case.make()
    sessions = [
        which.build(
            network,
            state=state_of(network),
            loss=case.loss,
            optimizer=obj.SGD(learning_rate=0.05, momentum=0.9, weight_decay=1e-3),
            dtype=kind,
        )
        for which, kind in ((engine, dtype), (reference, "float64"))
    ]
    images, labels = images_for(network), labels_for(case, network)
    return Pair(sessions[0], sessions[1], network, images, labels)


def by_name(names: tuple[str, ...], given: Any) -> dict[str, Any]:
    if len(names) == 1:
        return {names[0]: given}
    assert isinstance(given, tuple)
    return dict(zip(names, given, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_outputs_activations_and_gradients_are_the_references(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any, name: str
) -> None:
    pair = pair_of(engine, reference, name, tolerance.dtype)
    network, images = pair.network, pair.images
    for _ in range(2):  # nothing changes
        mine, theirs = (s.predict(images) for s in (pair.ours, pair.theirs))
        agree(
            by_name(network.outputs, mine),
            by_name(network.outputs, theirs),
            tolerance.activations,
        )
        for training in (False, True):
            agree(
                pair.ours.activations(images, training=training),
                pair.theirs.activations(images, training=training),
                tolerance.activations,
            )
            grads = [
                0.5 + np.cos(out) for out in by_name(network.outputs, theirs).values()
            ]
            given = grads[0] if len(grads) == 1 else tuple(grads)
            found = [
                s.vjp(images, given, training=training)
                for s in (pair.ours, pair.theirs)
            ]
            (x, w), (x_theirs, w_theirs) = found
            agree(
                by_name(network.inputs, x),
                by_name(network.inputs, x_theirs),
                tolerance.gradients,
            )
            agree(w, w_theirs, tolerance.gradients)
        (loss, grads_mine), (loss_theirs, grads_theirs) = (
            s.gradients(images, pair.labels) for s in (pair.ours, pair.theirs)
        )
        agree(loss, loss_theirs, tolerance.gradients)
        agree(grads_mine, grads_theirs, tolerance.gradients)


@pytest.mark.parametrize("name", CASES)
def test_networks_learn_in_lockstep_with_the_reference(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any, name: str
) -> None:
    pair = pair_of(engine, reference, name, tolerance.dtype)
    for number in range(4):
        mine, theirs = (
            s.train_step(pair.images, pair.labels, learning_rate=0.05 / (1 + number))
            for s in (pair.ours, pair.theirs)
        )
        agree(mine.loss, theirs.loss, tolerance.gradients)
        agree(dict(mine.losses), dict(theirs.losses), tolerance.gradients)
        names = pair.network.outputs
        agree(
            by_name(names, mine.output),
            by_name(names, theirs.output),
            tolerance.gradients,
        )
    agree(pair.ours.state(), pair.theirs.state(), tolerance.gradients)


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize(
    "optimizer", [obj.Adam(1e-2), obj.RMSprop(1e-2), obj.AdamW(1e-2)], ids=repr
)
def test_shared_weights_are_updated_once_by_the_sum_of_their_gradients(
    engine: Engine,
    reference: Engine,
    tolerance: Any,
    agree: Any,
    optimizer: obj.Optimizer,
    clip_norm: float | None,
) -> None:
    import dataclasses

    case = CASES["siamese"]
    network = case.make()
    clipped = dataclasses.replace(optimizer, clip_norm=clip_norm)
    ours, theirs = (
        which.build(
            network,
            state=state_of(network),
            loss=case.loss,
            optimizer=clipped,
            dtype=dtype,
        )
        for which, dtype in ((engine, tolerance.dtype), (reference, "float64"))
    )
    images, labels = images_for(network), labels_for(case, network)
    for session in (ours, theirs):
        for _ in range(3):
            session.train_step(images, labels, learning_rate=1e-2)
    # Adam's √v̂ magnifies float32's rounding where a gradient is near zero
    much = 20 if tolerance.dtype == "float32" else 1
    agree(ours.state(), theirs.state(), much * tolerance.gradients)


@pytest.mark.parametrize("name", CASES)
def test_one_example_and_an_odd_last_batch(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any, name: str
) -> None:
    pair = pair_of(engine, reference, name, tolerance.dtype)
    case, network = CASES[name], pair.network
    for count in (1, 37, 3):
        images = images_for(network, count, seed=count)
        mine, theirs = (s.predict(images) for s in (pair.ours, pair.theirs))
        agree(
            by_name(network.outputs, mine),
            by_name(network.outputs, theirs),
            tolerance.activations,
        )
        if count == 1:  # a batch norm has no variance of one example in features
            continue
        labels = labels_for(case, network, count)
        a, b = (s.gradients(images, labels) for s in (pair.ours, pair.theirs))
        agree(a[0], b[0], tolerance.gradients)
        agree(a[1], b[1], tolerance.gradients)


@pytest.mark.parametrize("name", ["detector", "triplet", "shared sizes"])
def test_examples_weigh_differently_for_each_output(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any, name: str
) -> None:
    pair = pair_of(engine, reference, name, tolerance.dtype)
    random = np.random.default_rng(2)
    weights = [random.uniform(0.2, 2, BATCH) for _ in pair.network.outputs]
    weights[0] = None
    for given in (weights[1], tuple(weights)):
        a, b = (
            s.gradients(pair.images, pair.labels, sample_weight=given)
            for s in (pair.ours, pair.theirs)
        )
        agree(a[0], b[0], tolerance.gradients)
        agree(a[1], b[1], tolerance.gradients)


def test_a_state_of_shared_weights_travels(
    engine: Engine, reference: Engine, tolerance: Any
) -> None:
    pair = pair_of(engine, reference, "triplet", tolerance.dtype)
    pair.theirs.train_step(pair.images, pair.labels, learning_rate=0.1)
    state = pair.theirs.state()
    weights = [name for name in state if name.startswith("weights/")]
    assert weights == [f"weights/{w.name}" for w in pair.network.weights]
    pair.ours.load_state(state)
    for name, array in pair.ours.state().items():
        np.testing.assert_array_equal(array, state[name].astype(array.dtype))


def numeric_gradients(
    session: Session, images: Any, labels: Any, names: list[str]
) -> dict[str, np.ndarray]:
    """Central differences of the loss, in float64."""
    state, found, h = session.state(), {}, 1e-6
    for name in names:
        base = state[f"weights/{name}"]
        grad = np.zeros_like(base)
        for place in np.ndindex(base.shape):
            values = []
            for sign in (1, -1):
                moved = base.copy()
                moved[place] += sign * h
                session.load_state({**state, f"weights/{name}": moved})
                values.append(session.gradients(images, labels)[0])
            grad[place] = (values[0] - values[1]) / (2 * h)
        found[name] = grad
    session.load_state(state)
    return found


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_central_differences(
    reference: Engine, name: str, agree: Any
) -> None:
    pair = pair_of(reference, reference, name, "float64")
    _, grads = pair.ours.gradients(pair.images, pair.labels)
    parameters = [w.name for w in pair.network.parameters]
    assert list(grads) == parameters
    numeric = numeric_gradients(pair.ours, pair.images, pair.labels, parameters)
    agree(grads, numeric, 1e-7)


def test_a_loss_weighs_outputs_and_says_what_each_lost(reference: Engine) -> None:
    pair = pair_of(reference, reference, "detector", "float64")
    result = pair.ours.train_step(pair.images, pair.labels, learning_rate=0.0)
    kind, box = result.losses["kind_softmax"], result.losses["box"]
    assert list(result.losses) == ["kind_softmax", "box"]
    assert result.loss == pytest.approx(kind + 0.25 * box)


def test_several_arrays_must_be_a_tuple_of_as_many(engine: Engine) -> None:
    dtype = "float32"
    network = two_branches()
    session = engine.build(network, state=state_of(network), dtype=dtype)
    vector, image = images_for(network)
    with pytest.raises(DataError, match=r"a tuple of 2 arrays, for vector, im"):
        session.predict(vector)
    with pytest.raises(DataError, match=r"got 4 of vector, 3 of image\."):
        session.predict((vector, image[:3]))
    assert inputs_of(detector(), image)[0] is image


@pytest.mark.parametrize(
    ("losses", "weights", "message"),
    [
        ("mse", None, r"loss must name one for each output, as los"),
        (
            {"kind": "mse"},
            None,
            "must name outputs, which are kind_softmax, b",
        ),
        ({"box": "mse"}, {"kind_softmax": 1.0}, "loss_weights must name outputs"),
        ({"box": "mse"}, {"box": -1}, "loss_weights of output 'box' must be a finite"),
        (
            {"box": "mse"},
            {"box": "2"},
            "must be a finite number .*; got '2'",
        ),
        ({"box": None}, None, "loss of output 'box' must be a loss; got None"),
        ({}, None, "loss must name at least one output; got none"),
        ("mse", {"box": 1}, "loss_weights must go with a loss for each output"),
    ],
)
def test_losses_that_are_not_of_the_outputs_are_refused(
    losses: Any, weights: Any, message: str
) -> None:
    from pellucid.errors import NetworkError

    with pytest.raises(NetworkError, match=message):
        obj.output_losses(detector().outputs, losses, weights)


def test_losses_of_outputs_survive_json() -> None:
    loss = CASES["detector"].loss
    assert obj.loss_from_json(loss.to_json()) == loss
    assert obj.output_losses(("dense",), {"dense": "mse"}) == obj.MeanSquaredError()
    from pellucid.errors import NetworkError

    with pytest.raises(NetworkError, match="outputs must be a list of output, weight"):
        obj.loss_from_json({"name": "sum_over_outputs", "outputs": [1]})


def test_a_siamese_network_holds_its_encoder_once() -> None:
    network = siamese()
    assert [w.name for w in network.weights] == [
        "encoder_conv2d.weight",
        "encoder_conv2d.bias",
        "encoder_dense.weight",
        "encoder_dense.bias",
        "dense.weight",
        "dense.bias",
    ]
    assert isinstance(CASES["siamese"], Case)
