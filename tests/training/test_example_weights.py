"""Weights of classes and examples: every form of both, on every loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.objectives import LOSSES
from pellucid.training import compute_example_weights

N = 40
RARE = np.arange(N) % 5 == 0
CLASS = RARE.astype(np.int64)
WEIGHT = np.where(RARE, 9.0, 1.0)
IMAGES = np.random.default_rng(0).random((N, 5, 5, 1), np.float32)
ONE_HOT = np.eye(2)[CLASS]

TWO_COLUMNS = {
    "int64": CLASS,
    "uint8": CLASS.astype(np.uint8),
    "bool": RARE,
    "list": CLASS.tolist(),
    "one-hot float32": ONE_HOT.astype(np.float32),
    "one-hot float64": ONE_HOT,
    "one-hot int64": ONE_HOT.astype(np.int64),
    "one-hot bool": ONE_HOT.astype(bool),
}
ONE_COLUMN = {
    "int64": CLASS,
    "bool": RARE,
    "float32": CLASS.astype(np.float32),
    "float32 column": CLASS.astype(np.float32)[:, None],
}
FORMS = {
    "dict": {0: 1.0, 1: 9.0},
    "dict of what is not 1": {1: 9},
    "dict of NumPy's integers": {np.int64(0): np.float32(1), np.int64(1): 9},
    "dict of text": {"0": 1.0, "1": 9.0},
    "list": [1.0, 9.0],
    "tuple": (1, 9),
    "array": np.array([1.0, 9.0]),
}


def model(columns: int, loss: str, engine: str = "numpy") -> pl.Model:
    network = pl.Sequential(pl.Input(5, 5, 1), pl.Flatten(), pl.Dense(columns))
    return pl.Model(network, engine=engine, loss=loss, optimizer=pl.SGD(0.1))


def losses(m: pl.Model, loss: str) -> Any:
    """Return each example's loss before training, by the definition."""
    z = m.predict(IMAGES).astype(float)
    t = ONE_HOT if z.shape[1] == 2 else CLASS[:, None]
    if loss == "cross_entropy":
        return (np.log(np.exp(z).sum(1, keepdims=True)) - z)[ONE_HOT == 1]
    if loss == "mse":
        return ((z - t) ** 2).mean(1)
    return (np.log1p(np.exp(z)) - t * z).mean(1)


CASES = [
    *[(2, "cross_entropy", labels) for labels in TWO_COLUMNS],
    *[(2, loss, "one-hot float64") for loss in ("binary_cross_entropy", "mse")],
    *[(1, "binary_cross_entropy", labels) for labels in ONE_COLUMN],
    *[(1, "mse", labels) for labels in ONE_COLUMN],
]


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize(("columns", "loss", "labels"), CASES)
def test_each_form_of_labels_is_weighed_by_its_class(
    columns: int, loss: str, labels: str, engine: str
) -> None:
    m = model(columns, loss, engine)
    right = (losses(m, loss) * WEIGHT).sum() / WEIGHT.sum()
    y = (TWO_COLUMNS if columns == 2 else ONE_COLUMN)[labels]
    history = m.fit(
        (IMAGES, y), batch_size=N, class_weight={0: 1, 1: 9}, progress=False
    )
    assert history["loss"][0] == pytest.approx(right, rel=1e-5)


@pytest.mark.parametrize("engine", ["torch", "tensorflow", "jax"])
@pytest.mark.parametrize("labels", ["int64", "one-hot float32", "one-hot int64"])
def test_the_frameworks_weigh_classes_alike(engine: str, labels: str) -> None:
    pytest.importorskip(engine)
    m = model(2, "cross_entropy", engine)
    right = (losses(m, "cross_entropy") * WEIGHT).sum() / WEIGHT.sum()
    data = IMAGES, TWO_COLUMNS[labels]
    history = m.fit(data, batch_size=N, class_weight=[1, 9], progress=False)
    assert history["loss"][0] == pytest.approx(right, rel=1e-5)


def weights(
    y: Any = CLASS, loss: str = "cross_entropy", columns: int = 2, **given: Any
) -> Any:
    return compute_example_weights(
        np.asarray(y), loss=LOSSES[loss](), output_shape=(columns,), **given
    )


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_class_weights_is_understood(form: str) -> None:
    assert weights(class_weight=FORMS[form]).tolist() == WEIGHT.tolist()


def test_classes_are_named() -> None:
    named = weights(class_weight={"dog": 9.0}, classes=("cat", "dog"))
    assert named.tolist() == WEIGHT.tolist()
    # numbers as names of folders, where a number could be only one of both
    ten = weights(class_weight={"10": 9.0}, classes=("2", "10"))
    assert ten.tolist() == WEIGHT.tolist()
    with pytest.raises(pl.DataError, match="must say which class '1' is"):
        weights(class_weight={"1": 9.0}, classes=("1", "10"))


def test_balanced_is_what_scikit_learn_computes() -> None:
    found = weights(class_weight="balanced")
    assert found[RARE].tolist() == [40 / (2 * 8)] * 8
    assert found[~RARE].tolist() == [40 / (2 * 32)] * 32
    assert weights(ONE_HOT, class_weight="balanced").tolist() == found.tolist()
    # a class that does not occur counts for nothing
    assert weights(columns=7, class_weight="balanced").tolist() == found.tolist()


