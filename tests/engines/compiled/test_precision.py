"""bfloat16 operands in the compiled engine: the rounding, and what stays float32."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from oracles.bfloat16 import rounded

import pellucid as pl
from pellucid import engines
from pellucid.engines.compiled.codegen import cpu
from pellucid.engines.state import initial_state
from pellucid.network import Network, layers

needs_amx = pytest.mark.skipif(
    not cpu.target().has_amx, reason="this processor has no AMX tiles for bfloat16"
)

ONE_LAYER = {
    "channels that fill half a tile": ((7, 6, 24), layers.Conv2D(40, 3, padding=1)),
    "dilation": ((9, 9, 16), layers.Conv2D(32, 3, dilation=2, padding="same")),
    "stride": ((9, 10, 32), layers.Conv2D(32, 3, stride=2, padding=1)),
    "a small map": ((3, 3, 32), layers.Conv2D(64, 3, padding=1)),
    "pixels as rows": ((9, 8, 64), layers.Conv2D(64, 1)),
    "dense": ((1024,), layers.Dense(64)),
}


def built(network: Network, state, **options):
    engine = engines.make("compiled", threads=2, **options)
    loss, optimizer = pl.MeanSquaredError(), pl.SGD(0.01, momentum=0.9)
    return engine.build(network, state=state, loss=loss, optimizer=optimizer)


def near(found, wanted):
    return np.abs(found - wanted).max() <= 4e-6 * np.abs(wanted).max()


@needs_amx
@pytest.mark.parametrize("case", list(ONE_LAYER))
def test_products_are_those_of_rounded_operands(case):
    shape, layer = ONE_LAYER[case]
    network = pl.Sequential([layers.Input(shape), layer])
    state = initial_state(network, seed=0, dtype="float32")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, *shape)).astype(np.float32)
    given = rng.normal(size=(64, *network.output_shape)).astype(np.float32)
    weight, bias = network.parameters[0].name, network.parameters[1].name
    fast = built(network, state, precision="bfloat16")
    grad_x, grads = fast.vjp(x, given)

    key = f"weights/{weight}"
    short = {**state, key: rounded(state[key])}
    slow = engines.make("numpy").build(
        network, state={k: v.astype(float) for k, v in short.items()}, dtype="float64"
    )
    wide, seen = rounded(x).astype(float), rounded(given).astype(float)
    wanted_x, wanted = slow.vjp(wide, seen)
    if case == "stride":  # its input's gradient is made on vectors, as exact as ever
        exact = engines.make("compiled").build(network, state=state)
        wanted_x = exact.vjp(x, given)[0]
    assert near(grad_x, wanted_x)
    assert near(grads[weight], wanted[weight])
    assert near(grads[bias], given.sum(axis=tuple(range(given.ndim - 1))))
    if case != "dense":  # which predicts on vectors
        assert near(fast.predict(x), slow.predict(wide))
        assert "on AMX in bfloat16" in str(fast.plan)


def small() -> Network:
    """Return a network whose convolution, and nothing else, is made of bfloat16."""
    return pl.Sequential(
        [
            layers.Input((6, 6, 16)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


@needs_amx
def test_training_in_bfloat16_follows_float32():
    network, labels = small(), np.arange(48) % 10
    state = initial_state(network, seed=0, dtype="float32")
    x = np.random.default_rng(0).normal(size=(48, 6, 6, 16)).astype(np.float32)
    losses, ends = [], []
    for precision in ("float32", "bfloat16", "bfloat16"):
        engine = engines.make("compiled", threads=2, precision=precision)
        session = engine.build(
            network, state=state, loss=pl.CrossEntropy(), optimizer=pl.SGD(0.02)
        )
        steps = (session.train_step(x, labels, learning_rate=0.02) for _ in range(6))
        losses.append([step.loss for step in steps])
        ends.append(session.state())
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[1], losses[0], rtol=5e-3)
    assert losses[1][-1] < 0.9 * losses[1][0]
    for name, array in ends[1].items():  # the same bits come twice
        assert np.array_equal(array, ends[2][name]), name
        assert array.dtype == ends[0][name].dtype


@needs_amx
def test_the_plan_says_where_and_float32_does_not_change():
    network = small()
    state = initial_state(network, seed=0, dtype="float32")
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 16)).astype(np.float32)
    plain, exact = built(network, state), built(network, state, precision="float32")
    np.testing.assert_array_equal(plain.predict(x), exact.predict(x))
    assert "bfloat16" not in str(plain.plan)
    short = built(network, state, precision="bfloat16")
    assert not np.array_equal(short.predict(x), plain.predict(x))
    # the training plan: cut, multiplied, and the weights' gradient
    assert str(short.plan).count("on AMX in bfloat16") == 3


@needs_amx
def test_an_engine_of_bfloat16_comes_back_from_a_pickle():
    engine = pickle.loads(pickle.dumps(engines.make("compiled", precision="bfloat16")))
    assert engine._options.precision == "bfloat16"
    assert repr(engine).endswith("lanes, bfloat16>")
    assert "float" not in repr(engines.make("compiled"))


def test_other_precisions_are_refused():
    with pytest.raises(
        pl.EngineError, match="one of 'float32', 'bfloat16'; got 'half'"
    ):
        engines.make("compiled", precision="half")


@pytest.mark.parametrize("options", [{"amx": False}, {"lanes": 4}])
def test_bfloat16_without_tiles_is_refused(options):
    with pytest.raises(pl.EngineError, match=r"multiplies tiles of bfloat16 \(AMX\)"):
        engines.make("compiled", precision="bfloat16", **options)
