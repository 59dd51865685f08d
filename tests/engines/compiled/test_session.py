"""Session: batches of every size, dropout, NaN, bits, errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pellucid as pl
from pellucid import engines
from pellucid.engines.state import initial_state
from pellucid.errors import DataError, EngineError, ShapeError
from pellucid.network import Network, layers, zoo
from pellucid.objectives import SGD, Adam, CrossEntropy


def small(*, rate=0.5):
    image = layers.Input(8, 8, 1)
    x = layers.Conv2D(18, kernel_size=3, activation="relu")(image)
    x = layers.Dropout(rate)(layers.MaxPool2D(2)(x))
    return Network(inputs=image, outputs=layers.Dense(3)(layers.Flatten()(x)))


def session(network, **options):
    state = initial_state(network, seed=3, dtype="float32")
    return engines.make("compiled", **options).build(
        network, state=state, loss=CrossEntropy(), optimizer=Adam()
    )


def images(count, shape=(8, 8, 1)):
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


def test_any_batch_size_gives_each_image_its_own_output():
    one = session(small())
    x = images(70)
    whole = one.predict(x)
    for count in (1, 2, 3, 15, 16, 17, 33, 70, 5):
        assert np.allclose(one.predict(x[:count]), whole[:count], atol=1e-6)
    assert one.predict(x[:0]).shape == (0, 3)


def test_preparing_compiles_what_the_first_step_runs(monkeypatch):
    one = session(small())
    one.prepare()
    monkeypatch.setattr("pellucid.engines.compiled.session_programs.Program", None)
    assert one.train_step(images(4), np.arange(4) % 3, learning_rate=0.1).loss > 0


def test_training_takes_batches_that_grow_and_shrink(twins):
    pair = twins(small(rate=0), loss=CrossEntropy(), optimizer=SGD(0.1))
    for count in (5, 40, 1, 17):
        labels = np.arange(count) % 3
        pair.check_learning(labels)


def test_dropout_draws_the_masks_of_every_engine(twins):
    pair = twins(small(), loss=CrossEntropy(), optimizer=SGD(0.1), seed=2**63 + 5)
    labels = np.arange(6) % 3
    pair.check_steps(labels, steps=3, rate=0.1, tolerance=1e-4)
    pair.check_learning(labels)


def test_dropout_takes_masks_that_are_given(twins):
    pair = twins(small(), loss=CrossEntropy(), optimizer=SGD(0.1))
    x, labels = pair.images(4), np.arange(4) % 3
    masks = {"dropout": np.random.default_rng(0).integers(0, 2, (4, 3, 3, 18)) * 2.0}
    slow = pair.slow.train_step(
        x.astype(np.float64), labels, learning_rate=0.1, masks=masks
    )
    fast = pair.fast.train_step(x, labels, learning_rate=0.1, masks=masks)
    assert fast.loss == pytest.approx(slow.loss, rel=1e-5)


def test_the_same_seed_and_threads_give_the_same_bits():
    x, labels = images(40), np.arange(40) % 3
    ends = []
    for _ in range(2):
        one = session(small(), threads=3)
        for _ in range(10):
            one.train_step(x, labels, learning_rate=0.01)
        ends.append(one.state())
    for name, array in ends[0].items():
        assert np.array_equal(array, ends[1][name]), name


@pytest.mark.parametrize("idea", ["fuse", "winograd", "sparse", "amx"])
def test_ideas_can_be_switched_off(idea):
    network = zoo("mnist-torch")
    x, labels = images(6, (28, 28, 1)), np.arange(6)
    wanted = session(network).gradients(x, labels)
    found = session(network, **{idea: False}).gradients(x, labels)
    assert found[0] == pytest.approx(wanted[0], rel=1e-6)
    for name, grad in wanted[1].items():
        assert np.abs(found[1][name] - grad).max() <= 1e-4 * np.abs(grad).max()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_come_out_as_in_numpy(twins, bad):
    pair = twins(zoo("mnist-torch"), loss=CrossEntropy())
    x = pair.images(3)
    x[1, 14, 14, 0] = bad
    with np.errstate(all="ignore"):
        wanted = pair.slow.predict(x.astype(np.float64))
    found = pair.fast.predict(x)
    assert np.array_equal(np.isfinite(found), np.isfinite(wanted))
    assert np.isfinite(found[[0, 2]]).all()
    assert not np.isfinite(found[1]).any()
    assert not np.isfinite(pair.fast.predict(x[1:2])).any()
    with np.errstate(all="ignore"):
        assert not np.isfinite(pair.fast.gradients(x, np.arange(3))[0])


def test_a_pool_lets_not_a_number_win():
    image = layers.Input(4, 4, 1)
    network = Network(inputs=image, outputs=layers.MaxPool2D(2)(image))
    state = initial_state(network, seed=0, dtype="float32")
    one = engines.make("compiled").build(network, state=state)
    x = images(1, (4, 4, 1))
    x[0, 0, 1] = np.nan
    found = one.predict(x)[0, :, :, 0]
    assert np.isnan(found[0, 0])
    assert np.isfinite(found.ravel()[1:]).all()


def test_state_travels_to_numpy_and_back(twins):
    pair = twins(zoo("resnet20"), loss=CrossEntropy(), optimizer=Adam())
    wanted = pair.slow.state()
    found = pair.fast.state()
    for name, array in wanted.items():
        assert np.array_equal(found[name], array.astype(found[name].dtype)), name


def test_images_of_another_shape_are_refused():
    with pytest.raises(
        ShapeError, match=r"images: must have shape \(N, 8, 8, 1\); got"
    ):
        session(small()).predict(images(2, (8, 9, 1)))


def test_training_without_images_is_refused():
    with pytest.raises(DataError, match="images: must be at least one to train"):
        session(small()).train_step(images(0), np.zeros(0, int), learning_rate=0.1)


def test_a_derivative_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match="vjp: grad_output must have the output's"):
        session(small()).vjp(images(2), np.zeros((2, 4), np.float32))


def test_no_images_give_no_outputs_and_gradients_of_zero():
    one = session(small())
    nothing, grad = images(0), np.zeros((0, 3), np.float32)
    assert one.activations(nothing)["dense"].shape == (0, 3)
    output, saved = one.forward(nothing, True)
    assert output.shape == (0, 3)
    for found in (one.backward(saved, grad), one.vjp(nothing, grad)):
        assert found[0].shape == nothing.shape
        assert not any(array.any() for array in found[1].values())


def test_float64_is_refused_with_what_to_take():
    network = small()
    state = initial_state(network, seed=0, dtype="float32")
    with pytest.raises(EngineError, match=r"dtype must be 'float32'.*engine='numpy'"):
        engines.make("compiled").build(network, state=state, dtype="float64")


def test_options_are_checked():
    with pytest.raises(EngineError, match="threads must be at least 1; got threads=0"):
        engines.make("compiled", threads=0)
    with pytest.raises(EngineError, match=r"options must be threads.*got 'thread'"):
        engines.make("compiled", thread=2)
    with pytest.raises(EngineError, match=r"lanes must be one of .* got lanes=5"):
        engines.make("compiled", lanes=5)


def test_the_plan_shows_steps_and_why():
    text = str(session(zoo("mnist-torch")).plan)
    for word in ("winograd_forward", "only what is alive", "bytes per worker"):
        assert word in text


def test_a_profile_counts_cycles():
    one = session(small(), profile=True)
    one.train_step(images(4), np.arange(4) % 3, learning_rate=0.1)
    plan = one.plan
    steps = [step for phase in plan.low.phases for step in phase.steps()]
    assert sum(plan.cycles(step) for step in steps) > 0


def test_gradients_returned_earlier_stay_as_they_were():
    one = session(small())
    labels = np.zeros(2, np.int64)
    _, first = one.gradients(images(2), labels)
    before = {name: array.copy() for name, array in first.items()}
    one.gradients(images(2) * 3, labels)
    for name, array in first.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("width", [8, 5000])
def test_outputs_of_single_images_are_arrays_of_their_own(width: int) -> None:
    network = pl.Sequential(pl.Input(width), pl.Dense(3))
    model = pl.Model(network, engine=pl.engines.compiled(threads=1), seed=0)
    images = np.random.default_rng(0).standard_normal((3, width)).astype(np.float32)
    expected = model.predict(images)
    found = [model.predict(image[None].astype(np.float64)) for image in images]
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-4)
    found[0][...] = 7
    np.testing.assert_allclose(model.predict(images[1:2]), expected[1:2], atol=1e-4)
    assert not np.shares_memory(found[1], found[2])


def test_single_images_of_any_memory_and_type_follow_the_weights():
    one = session(small())
    other = session(small(), threads=1)
    wide = np.zeros((1, 8, 16, 1), np.float32)
    wide[:, :, ::2] = images(1)
    for _ in range(2):
        whole = one.predict(images(2))[:1]
        for same in (images(1), images(1).astype(np.float64), wide[:, :, ::2]):
            for _ in range(2):
                assert np.allclose(one.predict(same), whole, atol=1e-6)
        for each in (one, other):
            each.train_step(images(4), np.arange(4) % 3, learning_rate=0.1)
    assert np.allclose(other.predict(images(1)), one.predict(images(1)), atol=1e-5)


def test_threads_that_predict_single_images_at_once_get_their_own_outputs():
    one = session(small())
    x = images(8)
    expected = one.predict(x)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda i: one.predict(x[i : i + 1]), [*range(8)] * 25))
    for output, row in zip(found, np.tile(expected, (25, 1)), strict=True):
        assert np.allclose(output[0], row, atol=1e-6)


@pytest.mark.parametrize(("factor", "is_quick"), [(1, True), (64, False)])
def test_only_an_image_of_microseconds_keeps_pythons_lock(factor, is_quick):
    entry = layers.Input(8, 8, 1)
    x = layers.GlobalAvgPool2D()(layers.Upsample2D(factor)(entry))
    one = session(Network(inputs=entry, outputs=layers.Dense(3)(x)))
    expected = one.predict(images(2))[:1]
    for _ in range(2):
        assert np.allclose(one.predict(images(1)), expected, atol=1e-6)
    assert (one._quick is not None) is is_quick
