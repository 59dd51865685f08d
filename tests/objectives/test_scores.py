"""Scores of whole datasets are scikit-learn's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain
from pellucid.objectives import confidence_interval, select_metrics
from pellucid.objectives.output_meaning import OutputMeaning
from pellucid.objectives.scores import area_under_curve, calibration_error, r_squared

sklearn = pytest.importorskip("sklearn.metrics")
RANDOM = np.random.default_rng(0)
N = 200


def classes() -> tuple[OutputMeaning, Any, Any]:
    meaning = OutputMeaning(kind="classes", columns=4, is_logits=True)
    output = np.round(RANDOM.normal(size=(N, 4)), 1)  # with ties
    labels = RANDOM.integers(0, 4, N)
    output[np.arange(N), labels] += 1
    return meaning, output, labels


def two() -> tuple[OutputMeaning, Any, Any]:
    meaning = OutputMeaning(kind="binary", columns=1)
    labels = RANDOM.integers(0, 2, N)
    output = np.clip(0.4 * labels[:, None] + 0.6 * RANDOM.random((N, 1)), 0, 1)
    return meaning, output, labels


def several() -> tuple[OutputMeaning, Any, Any]:
    meaning = OutputMeaning(kind="labels", columns=3)
    labels = RANDOM.integers(0, 2, (N, 3))
    return meaning, np.clip(0.3 * labels + RANDOM.random((N, 3)) * 0.7, 0, 1), labels


@pytest.mark.parametrize("make", [classes, two, several])
def test_every_score_is_scikit_learns(make: Any) -> None:
    meaning, output, labels = make()
    predicted, shares = meaning.predict(output), meaning.probabilities(output)
    names = ("precision", "recall", "f1", "jaccard", "auc")
    names += ("micro_precision", "micro_recall", "micro_f1")
    ours = {
        name: metric(output, labels)
        for name, metric in select_metrics(meaning, names).items()
    }
    for name, function in (
        ("precision", sklearn.precision_score),
        ("recall", sklearn.recall_score),
        ("f1", sklearn.f1_score),
    ):
        for average, prefix in (("macro", ""), ("micro", "micro_")):
            theirs = function(labels, predicted, average=average, zero_division=0)
            assert ours[prefix + name] == pytest.approx(theirs, abs=1e-9)
    theirs = sklearn.jaccard_score(labels, predicted, average="macro")
    assert ours["jaccard"] == pytest.approx(theirs, abs=1e-9)
    scores = shares[:, 1] if meaning.kind == "binary" else shares
    theirs = sklearn.roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    assert ours["auc"] == pytest.approx(theirs, abs=1e-9)


def test_a_class_that_is_never_predicted_has_precision_0() -> None:
    meaning = OutputMeaning(kind="classes", columns=3)
    output, labels = np.eye(3)[[0, 1, 0, 1]], np.array([0, 1, 1, 0])
    metric = select_metrics(meaning, "precision")["precision"]
    theirs = sklearn.precision_score(
        labels, [0, 1, 0, 1], labels=[0, 1, 2], average="macro", zero_division=0
    )
    assert metric(output, labels) == pytest.approx(theirs)
    with pytest.raises(pl.DataError, match="auc: there must be examples with and wit"):
        select_metrics(meaning, "auc")["auc"](output, labels)


def test_r2_is_scikit_learns() -> None:
    truth, output = RANDOM.normal(size=(30, 3)), RANDOM.normal(size=(30, 3))
    truth[:, 2] = output[:, 2] = 5.0  # constant, and hit
    assert r_squared(output, truth) == pytest.approx(sklearn.r2_score(truth, output))
    network = pl.Sequential(pl.Input(3), pl.Dense(3))
    m = pl.Model(network, engine="numpy", loss="mse")
    figures = m.evaluate((truth, truth), metrics=["r2", "mean_absolute_error"])
    said = m.predict(truth)
    assert figures["r2"] == pytest.approx(sklearn.r2_score(truth, said), rel=1e-5)
    theirs = sklearn.mean_absolute_error(truth, said)
    assert figures["mean_absolute_error"] == pytest.approx(theirs, rel=1e-5)


def test_the_calibration_error_is_the_papers_formula() -> None:
    confidence, right = RANDOM.random(500), RANDOM.random(500) < 0.6
    confidence[:3] = 0.0, 1.0, 1 / 15  # edges belong to the lower bin
    total = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if b == 0:
            inside |= confidence == 0
        if inside.any():
            gap = abs(confidence[inside].mean() - right[inside].mean())
            total += inside.sum() / 500 * gap
    assert calibration_error(confidence, right) == pytest.approx(total, abs=1e-9)


def test_wilsons_interval() -> None:
    low, high = confidence_interval(81, 263)  # Newcombe 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = confidence_interval(0, 20)
    assert low == pytest.approx(0, abs=1e-12)
    assert high == pytest.approx(0.1611, abs=1e-4)
    assert confidence_interval(0, 0) == (0.0, 1.0)


def test_the_area_counts_ties_half() -> None:
    scores, there = np.array([1.0, 1.0, 2.0]), np.array([False, True, True])
    assert area_under_curve(scores, there) == 0.75


def model() -> tuple[pl.Model, Any, Any]:
    network = pl.Sequential(pl.Input(4), pl.Dense(3))
    m = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd")
    return m, RANDOM.normal(size=(90, 4)).astype(np.float32), np.arange(90) % 3


def test_assess_has_a_table_intervals_and_html() -> None:
    m, images, labels = model()
    found = explain.assess(m, pl.Dataset(images, labels, ("ant", "bee", "<c>")))
    predicted = m.predict(images).argmax(1)
    theirs = sklearn.precision_recall_fscore_support(labels, predicted, zero_division=0)
    for ours, expected in zip(
        (found.scores.precision, found.scores.recall, found.scores.f1),
        theirs,
        strict=False,
    ):
        np.testing.assert_allclose(ours, expected)
    np.testing.assert_array_equal(
        found.confusion, sklearn.confusion_matrix(labels, predicted)
    )
    low, high = found.accuracy_interval
    assert low < found.metrics["accuracy"] < high
    page = found._repr_html_()
    assert "<td>ant</td>" in page
    assert "&lt;c&gt;" in page
    assert "calibration error" in page
    document = found.to_json()
    assert document["class_scores"]["ant"]["f1"] == pytest.approx(theirs[2][0])
    shares = m.output_meaning.probabilities(m.predict(images))
    area = sklearn.roc_auc_score(labels, shares, multi_class="ovr")
    assert document["summary"]["auc"] == pytest.approx(area)


def test_datasets_metrics_are_validated_and_no_batchs() -> None:
    m, images, labels = model()
    history = m.fit(
        (images, labels),
        epochs=2,
        validation_split=0.3,
        metrics=["accuracy", "f1"],
        early_stopping=pl.EarlyStopping(monitor="val_f1"),
        progress=False,
    )
    assert math.isfinite(history[-1]["val_f1"])
    assert "f1" not in history[-1]
    with pytest.raises(pl.NetworkError, match="f1 must be measured on validation data"):
        m.fit((images, labels), metrics="f1", progress=False)
    with pytest.raises(pl.NetworkError, match="Give validation_split and val_f1"):
        m.fit(
            (images, labels),
            metrics="f1",
            validation_split=0.3,
            early_stopping=pl.EarlyStopping(monitor="f1"),
            progress=False,
        )
    with pytest.raises(pl.NetworkError, match="r2 must be of values"):
        m.evaluate((images, labels), metrics="r2")
