"""What outputs mean, for every end of a network, loss and form of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

import pellucid as pl
from pellucid.network import Network
from pellucid.network.layers import Layer
from pellucid.objectives import Loss, OutputMeaning, as_loss, output_meaning

N = 6


def network(units: int, end: str | None, *after: Layer, per_pixel: bool = False) -> Any:
    if per_pixel:
        layer: Layer = pl.Conv2D(units, 1, activation=end)
        return pl.Sequential(pl.Input(4, 5, 2), layer, *after)
    return pl.Sequential(pl.Input(3), pl.Dense(units, activation=end), *after)


# -- derivation ------------------------------------------------------------------


@pytest.mark.parametrize("per_pixel", [False, True])
@pytest.mark.parametrize(
    ("units", "end", "loss", "kind", "is_logits"),
    [
        (4, "softmax", None, "classes", False),
        (4, "softmax", "cross_entropy", "classes", False),
        (4, "softmax", "mse", "classes", False),
        (4, "softmax", "binary_cross_entropy", "classes", False),
        (4, None, "cross_entropy", "classes", True),
        (4, "sigmoid", "cross_entropy", "classes", True),
        (4, None, None, "classes", True),
        (1, "sigmoid", None, "binary", False),
        (1, "sigmoid", "binary_cross_entropy", "binary", False),
        (1, "sigmoid", "half_squared_error_sum", "binary", False),
        (1, "sigmoid", "mse", "binary", False),
        (1, None, "binary_cross_entropy", "binary", True),
        (4, "sigmoid", None, "labels", False),
        (4, "sigmoid", "binary_cross_entropy", "labels", False),
        (4, "sigmoid", "mse", "labels", False),
        (4, None, "binary_cross_entropy", "labels", True),
        (4, None, "mse", "regression", False),
        (1, None, "half_squared_error_sum", "regression", False),
        (1, "tanh", "mse", "regression", False),
        (1, None, None, "regression", False),
    ],
)
def test_meaning_follows_from_the_end_and_the_loss(
    units: int,
    end: str | None,
    loss: str | None,
    kind: Any,
    is_logits: bool,
    per_pixel: bool,
) -> None:
    found = output_meaning(network(units, end, per_pixel=per_pixel), as_loss(loss))
    assert found == OutputMeaning(
        kind=kind, columns=units, is_logits=is_logits, is_per_pixel=per_pixel
    )


@pytest.mark.parametrize(
    ("units", "end", "loss", "labels", "kind"),
    [
        (1, "sigmoid", "mse", [0, 1, 1], "binary"),
        (1, "sigmoid", "mse", [[0.0], [1.0], [1.0]], "binary"),
        (1, "sigmoid", "mse", [[0.2], [1.0], [0.7]], "regression"),
        (1, "sigmoid", "half_squared_error_sum", [3, 4, 5], "regression"),
        (2, "sigmoid", "mse", [[0, 1], [1, 1]], "labels"),
        (2, "sigmoid", "mse", [[0, 1], [1, 0]], "classes"),
        (2, "sigmoid", "mse", [[0.3, 1], [1, 0]], "regression"),
        (2, "sigmoid", None, [1, 0, 1], "classes"),
        (2, "sigmoid", None, [[0, 1], [1, 1]], "labels"),
        (2, "softmax", "mse", [[0.3, 0.7], [1, 0]], "classes"),
        (2, "sigmoid", "binary_cross_entropy", [[0, 1], [1, 0]], "labels"),
        (1, "sigmoid", "binary_cross_entropy", [[0.1], [0.9]], "binary"),
        (2, None, "mse", [[0, 1], [1, 0]], "regression"),
    ],
)
def test_labels_decide_where_network_and_loss_leave_it_open(
    units: int, end: str | None, loss: str | None, labels: Any, kind: str
) -> None:
    found = output_meaning(network(units, end), as_loss(loss), np.array(labels))
    assert found.kind == kind


@dataclass(frozen=True)
class OwnLoss(Loss):
    """A loss of the caller's, which says nothing of classes."""

    name: ClassVar[str] = "own"


@dataclass(frozen=True)
class OwnBinaryLoss(Loss):
    """A loss of the caller's on logits of two classes."""

    name: ClassVar[str] = "own_binary"
    absorbs: ClassVar[str | None] = "Sigmoid"