def test_probabilities_weigh_as_their_classes_in_the_mean() -> None:
    soft = np.array([[0.5, 0.5], [0.0, 1.0], [0.75, 0.25]])
    assert weights(soft, class_weight=[1, 9]).tolist() == [5, 9, 3]
    one = np.array([[0.5], [1.0], [0.25]])
    found = weights(one, "binary_cross_entropy", 1, class_weight=[1, 9])
    assert found.tolist() == [5, 9, 3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({2: 1.0}, r"must name classes that there are, 0 to 1; got 2"),
        ({-1: 1.0}, "must name classes that there are"),
        ({"mouse": 1.0}, "must name classes that there are"),
        ({0.5: 1.0}, "must name classes that there are"),
        ({None: 1.0}, "must name classes that there are"),
        ({1: 1.0, "1": 2.0}, "must name a class once"),
        ([1.0], "one weight for each of 2 classes"),
        ([1.0, 2.0, 3.0], "one weight for each of 2 classes"),
        (np.ones((2, 1)), "one weight for each of 2 classes"),
        (3.0, "one weight for each of 2 classes"),
        ("even", "must be 'balanced', a mapping or a list"),
        ({0: -1.0}, "finite numbers of at least 0; got 0: -1.0"),
        ({0: float("nan")}, "finite numbers of at least 0"),
        ([1.0, float("inf")], "finite numbers of at least 0"),
        ({0: None}, "finite numbers of at least 0"),
        ({0: "heavy"}, "finite numbers of at least 0"),
        ({0: 0, 1: 0}, "at least one example must have a weight above 0"),
    ],
)
def test_what_is_no_class_weight_is_refused_in_one_sentence(
    given: Any, message: str
) -> None:
    with pytest.raises(pl.DataError, match=message):
        model(2, "cross_entropy").fit(
            (IMAGES, CLASS), class_weight=given, progress=False
        )


@pytest.mark.parametrize(
    ("y", "loss", "columns"),
    [
        (np.linspace(0, 3, N), "mse", 1),
        (np.linspace(0, 3, 2 * N).reshape(N, 2), "mse", 2),
        (np.ones((N, 2)), "binary_cross_entropy", 2),
        (np.full(N, 2), "binary_cross_entropy", 1),
    ],
)
@pytest.mark.parametrize("given", [{0: 2.0}, "balanced"])
def test_labels_that_are_no_class_are_refused(
    y: Any, loss: str, columns: int, given: Any
) -> None:
    with pytest.raises(pl.DataError, match="must go with one class for each example"):
        weights(y, loss, columns, class_weight=given)


def test_labels_per_pixel_are_refused() -> None:
    network = pl.Sequential(pl.Input(5, 5, 1), pl.Conv2D(2, kernel_size=1))
    m = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd")
    data = IMAGES, np.zeros((N, 5, 5), np.int64)
    with pytest.raises(pl.DataError, match="an answer for each position"):
        m.fit(data, class_weight={0: 2.0}, progress=False)


def test_sample_weights_multiply_those_of_classes() -> None:
    m, own = model(2, "cross_entropy"), np.linspace(0, 1, N)
    w = own * WEIGHT
    right = (losses(m, "cross_entropy") * w).sum() / w.sum()
    history = m.fit(
        (IMAGES, CLASS),
        batch_size=N,
        class_weight=[1, 9],
        sample_weight=own,
        progress=False,
    )
    assert history["loss"][0] == pytest.approx(right, rel=1e-5)


def test_sample_weights_stay_with_their_examples_in_a_split() -> None:
    seen = []

    class Look(pl.Callback):
        def on_begin(self, trainer: Any) -> None:
            seen.append((trainer.train.dataset.images, trainer._example_weight))

    images = np.arange(N, dtype=np.float32)[:, None]
    network = pl.Sequential(pl.Input(1), pl.Dense(2))
    m = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd")
    m.fit(
        (images, CLASS),
        validation_split=0.25,
        sample_weight=np.arange(N),
        callbacks=[Look()],
        progress=False,
    )
    assert len(seen[0][1]) == 30
    np.testing.assert_array_equal(seen[0][0][:, 0], seen[0][1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones(3), "must be 40 numbers"),
        (np.ones((N, 2)), "must be 40 numbers"),
        (-np.ones(N), "finite numbers of at least 0"),
        (np.full(N, np.nan), "finite numbers of at least 0"),
        (np.zeros(N), "at least one example must have a weight above 0"),
    ],
)
def test_what_is_no_sample_weight_is_refused(given: Any, message: str) -> None:
    with pytest.raises(pl.DataError, match=message):
        model(2, "cross_entropy").fit(
            (IMAGES, CLASS), sample_weight=given, progress=False
        )


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "half_squared_error_sum"])
def test_a_batch_that_weighs_nothing_changes_nothing(loss: str, engine: str) -> None:
    m = model(2, loss, engine)
    y = ONE_HOT
    history = m.fit(
        (IMAGES, y), batch_size=2, epochs=2, class_weight={0: 0.0}, progress=False
    )
    assert np.isfinite(history["loss"]).all()
    only = model(2, loss, engine)
    before = only.weights
    only.fit(
        (IMAGES[:10], y[:10]),
        batch_size=1,
        shuffle=False,
        sample_weight=[0] * 9 + [1],
        progress=False,
    )
    again = model(2, loss, engine)
    again.train_step(IMAGES[9:10], y[9:10])
    assert not np.array_equal(before["dense.weight"], only.weights["dense.weight"])
    np.testing.assert_array_equal(
        again.weights["dense.weight"], only.weights["dense.weight"]
    )


def test_the_loss_of_an_epoch_is_the_mean_over_the_weights_of_all_batches() -> None:
    m = model(2, "cross_entropy")
    right = (losses(m, "cross_entropy") * WEIGHT).sum() / WEIGHT.sum()
    m.optimizer = pl.SGD(0.0)
    history = m.fit((IMAGES, CLASS), batch_size=7, class_weight=[1, 9], progress=False)
    assert history["loss"][0] == pytest.approx(right, rel=1e-5)
