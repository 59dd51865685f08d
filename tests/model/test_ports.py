"""Models with several inputs and outputs: predict, fit, evaluate, files, runs."""

from __future__ import annotations

import copy
import pickle
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import detector, siamese, triplet, two_branches

import pellucid as pl
from pellucid import objectives as obj

N = 24


def model_of(network: pl.Network, **arguments: Any) -> pl.Model:
    return pl.Model(
        network,
        engine="numpy",
        optimizer=pl.SGD(0.05),
        dtype="float64",
        seed=3,
        **arguments,
    )


def detector_model(**arguments: Any) -> pl.Model:
    losses = {"kind_softmax": "cross_entropy", "box": "mse"}
    return model_of(detector(), loss=losses, loss_weights={"box": 0.5}, **arguments)


def detector_data(count: int = N) -> tuple[Any, dict[str, Any]]:
    random = np.random.default_rng(0)
    images = random.random((count, 8, 8, 2))
    kind = random.integers(0, 3, count)
    return images, {"kind_softmax": kind, "box": random.random((count, 4))}


def two_inputs(count: int = N) -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {
        "image": random.integers(0, 256, (count, 6, 5, 3)).astype(np.uint8),
        "vector": random.standard_normal((count, 7)),
    }


def test_predict_takes_and_gives_tuples_or_dicts() -> None:
    model, given = model_of(two_branches()), two_inputs()
    by_name = model.predict(given)
    assert list(by_name) == ["dense_2_softmax"]
    by_order = model.predict((given["vector"], given["image"]))
    np.testing.assert_array_equal(by_order, by_name["dense_2_softmax"])
    scaled = given["image"] / 255  # uint8 goes through preprocessing
    plain = model.predict((given["vector"], scaled))
    np.testing.assert_allclose(plain, by_order, rtol=1e-12)
    kind, box = detector_model().predict(detector_data()[0])
    assert (kind.shape, box.shape) == ((N, 3), (N, 4))
    empty = model.predict((np.zeros((0, 7)), np.zeros((0, 6, 5, 3))))
    assert empty.shape == (0, 3)


def test_many_examples_are_predicted_as_few_are() -> None:
    model, images = detector_model(), np.random.default_rng(2).random((300, 8, 8, 2))
    whole = model.predict(images)
    for output, part in zip(whole, model.predict(images[290:]), strict=True):
        np.testing.assert_allclose(output[290:], part, rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: g["image"],
            r"a tuple or dict of 2 arrays, for vector, image; got o",
        ),
        (lambda g: (g["vector"],), r"for vector, image; got 1 of them"),
        (lambda g: {**g, "x": 1}, r"images: names must be vector, image; got 'x'"),
        (lambda g: {"image": g["image"]}, r"names must be vector, image; got no 'vec"),
        (
            lambda g: {**g, "vector": g["vector"][:3]},
            r"equally many examples; got 3 of",
        ),
        (lambda g: {**g, "vector": g["image"]}, r"input 'vector': images must have sh"),
    ],
)
def test_inputs_that_do_not_fit_are_named(change: Any, message: str) -> None:
    with pytest.raises((pl.DataError, pl.ShapeError), match=message):
        model_of(two_branches()).predict(change(two_inputs()))


def test_fit_reports_each_outputs_loss_and_metrics() -> None:
    model = detector_model()
    images, labels = detector_data()
    history = model.fit(
        (images, labels),
        epochs=3,
        batch_size=7,
        validation_split=0.25,
        metrics={"kind_softmax": "accuracy", "box": ["mean_absolute_error"]},
        progress=False,
    )
    names = ["loss", "kind_softmax_loss", "box_loss"]
    names += ["kind_softmax_accuracy", "box_mean_absolute_error"]
    record = history[-1]
    expected = [*names, *(f"val_{name}" for name in names)]
    assert set(expected) | {"epoch", "learning_rate", "seconds"} == set(record)
    assert record["loss"] == pytest.approx(
        record["kind_softmax_loss"] + 0.5 * record["box_loss"]
    )
    assert record["val_loss"] == pytest.approx(
        record["val_kind_softmax_loss"] + 0.5 * record["val_box_loss"]
    )
    assert history["loss"][-1] < history["loss"][0]


def test_fit_by_tuples_is_fit_by_names() -> None:
    images, labels = detector_data()
    one, other = detector_model(), detector_model()
    one.fit((images, labels), epochs=2, batch_size=5, progress=False)
    pair = (labels["kind_softmax"], labels["box"])
    other.fit(
        (images, pair),
        epochs=2,
        batch_size=5,
        progress=False,
    )
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])