def test_own_losses_say_by_the_layer_they_absorb_what_outputs_mean() -> None:
    assert output_meaning(network(1, None), OwnBinaryLoss()).kind == "binary"
    assert output_meaning(network(3, None), OwnBinaryLoss()).kind == "labels"
    several = network(3, None)
    assert output_meaning(several, OwnLoss(), np.array([0, 2])).kind == "classes"
    values = np.array([[0.1, 0.2, 5]])
    assert output_meaning(several, OwnLoss(), values).kind == "regression"


@pytest.mark.parametrize(
    ("end", "after", "kind", "is_logits"),
    [
        ("sigmoid", (pl.Flatten(),), "labels", False),
        ("softmax", (pl.Flatten(),), "classes", True),  # K is no longer the last axis
        ("softmax", (pl.GlobalAvgPool2D(),), "classes", False),
        ("softmax", (pl.Upsample2D(2),), "classes", False),
        ("sigmoid", (pl.Dropout(0.5),), "labels", False),
    ],
)
def test_layers_that_keep_probabilities_are_looked_through(
    end: str, after: Any, kind: str, is_logits: bool
) -> None:
    found = output_meaning(network(3, end, *after, per_pixel=True))
    assert (found.kind, found.is_logits) == (kind, is_logits)


# -- outputs ---------------------------------------------------------------------


def test_probabilities_are_one_per_class_or_label() -> None:
    logits = np.array([[0.0], [np.log(3)]])
    two = OutputMeaning(kind="binary", columns=1, is_logits=True)
    np.testing.assert_allclose(two.probabilities(logits), [[0.5, 0.5], [0.25, 0.75]])
    labels = OutputMeaning(kind="labels", columns=1, is_logits=True)
    np.testing.assert_allclose(labels.probabilities(logits), [[0.5], [0.75]])
    classes = OutputMeaning(kind="classes", columns=2, is_logits=True)
    np.testing.assert_allclose(
        classes.probabilities(np.array([[0.0, np.log(3)]])), [[0.25, 0.75]]
    )


