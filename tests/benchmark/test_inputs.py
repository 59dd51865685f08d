"""What peers are fed is the same for all, real and of the right shape."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.several_ports import on_the_way, two_branches

import pellucid as pl
from pellucid.benchmark import inputs
from pellucid.benchmark.case import Case
from pellucid.benchmark.networks import build_scalable, get_network, resize_input
from pellucid.benchmark.setting import Setting
from pellucid.errors import EngineError, NetworkError


def test_batches_are_preprocessed_mnist_and_depend_on_the_seed():
    case = Case(name="x", network=get_network("mnist-torch"), batch_size=8, batches=3)
    data = inputs.load_batches(case)
    ((images,), (labels,)) = data[0]
    assert len(data) == 3
    assert images.shape == (8, 28, 28, 1)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert images.min() == -1
    assert images.max() == pytest.approx(1)
    train, _ = pl.data.load("mnist")
    pixels = np.round((images[0] + 1) * 127.5).astype(np.uint8)
    same = (np.asarray(train.images) == pixels).all(axis=(1, 2, 3))
    assert labels[0] in np.asarray(train.labels)[same]
    again = inputs.load_batches(case)
    other = inputs.load_batches(replace(case, seed=1))
    np.testing.assert_array_equal(again[2].images, data[2].images)
    assert (other[0].labels[0] != labels).any()


def test_other_sizes_repeat_pixels():
    images = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)
    large = inputs.resize(images, 4, 4, 3)
    assert large.shape == (1, 4, 4, 3)
    np.testing.assert_array_equal(
        large[0, :, :, 1], np.kron([[0, 1], [2, 3]], np.ones((2, 2)))
    )


def test_memory_limits_the_number_of_batches(monkeypatch):
    monkeypatch.setattr(inputs, "_MOST_BYTES", 20_000)
    case = Case(name="x", network=build_scalable(16, 4), batch_size=3, batches=9)
    assert len(inputs.load_batches(case)) == 2


def test_a_case_survives_its_trip_to_another_process():
    case = Case(
        name="x", network=get_network("mnist-torch-leaky"), seed=3, weights="a.b"
    )
    back = Case.from_json(case.to_json())
    assert back == replace(case, network=back.network)
    assert back.network.parameter_count == case.network.parameter_count


def test_a_network_without_images_is_refused():
    with pytest.raises(NetworkError, match=r"must take images.*'xor-one-hidden'"):
        get_network("xor-one-hidden")


def test_images_of_one_s_own_are_brought_to_the_network_s_size(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(20) % 2
    for kind, name in ((pixels, "bytes"), (pixels.astype(np.float32), "floats")):
        np.savez(tmp_path / f"{name}.npz", images=kind, labels=labels)
    network = build_scalable(32, 4)
    case = Case(name="x", network=network, batch_size=4, batches=2)
    for name, largest in (("bytes", 1.0), ("floats", 255.0)):
        own = replace(case, data=str(tmp_path / f"{name}.npz"))
        (images,), _ = inputs.load_batches(own)[0]
        assert images.shape == (4, 32, 32, 3)
        assert images.dtype == np.float32
        assert 0.9 * largest < images.max() <= largest
        assert own.images.endswith(f"{name}.npz")


def test_of_several_ports_they_are_random_and_depend_on_the_seed():
    case = Case(name="x", network=two_branches(), batch_size=5, batches=2)
    (batch, other) = inputs.load_batches(case)
    assert [x.shape for x in batch.images] == [(5, 7), (5, 6, 5, 3)]
    assert {x.dtype.name for x in batch.images} == {"float32"}
    assert [y.shape for y in batch.labels] == [(5,)]
    assert (batch.images[1] != other.images[1]).any()
    np.testing.assert_array_equal(
        inputs.load_batches(case)[1].images[0], other.images[0]
    )
    assert case.images == "random numbers"
    assert list(inputs.choose_losses(on_the_way()).values()) == ["cross_entropy", "mse"]


def test_several_ports_have_initial_weights_and_no_other_size(tmp_path):
    path = tmp_path / "network.json"
    path.write_text(pl.network.dumps(two_branches()))
    assert Setting().make_case(str(path), 4, 1).trained_epochs == 0
    with pytest.raises(EngineError, match="must have initial weights; got 'two branch"):
        Setting(trained=(1,)).make_case(str(path), 4, 1)
    with pytest.raises(NetworkError, match="must have one input of images to be resi"):
        resize_input(two_branches(), 32)