def test_evaluate_gives_what_the_formulas_give() -> None:
    model = detector_model()
    images, labels = detector_data()
    figures = model.evaluate((images, labels), batch_size=5)
    kind, box = model.predict(images)
    assert list(figures) == [
        "loss",
        "kind_softmax_loss",
        "box_loss",
        "kind_softmax_accuracy",
        "box_mean_absolute_error",
    ]
    cross = -np.log(kind[np.arange(N), labels["kind_softmax"]]).mean()
    mse = ((box - labels["box"]) ** 2).mean()
    assert figures["kind_softmax_loss"] == pytest.approx(cross)
    assert figures["box_loss"] == pytest.approx(mse)
    assert figures["loss"] == pytest.approx(cross + 0.5 * mse)
    hits = (kind.argmax(axis=1) == labels["kind_softmax"]).mean()
    assert figures["kind_softmax_accuracy"] == pytest.approx(hits)


def test_an_output_without_a_loss_needs_no_labels() -> None:
    model = model_of(detector(), loss={"box": "mse"})
    images, labels = detector_data()
    before = {k: np.array(a) for k, a in model.weights.items()}
    history = model.fit((images, {"box": labels["box"]}), epochs=1, progress=False)
    assert list(history[-1])[:4] == [
        "epoch",
        "loss",
        "box_loss",
        "box_mean_absolute_error",
    ]
    np.testing.assert_array_equal(model.weights["kind.weight"], before["kind.weight"])
    with pytest.raises(pl.DataError, match="output 'box' has a loss and must have lab"):
        model.fit((images, {}), progress=False)
    with pytest.raises(pl.NetworkError, match="output 'kind_softmax' must have labels"):
        model.fit(
            (images, {"box": labels["box"]}),
            metrics={"kind_softmax": "accuracy"},
            progress=False,
        )


def test_weights_of_classes_and_examples_go_by_output() -> None:
    images, labels = detector_data()
    kind = labels["kind_softmax"]
    weight = np.where(kind == 1, 3.0, 1.0)
    one, other = detector_model(), detector_model()
    one.fit(
        (images, labels),
        class_weight={"kind_softmax": {1: 3.0}},
        epochs=1,
        progress=False,
    )
    other.fit(
        (images, labels),
        sample_weight={"kind_softmax": weight},
        epochs=1,
        progress=False,
    )
    for name, array in one.weights.items():
        np.testing.assert_allclose(array, other.weights[name], rtol=1e-12)
    with pytest.raises(pl.DataError, match="class_weight must name outputs, as class_"):
        one.fit((images, labels), class_weight={1: 3.0}, progress=False)
    with pytest.raises(pl.DataError, match="sample_weight: names must be kind_softmax"):
        one.fit((images, labels), sample_weight={"x": weight}, progress=False)


def test_steps_gradients_and_vjp_take_names_too() -> None:
    model = detector_model()
    images, labels = detector_data()
    loss, grads = model.gradients(images, labels)
    assert list(grads) == [w.name for w in model.network.parameters]
    assert model.train_step(images, labels) == pytest.approx(loss)
    given = {"box": np.ones((N, 4)), "kind_softmax": np.zeros((N, 3))}
    grad_images, _ = model.vjp(images, given)
    assert grad_images.shape == images.shape
    with pytest.raises(pl.ShapeError, match=r"grad_output of 'box' must have shape"):
        model.vjp(images, {**given, "box": np.ones((N, 3))})
    assert set(model.activations(images)) == {n.name for n in model.network.nodes}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"x": 1}, "labels: names must be kind_softmax, box; got 'x'"),
        (np.zeros(N), "labels: must be a tuple or dict of 2 arrays"),
        (
            {"kind_softmax": np.full(N, 3), "box": np.zeros((N, 4))},
            "output 'kind_softmax': cross_entropy: labels must be from 0 to 2",
        ),
    ],
)
def test_labels_that_do_not_fit_are_named(labels: Any, message: str) -> None:
    with pytest.raises(pl.DataError, match=message):
        detector_model().fit((detector_data()[0], labels), progress=False)


def test_what_one_output_has_is_refused_by_name() -> None:
    model = detector_model()
    with pytest.raises(pl.NetworkError, match="output_meaning must be asked of a netw"):
        _ = model.output_meaning
    with pytest.raises(pl.NetworkError, match="classes and output_meaning must be ask"):
        detector_model(classes=("a", "b", "c"))
    with pytest.raises(pl.NetworkError, match="metrics: must name an output for each"):
        model.evaluate(detector_data(), metrics="accuracy")
    with pytest.raises(pl.NetworkError, match="metrics: must name outputs, which are"):
        model.evaluate(detector_data(), metrics={"x": "accuracy"})
    with pytest.raises(pl.DataError, match="data must be a pair"):
        model.fit(detector_data()[0], progress=False)


def test_mixed_examples_are_trained_on() -> None:
    losses = []
    for augment in (None, pl.data.Augment(mixup=1.0), pl.data.Augment(mixup=1.0)):
        history = detector_model().fit(detector_data(), augment=augment, progress=False)
        losses.append(history["loss"][-1])
    assert losses[1] == losses[2] != losses[0]