@pytest.mark.parametrize("kind", ["binary", "labels", "classes"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_of_large_logits_are_finite_and_keep_small_ones(
    kind: Any, dtype: str
) -> None:
    columns = 1 if kind == "binary" else 2
    meaning = OutputMeaning(kind=kind, columns=columns, is_logits=True)
    z = np.array([[-800.0, 800.0], [60.0, -60.0]], dtype)[:, :columns]
    found = meaning.probabilities(z)
    assert found.dtype == dtype
    assert np.isfinite(found).all()
    if kind == "binary":
        assert found[1, 0] > 0  # 1 − σ(60) would be 0
        np.testing.assert_array_equal(found[0], [1, 0])


def test_predictions_are_classes_booleans_or_values() -> None:
    values = np.array([[0.2, 0.7], [0.6, 0.6]])
    assert OutputMeaning(kind="classes", columns=2).predict(values).tolist() == [1, 0]
    labels = OutputMeaning(kind="labels", columns=2).predict(values)
    assert labels.tolist() == [[False, True], [True, True]]
    two = OutputMeaning(kind="binary", columns=1)
    assert two.predict(values[:, :1]).tolist() == [0, 1]
    at_zero = OutputMeaning(kind="binary", columns=1, is_logits=True)
    assert at_zero.predict(np.array([[-0.1], [0.0], [0.1]])).tolist() == [0, 0, 1]
    same = OutputMeaning(kind="regression", columns=2).predict(values)
    assert same is values


def test_values_have_no_probabilities_and_no_accuracy() -> None:
    values = OutputMeaning(kind="regression", columns=2)
    with pytest.raises(pl.NetworkError, match="probabilities: the output must mean"):
        values.probabilities(np.zeros((1, 2)))
    with pytest.raises(pl.NetworkError, match="accuracy: the output must mean"):
        values.correct(np.zeros((1, 2)), np.zeros((1, 2)))


# -- labels ----------------------------------------------------------------------


def binary_forms(labels: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    return {
        "int64": labels,
        "uint8": labels.astype(np.uint8),
        "bool": labels.astype(bool),
        "float": labels.astype(np.float32),
        "soft": np.where(labels > 0, 0.9, 0.1),
        "column": labels[..., None],
        "float column": labels[..., None].astype(np.float64),
        "bool column": labels[..., None].astype(bool),
    }


@pytest.mark.parametrize("places", [(), (4, 5)])
@pytest.mark.parametrize("is_logits", [False, True])
def test_two_classes_are_counted_right_in_every_form(
    places: tuple[int, ...], is_logits: bool
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (N, *places))
    output = rng.normal(0 if is_logits else 0.5, 0.2, (*labels.shape, 1))
    meaning = OutputMeaning(kind="binary", columns=1, is_logits=is_logits)
    hits = (output[..., 0] > (0 if is_logits else 0.5)) == labels
    right = hits.reshape(N, -1).mean(axis=1)
    for name, form in binary_forms(labels).items():
        np.testing.assert_array_equal(meaning.correct(output, form), right, name)
        np.testing.assert_array_equal(meaning.targets(form, output.shape), labels)


@pytest.mark.parametrize("places", [(), (4, 5)])
def test_classes_are_counted_right_in_every_form(places: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (N, *places))
    output = rng.normal(size=(*labels.shape, 3))
    one_hot = np.eye(3, dtype=np.int64)[labels]
    forms = (
        labels,
        labels.astype(np.uint8),
        labels.astype(np.float64),
        labels[..., None],
        one_hot,
        one_hot.astype(bool),
        one_hot.astype(np.float32) * 0.9 + 0.03,
    )
    meaning = OutputMeaning(kind="classes", columns=3, is_logits=True)
    right = (output.argmax(-1) == labels).reshape(N, -1).mean(axis=1)
    for form in forms:
        np.testing.assert_array_equal(meaning.correct(output, form), right)
        np.testing.assert_array_equal(meaning.targets(form, output.shape), labels)


@pytest.mark.parametrize("dtype", ["int64", "bool", "float32"])
def test_labels_are_counted_each_for_itself(dtype: str) -> None:
    output = np.array([[0.9, 0.8, 0.1], [0.1, 0.2, 0.3]])
    given = np.array([[1, 1, 1], [0, 0, 0]]).astype(dtype)
    meaning = OutputMeaning(kind="labels", columns=3)
    np.testing.assert_allclose(meaning.correct(output, given), [2 / 3, 1])


def test_labels_that_do_not_fit_are_refused() -> None:
    classes = OutputMeaning(kind="classes", columns=3)
    with pytest.raises(pl.DataError, match="from 0 to 2, for the output means one of"):
        classes.targets([0, 3], (2, 3))
    with pytest.raises(pl.DataError, match=r"must have shape \(2,\) or \(2, 3\)"):
        classes.targets(np.zeros((2, 5)), (2, 3))
    with pytest.raises(pl.DataError, match=r"must be whole numbers.* got 0\.5"):
        classes.targets([0.5, 1], (2, 3))
    two = OutputMeaning(kind="binary", columns=1)
    with pytest.raises(pl.DataError, match="from 0 to 1, for the output means one of"):
        two.targets([0, 2], (2, 1))
    labels = OutputMeaning(kind="labels", columns=3)
    with pytest.raises(pl.DataError, match="means 3 independent labels"):
        labels.correct(np.zeros((2, 3)), np.array([0, 1]))


# -- names and files -------------------------------------------------------------


def test_names_are_those_of_classes_and_columns() -> None:
    two = OutputMeaning(kind="binary", columns=1)
    assert two.class_names() == ("0", "1")
    assert two.class_names(("cat", "dog")) == ("cat", "dog")
    assert two.column_names(("cat", "dog")) == ("dog",)
    assert two.can_be_named("ab")
    assert not two.can_be_named("a")
    values = OutputMeaning(kind="regression", columns=2)
    assert values.class_names() == ()
    assert values.column_names(("x", "y")) == ("x", "y")
    assert values.column_names() == ("0", "1")


def test_a_meaning_survives_json() -> None:
    meaning = OutputMeaning(kind="labels", columns=3, is_logits=True, is_per_pixel=True)
    assert OutputMeaning.from_json(meaning.to_json()) == meaning
    assert meaning.describe() == "3 independent labels, per pixel"


@pytest.mark.parametrize(
    "document",
    [
        {},
        "binary",
        {"kind": "classes"},
        {"kind": "x", "columns": 1, "is_logits": False, "is_per_pixel": False},
        {"kind": "binary", "columns": 2, "is_logits": False, "is_per_pixel": False},
        {"kind": "classes", "columns": "2", "is_logits": 0, "is_per_pixel": False},
    ],
)
def test_a_document_of_another_form_is_refused(document: Any) -> None:
    with pytest.raises(pl.NetworkError, match="OutputMeaning: "):
        OutputMeaning.from_json(document)


def test_a_network_is_asked_for_one_of_its_outputs() -> None:
    found: Network = network(3, "softmax")
    assert output_meaning(found, output="dense").kind == "classes"
    assert output_meaning(found, output=found.outputs[0]).is_logits is False
