"""Estimators: scikit-learn's own checks, images, paths, pipelines."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import pellucid as pl
from pellucid.errors import DataError
from pellucid.sklearn import CNNClassifier, CNNRegressor

BATCHES = "examples that are left out or repeated make other batches and other updates"
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": BATCHES,
}


@parametrize_with_checks(
    [
        CNNClassifier(engine="numpy", optimizer=pl.Adam(0.01), epochs=10),
        CNNRegressor(engine="numpy", optimizer=pl.Adam(0.01), epochs=10),
    ],
    expected_failed_checks=lambda _: EXPECTED,
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def images(count: int = 24) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    X = random.integers(0, 100, (count, 6, 6, 1)).astype(np.uint8)
    y = np.array(["dark", "light"])[np.arange(count) % 2]
    X[1::2] += 120
    return X, y


def classifier(**given: Any) -> CNNClassifier:
    optimizer = pl.Adam(0.01)
    return CNNClassifier(
        **{"engine": "numpy", "optimizer": optimizer, "random_state": 0} | given
    )


def test_images_are_told_apart_and_the_estimator_can_be_pickled() -> None:
    X, y = images()
    fitted = classifier(epochs=8).fit(X, y)
    assert fitted.score(X, y) > 0.9
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X), probabilities)
    other = clone(fitted).fit(X, y)
    np.testing.assert_allclose(other.predict_proba(X), probabilities, atol=1e-6)


def test_rows_become_images_in_a_pipeline_and_a_grid_search() -> None:
    X, y = images()
    rows = X.reshape(len(X), -1).astype(np.float64)
    pipe = make_pipeline(StandardScaler(), classifier(image_shape=(6, 6, 1), epochs=4))
    grid = {"cnnclassifier__batch_size": [4, 8]}
    search = GridSearchCV(pipe, grid, cv=2).fit(rows, y)
    assert search.best_score_ > 0.9
    shapes = search.best_estimator_[-1].model_.network.input_shape
    assert shapes == (6, 6, 1)


def test_pictures_are_read_from_paths(tmp_path: Path) -> None:
    X, y = images(8)
    paths = []
    for i, pixels in enumerate(X):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(pixels[..., 0]).save(paths[-1])
    from_files = classifier(image_shape=(6, 6, 1), epochs=2).fit(paths, y)
    in_memory = classifier(epochs=2).fit(X, y)
    np.testing.assert_array_equal(
        from_files.predict_proba(paths), in_memory.predict_proba(X)
    )
    with pytest.raises(DataError, match="image_shape must be"):
        classifier().fit(paths, y)


def test_a_network_is_a_name_a_description_or_a_function() -> None:
    X, y = images(8)

    def make(shape: tuple[int, ...], outputs: int) -> pl.Network:
        return pl.Sequential(pl.Input(*shape), pl.Flatten(), pl.Dense(outputs))

    for network in (make, make((6, 6, 1), 2)):
        fitted = classifier(network=network, epochs=1).fit(X, y)
        assert fitted.model_.network.output_shape == (2,)
    wide = np.zeros((4, 28, 28, 1), np.uint8)
    named = classifier(network="lenet5", epochs=1).fit(wide, [0, 1, 2, 1])
    assert named.predict_proba(wide).shape == (4, 3)
    with pytest.raises(DataError, match=r"network must take \(6, 6, 1\)"):
        classifier(network=make((5, 5, 1), 2)).fit(X, y)
    with pytest.raises(DataError, match=r"network must return a Network.*got None"):
        classifier(network=lambda shape, outputs: None).fit(X, y)
    with pytest.raises(DataError, match=r"examples of image_shape \(3, 3, 1\)"):
        classifier(image_shape=(3, 3, 1)).fit(X, y)


def test_training_goes_on_with_partial_fit() -> None:
    X, y = images()
    one = classifier()
    for _ in range(8):
        one.partial_fit(X, y, classes=["dark", "light"])
    assert one.score(X, y) > 0.9
    with pytest.raises(ValueError, match="known from the first call; got 'grey'"):
        one.partial_fit(X[:1], ["grey"])
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        classifier().partial_fit(X, y)


def test_a_regressor_gives_several_numbers() -> None:
    X, _ = images()
    y = np.stack([X.mean((1, 2, 3)), -2.0 * X.mean((1, 2, 3)) + 1], axis=1)
    regressor = CNNRegressor(
        engine="numpy", optimizer=pl.Adam(0.01), epochs=20, random_state=0
    )
    assert regressor.fit(X, y).score(X, y) > 0.8
    assert regressor.predict(X).shape == y.shape