def test_a_model_file_holds_all_of_it(tmp_path: Path) -> None:
    model = detector_model()
    images, labels = detector_data()
    model.fit((images, labels), progress=False)
    model.save(tmp_path / "m.pellucid")
    again = pl.load(tmp_path / "m.pellucid", engine="numpy")
    assert again.network == model.network
    assert again.loss == model.loss
    assert isinstance(again.loss, obj.OutputLosses)
    for a, b in zip(again.predict(images), model.predict(images), strict=True):
        np.testing.assert_array_equal(a, b)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.train_step(images, labels) == again.train_step(images, labels) or (
            other.loss == model.loss
        )


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_a_model_goes_to_other_engines(engine: str) -> None:
    model = pl.Model(
        siamese(), engine="numpy", loss="binary_cross_entropy", optimizer="adam"
    )
    random = np.random.default_rng(0)
    pairs = [random.random((9, 6, 6, 2), np.float32) for _ in range(2)]
    other = model.to(engine)
    np.testing.assert_allclose(
        other.predict(tuple(pairs)), model.predict(tuple(pairs)), rtol=1e-4
    )
    labels = random.integers(0, 2, 9)
    history = other.fit((pairs, labels), epochs=2, batch_size=4, progress=False)
    assert "accuracy" in history[-1]


def test_a_run_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    images, labels = detector_data()
    whole = detector_model()
    whole.fit((images, labels), epochs=4, batch_size=7, progress=False)
    first = detector_model()
    first.fit(
        (images, labels), epochs=2, batch_size=7, run=tmp_path / "r", progress=False
    )
    second = detector_model()
    history = second.fit(
        (images, labels),
        epochs=4,
        batch_size=7,
        run=tmp_path / "r",
        resume=True,
        progress=False,
    )
    assert len(history) == 4
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(array, second.weights[name])
    other = detector_data()[1]
    other["box"] = other["box"] + 1
    with pytest.raises(pl.RunError, match="data must be what the run was begun with"):
        detector_model().fit(
            (images, other),
            epochs=5,
            batch_size=7,
            run=tmp_path / "r",
            resume=True,
            progress=False,
        )
    with pytest.raises(pl.RunError, match="sample_weight must be what the run"):
        detector_model().fit(
            (images, labels),
            epochs=5,
            batch_size=7,
            class_weight={"kind_softmax": "balanced"},
            run=tmp_path / "r",
            resume=True,
            progress=False,
        )


def test_a_triplet_network_trains_towards_embeddings() -> None:
    network = triplet()
    model = model_of(network, loss=dict.fromkeys(network.outputs, "mse"))
    random = np.random.default_rng(0)
    images = tuple(random.random((12, 5, 5, 1)) for _ in range(3))
    targets = tuple(random.random((12, 4)) for _ in range(3))
    history = model.fit((images, targets), epochs=8, batch_size=6, progress=False)
    assert history["loss"][-1] < history["loss"][0]


def test_one_output_may_be_named_as_well() -> None:
    network = pl.Sequential(pl.Input(4), pl.Dense(3, name="answer"))
    model = model_of(network, loss={"answer": "cross_entropy"})
    random = np.random.default_rng(0)
    data = random.random((9, 4)), random.integers(0, 3, 9)
    named = model.evaluate(data, metrics={"answer": "accuracy"})
    assert named == model.evaluate(data, metrics="accuracy")
    assert model.loss == obj.CrossEntropy()
    with pytest.raises(pl.DataError, match="metrics: names must be answer; got 'x'"):
        model.evaluate(data, metrics={"x": "accuracy"})


def test_class_weights_may_be_an_array_in_a_run(tmp_path: Path) -> None:
    model = model_of(pl.Sequential(pl.Input(4), pl.Dense(3)), loss="cross_entropy")
    random = np.random.default_rng(0)
    data = random.random((9, 4)), random.integers(0, 3, 9)
    weight = np.array([1.0, 2.0, 3.0])
    model.fit(data, class_weight=weight, run=tmp_path / "r", progress=False)
    text = (tmp_path / "r" / "recipe.toml").read_text()
    assert tomllib.loads(text)["class_weight"] == [1.0, 2.0, 3.0]


def test_a_generator_for_several_inputs_is_refused_as_such() -> None:
    left, right = pl.Input(2, name="left"), pl.Input(2, name="right")
    network = pl.Network(
        inputs=[left, right], outputs=pl.Dense(1)(pl.Add()(left, right))
    )
    model = pl.Model(network, engine="numpy", loss="mse", optimizer="sgd")
    batches = (({"left": 0, "right": 0}, 0) for _ in range(2))
    with pytest.raises(pl.DataError, match=r"must be arrays.*got a generator, which"):
        model.fit(batches, steps_per_epoch=2, progress=False)
