"""Tests of batches."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data import Augment, Batches, Dataset
from pellucid.errors import DataError
from pellucid.network.preprocessing import Preprocessing


def dataset(n: int = 23, channels: int = 3) -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 6, 5, channels)).astype(np.uint8)
    return Dataset(images, np.arange(n) % 4)


def batches(data: Dataset | None = None, **options) -> Batches:
    return Batches(data or dataset(), **({"batch_size": 4, "seed": 0} | options))


@given(
    n=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    world=st.integers(1, 5),
    seed=st.integers(0, 2**64 - 1),
    shuffle=st.booleans(),
)
def test_an_epoch_has_every_example_once(n, batch_size, world, seed, shuffle):
    data = dataset(n)
    options = {"batch_size": batch_size, "seed": seed, "shuffle": shuffle, "ahead": 0}
    shards = [
        list(Batches(data, shard=(rank, world), **options).epoch(1))
        for rank in range(world)
    ]
    whole = list(Batches(data, **options).epoch(1))
    assert {len(shard) for shard in shards} == {len(whole)} == {-(-n // batch_size)}
    indices = np.concatenate([batch.indices for batch in whole])
    np.testing.assert_array_equal(np.sort(indices), np.arange(n))
    for step, batch in enumerate(whole):
        parts = [shard[step].indices for shard in shards]
        np.testing.assert_array_equal(np.concatenate(parts), batch.indices)


@given(start=st.integers(0, 6), ahead=st.integers(0, 3), epoch=st.integers(0, 5))
def test_starting_in_the_middle_gives_the_same_later_batches(start, ahead, epoch):
    made = batches(augment=Augment(shift=1, rotate=5.0, flip=True), ahead=ahead)
    whole = list(made.epoch(epoch))[start:]
    later = list(made.epoch(epoch, start))
    assert len(later) == len(made) - start
    for one, other in zip(whole, later, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_each_epoch_and_each_seed_has_its_own_order():
    orders = [batches(seed=s).order(e).tolist() for s in (0, 1) for e in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert batches().order(0).tolist() == orders[0]
    assert batches(shuffle=False).order(3).tolist() == list(range(23))


def test_the_order_is_philoxs_permutation():
    key = np.array([7, 2], np.uint64)
    expected = np.random.Generator(np.random.Philox(key=key)).permutation(23)
    np.testing.assert_array_equal(batches(seed=7).order(2), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing.unit(),
        Preprocessing.signed(),
        Preprocessing.standardize((0.49, 0.48, 0.44), (0.2, 0.25, 0.3)),
    ],
)
def test_images_are_bit_for_bit_what_preprocessing_gives(dtype, preprocessing):
    data = dataset()
    for batch in batches(data, preprocessing=preprocessing, dtype=dtype).epoch(0):
        expected = preprocessing.apply(data.images[batch.indices], dtype)
        assert batch.images.dtype == expected.dtype == np.dtype(dtype)
        assert batch.images.tobytes() == expected.tobytes()
        assert batch.images.flags.c_contiguous
        assert batch.indices.dtype == batch.labels.dtype == np.int64
        np.testing.assert_array_equal(batch.labels, data.labels[batch.indices])


def test_without_preprocessing_uint8_is_scaled_to_0_and_1():
    batch = next(batches().epoch(0))
    assert 0 <= batch.images.min() < 0.1 < 0.9 < batch.images.max() <= 1


def test_floats_are_only_cast():
    data = Dataset(np.linspace(-3, 3, 8).reshape(4, 2), np.linspace(0, 1, 4)[:, None])
    made = batches(data, shuffle=False, preprocessing=Preprocessing.signed())
    (batch,) = made.epoch(0)
    assert batch.images.dtype == batch.labels.dtype == np.float32
    np.testing.assert_array_equal(batch.images, data.images.astype(np.float32))


def test_a_batch_is_its_own_memory():
    data = dataset()
    for kind in (data, Dataset(data.images / 255, data.labels)):
        for batch in batches(kind, dtype="float64").epoch(0):
            assert not np.shares_memory(batch.images, kind.images)
            assert not np.shares_memory(batch.labels, kind.labels)


@pytest.mark.parametrize(("batch_size", "world"), [(5, 1), (23, 1), (6, 3)])
def test_augmentation_depends_on_the_position_only(batch_size, world):
    augment = Augment(shift=2, rotate=20.0, flip=True, crop=1, cutout=2)
    data = dataset()

    def seen(**options):
        found = np.zeros((23, 6, 5, 3), np.float32)
        for rank in range(world if "batch_size" in options else 1):
            shard = (rank, world if "batch_size" in options else 1)
            made = batches(data, augment=augment, shard=shard, **options)
            for batch in made.epoch(3):
                found[batch.indices] = batch.images
        return found

    np.testing.assert_array_equal(seen(), seen(batch_size=batch_size))


def test_augmentation_differs_between_epochs():
    made = batches(augment=Augment(shift=2), shuffle=False)
    one, other = (next(made.epoch(number)).images for number in (0, 1))
    assert (one != other).any()


def test_leaving_an_epoch_early_ends_its_thread():
    for batch in batches().epoch(0):
        assert len(batch.labels) == 4
        break
    names = [thread.name for thread in threading.enumerate()]
    assert "pellucid-prefetch" not in names


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"ahead": -1}, "ahead must be a whole number of at least 0"),
        ({"seed": -1}, r"seed must lie in 0 … 2\*\*64 - 1; got seed=-1"),
        ({"shard": (2, 2)}, r"rank in 0 … world - 1; got shard=\(2, 2\)"),
        ({"dtype": "float16"}, "must be 'float32' or 'float64'; got dtype='float16'"),
        (
            {"preprocessing": Preprocessing(scale=(1, 1), offset=(0, 0))},
            "one scale, or one per channel; got 2 for 3 channels",
        ),
    ],
)
def test_batches_refuse(options, sentence):
    with pytest.raises(DataError, match=sentence):
        batches(**options)


@pytest.mark.parametrize("start", [-1, 7])
def test_a_start_outside_of_the_epoch_is_refused_at_once(start):
    with pytest.raises(DataError, match=f"start must lie in 0 … 6; got start={start}"):
        batches().epoch(0, start)


def test_a_negative_epoch_is_refused_at_once():
    with pytest.raises(DataError, match=r"epoch must lie in 0 … .* got epoch=-1"):
        batches().epoch(-1)
