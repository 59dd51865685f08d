"""`fit`, `evaluate` and `predict` of a Keras drop-in give what Keras gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from tests.drop_in.keras.conftest import TOLERANCE, keras

_OPTIONS = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}


def _schedule() -> Any:
    return keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.7)


def _compare(theirs: Any, mine: Any, x: Any, y: Any, **options: Any) -> Any:
    """Train both, compare histories and predictions, and return the drop-in."""
    fast = pl.compile(mine, threads=1)
    given = _OPTIONS | {"validation_data": (x[:10], y[:10])} | options
    wanted = theirs.fit(x, y, **given).history
    found = fast.fit(x, y, **given).history
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=TOLERANCE)
    np.testing.assert_allclose(
        fast.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=TOLERANCE
    )
    return fast


def test_the_fused_step_is_kerass(
    make: Any, batch: Any, same_state: Any, capsys: Any
) -> None:
    x, y = batch
    twins = [
        make(
            optimizer=keras.optimizers.Adam(3e-3),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        for _ in range(2)
    ]
    fast = _compare(*twins, x, y, class_weight={0: 1.0, 1: 2.0, 2: 0.5})
    same_state(twins[1], twins[0])
    assert int(fast.optimizer.iterations) == 6
    assert "run on Keras" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["SGD", "RMSprop", "AdamW"])
def test_optimizers_are_kerass(
    kind: str, make: Any, batch: Any, same_state: Any
) -> None:
    x, _ = batch
    loss, target = "mse", np.random.default_rng(1).normal(size=(40, 2))
    makers = {
        "SGD": lambda: keras.optimizers.SGD(_schedule(), momentum=0.9, nesterov=True),
        "RMSprop": lambda: keras.optimizers.RMSprop(1e-3),
        "AdamW": lambda: keras.optimizers.AdamW(
            1e-3, weight_decay=0.1, global_clipnorm=0.5
        ),
    }
    twins = [
        make(end=None, outputs=2, optimizer=makers[kind](), loss=loss) for _ in range(2)
    ]
    if kind == "AdamW":  # what is clipped together may have no constants among it
        for model in twins:
            model.get_layer("norm").trainable = False
            model.compile(optimizer=makers[kind](), loss=loss)
    _compare(*twins, x, target)
    same_state(twins[1], twins[0])


def test_the_velocity_goes_on_where_the_rate_is_zero(
    make: Any, batch: Any, same_state: Any
) -> None:
    x, _ = batch
    target = np.random.default_rng(1).normal(size=(40, 2))

    def optimizer() -> Any:
        decay = keras.optimizers.schedules.PiecewiseConstantDecay
        rates = decay([1, 4], [0.01, 0.0, 0.02])
        return keras.optimizers.SGD(rates, momentum=0.9)

    loss = keras.losses.Huber(0.3)  # whose configuration leaves delta out
    twins = [
        make(end=None, outputs=2, optimizer=optimizer(), loss=loss) for _ in range(2)
    ]
    _compare(*twins, x, target)
    same_state(twins[1], twins[0])


def test_what_has_no_counterpart_runs_on_keras_and_says_so(
    make: Any, batch: Any, same_state: Any, capsys: Any
) -> None:
    x, y = batch
    twins = [make(optimizer=keras.optimizers.Nadam(1e-3), loss=_loss) for _ in range(2)]
    for model in twins:
        model.get_layer("head").kernel_regularizer = keras.regularizers.L2(1e-2)
        model.get_layer("head").kernel.regularizer = keras.regularizers.L2(1e-2)
    _compare(*twins, x, keras.utils.to_categorical(y, 3))
    same_state(twins[1], twins[0])
    told = capsys.readouterr().err
    assert "layer 'head' must have no regularizers. Loss and update run on Keras" in (
        told
    )


def _loss(target: Any, output: Any) -> Any:
    return keras.ops.mean((target - output) ** 4, -1)


def test_weights_are_the_models_at_the_end_of_each_epoch(
    make: Any, batch: Any, tmp_path: Any
) -> None:
    x, y = batch
    model = make(optimizer="sgd", loss="sparse_categorical_crossentropy")
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(model.get_layer("head").kernel.numpy())

    fast = pl.compile(model, threads=1)
    path = tmp_path / "best.keras"
    fast.fit(
        x, y, callbacks=[Look(), keras.callbacks.ModelCheckpoint(path)], **_OPTIONS
    )
    assert not np.array_equal(seen[0], seen[1])
    loaded = keras.models.load_model(path)
    assert type(loaded) is keras.Sequential
    np.testing.assert_array_equal(loaded.get_layer("head").kernel, seen[1])
    # a callback that changes weights is followed
    zero = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: fast.set_weights(
            [np.zeros_like(w) for w in fast.get_weights()]
        )
    )
    fast.fit(x, y, callbacks=zero, **_OPTIONS)
    assert np.abs(model.get_layer("conv").kernel.numpy()).max() == 0


@pytest.mark.parametrize("loss", ["mse", "mae"])  # fused, and on Keras
def test_what_trains_is_settled_by_compile(
    loss: str, make: Any, batch: Any, same_state: Any
) -> None:
    x, _ = batch
    target = np.random.default_rng(1).normal(size=(40, 2))
    theirs, mine = (
        make(optimizer="sgd", loss=loss, outputs=2, end=None) for _ in range(2)
    )
    fast = _compare(theirs, mine, x, target, epochs=1)
    for model in (theirs, fast):
        model.get_layer("conv").trainable = False
        model.get_layer("norm").trainable = False
        model.fit(x, target, **_OPTIONS)  # Keras goes on as it began
    same_state(mine, theirs)
    for model in (theirs, fast):
        model.compile(optimizer="sgd", loss=loss)
        model.fit(x, target, **_OPTIONS)
    same_state(mine, theirs)


def test_layers_called_twice_and_layers_that_hold_layers_have_their_weights() -> None:
    layers = keras.layers
    tokens = keras.Input((4, 6))
    twice = layers.Dense(6, activation="tanh")
    x = layers.Add()([tokens, twice(twice(tokens))])
    x = layers.Add()([x, layers.MultiHeadAttention(2, 3)(tokens, tokens)])
    x = layers.TimeDistributed(layers.Dense(5))(x)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    model = keras.Model(tokens, layers.GRU(2)(x))
    twins = [model, keras.models.clone_model(model)]
    twins[1].set_weights(model.get_weights())
    for twin in twins:
        twin.compile(optimizer="sgd", loss="mse")
    rng = np.random.default_rng(2)
    x, y = (rng.normal(size=(40, *s)).astype(np.float32) for s in ((4, 6), (2,)))
    _compare(*twins, x, y, epochs=1)
    for found, wanted in zip(*(twin.get_weights() for twin in twins), strict=True):
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE)


def test_constraints_are_kept(capsys: Any) -> None:
    dense = keras.layers.Dense(2, kernel_constraint="unit_norm", name="held")
    model = keras.Sequential([keras.Input((3,)), dense])
    model.compile(optimizer="sgd", loss="mse")
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    pl.compile(model).fit(x, x[:, :2], verbose=0)
    np.testing.assert_allclose(np.linalg.norm(dense.kernel, axis=0), 1, atol=1e-5)
    assert "no constraint; got one on" in capsys.readouterr().err
