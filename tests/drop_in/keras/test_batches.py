"""Methods on single batches, other data, and who has the latest weights."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from tests.drop_in.keras.conftest import TOLERANCE, keras


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """A PyDataset of two batches with weights."""

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self._x, self._y = x, y

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        part = slice(16 * index, 16 * index + 16)
        weights = np.linspace(0.5, 1.5, 16, dtype=np.float32)
        return self._x[part], self._y[part], weights


@pytest.fixture(scope="module")
def twins(make: Any) -> list[Any]:
    """Return a model and the drop-in of its twin."""
    options = {
        "optimizer": keras.optimizers.SGD(0.05, momentum=0.9),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
    }
    theirs = make(**options)
    mine = make(**options | {"optimizer": keras.optimizers.SGD(0.05, momentum=0.9)})
    return [theirs, pl.compile(mine, threads=1)]


def test_batches_one_by_one(twins: list[Any], batch: Any, same_state: Any) -> None:
    theirs, fast = twins
    x, y = batch
    for part in (slice(0, 16), slice(16, 32)):
        wanted = theirs.train_on_batch(x[part], y[part])
        found = fast.train_on_batch(x[part], y[part])
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE)
    for model in twins:  # the velocity goes on at the new rate
        model.optimizer.learning_rate.assign(0.01)
        model.train_on_batch(x[:16], y[:16])
    same_state(fast, theirs)
    np.testing.assert_allclose(
        fast.test_on_batch(x, y), theirs.test_on_batch(x, y), atol=TOLERANCE
    )
    np.testing.assert_allclose(
        fast.predict_on_batch(x), theirs.predict_on_batch(x), atol=TOLERANCE
    )


def test_sources_of_keras_and_tensorflow(
    twins: list[Any], batch: Any, same_state: Any
) -> None:
    import tensorflow as tf

    x, y = batch
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    for source in (data, Batches(x, y)):
        figures = [
            model.fit(source, epochs=1, shuffle=False, verbose=0).history
            for model in twins
        ]
        for name, values in figures[0].items():
            np.testing.assert_allclose(figures[1][name], values, atol=TOLERANCE)
    same_state(twins[1], twins[0])


def test_a_drop_in_is_a_model_of_keras(twins: list[Any], batch: Any) -> None:
    x, y = batch
    fast = twins[1]
    fast.train_on_batch(x[:16], y[:16])
    assert isinstance(fast, keras.Sequential)
    output = np.asarray(fast(x))  # run by Keras itself
    np.testing.assert_allclose(fast.predict(x, verbose=0), output, atol=TOLERANCE)
    for other in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        np.testing.assert_allclose(np.asarray(other(x)), output, atol=TOLERANCE)
    assert keras.models.clone_model(fast).count_params() == fast.count_params()


def test_changes_behind_the_engines_back_are_an_error(
    twins: list[Any], batch: Any
) -> None:
    x, y = batch
    fast = twins[1]
    kernel = fast.get_layer("conv").kernel
    kernel.assign(kernel * 2)  # nothing is ahead: it is taken over
    expected = np.asarray(fast(x))
    np.testing.assert_allclose(fast.predict(x, verbose=0), expected, atol=TOLERANCE)
    fast.train_on_batch(x[:16], y[:16])
    kernel.assign(kernel * 2)
    with pytest.raises(pl.ExchangeError, match="must be changed after synchronize"):
        fast.get_weights()


def test_normalization_is_a_constant_that_may_be_adapted(batch: Any) -> None:
    x, _ = batch
    layer = keras.layers.Normalization()
    model = keras.Sequential([keras.Input((8, 8, 1)), layer, keras.layers.Flatten()])
    fast = pl.compile(model, threads=1)
    for scale in (1, 3):
        layer.adapt(x * scale + scale)
        np.testing.assert_allclose(
            fast.predict(x, verbose=0), np.asarray(model(x)), atol=TOLERANCE
        )
