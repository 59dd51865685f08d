"""Another head on a model's weights: what is taken over, drawn anew, frozen."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl


def network() -> pl.Network:
    image = pl.Input(6, 6, 2)
    x = pl.Conv2D(3, kernel_size=3, name="first_conv", bias=False)(image)
    x = pl.ReLU()(pl.BatchNorm(name="first_norm")(x))
    x = pl.Conv2D(4, kernel_size=3, name="second_conv")(x)
    return pl.Network(
        inputs=image, outputs=pl.Dense(5, name="head")(pl.GlobalAvgPool2D()(x))
    )


@pytest.fixture
def model() -> pl.Model:
    return pl.Model(network(), engine="numpy", optimizer=pl.SGD(0.5), seed=3)


@pytest.fixture
def batch() -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).normal(size=(8, 6, 6, 2)).astype(np.float32)
    return images, np.arange(8) % 2


def test_the_head_is_new_and_all_else_is_taken_over_and_stays(
    model: pl.Model, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    other = model.transfer(classes=["cat", "dog"], loss="cross_entropy")
    assert other.network.output_shape == (2,)
    assert other.class_names == ("cat", "dog")
    assert [w.name for w in other.network.parameters] == ["head.weight", "head.bias"]
    before = other.weights
    other.train_step(*batch)
    for name, array in other.weights.items():
        assert np.array_equal(array, before[name]) == (not name.startswith("head."))
        if not name.startswith("head."):
            assert np.array_equal(array, model.weights[name])
    assert model.network == network()


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_frozen_batch_norm_uses_its_running_statistics_in_training(
    engine: str, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    model = pl.Model(network(), engine=engine)
    other = model.transfer(classes=2, loss="cross_entropy", optimizer=pl.SGD(0.1))
    there = other.activations(batch[0], training=True)["first_norm"]
    here = other.activations(batch[0])["first_norm"]
    np.testing.assert_array_equal(there, here)
    trained = model.activations(batch[0], training=True)["first_norm"]
    assert not np.allclose(trained, here, atol=1e-2)


def test_a_head_of_the_same_size_is_drawn_anew(model: pl.Model) -> None:
    model.load_weights({n: np.ones_like(a) for n, a in model.weights.items()})
    other = model.transfer(classes=5)
    assert not np.allclose(other.weights["head.weight"], 1)
    assert np.all(other.weights["second_conv.weight"] == 1)


@pytest.mark.parametrize(
    ("freeze", "trained"),
    [
        (False, ["first_conv", "first_norm", "second_conv", "head"]),
        (True, ["head"]),
        ("first", ["second_conv", "head"]),
        (["first_conv", "head"], ["first_norm", "second_conv"]),
    ],
)
def test_what_is_frozen_is_named(
    model: pl.Model, freeze: bool | str | list[str], trained: list[str]
) -> None:
    other = model.transfer(classes=3, freeze=freeze)
    nodes = dict.fromkeys(w.node for w in other.network.parameters)
    assert list(nodes) == trained


def test_the_whole_is_thawed_with_its_head(model: pl.Model) -> None:
    first = model.transfer(classes=("a", "b", "c"), loss="cross_entropy")
    second = first.transfer(freeze=False, optimizer=pl.SGD(0.01))
    assert second.network == first.network.with_settings(
        {f"{node}.trainable": True for node in ("first_conv", "first_norm")}
        | {"second_conv.trainable": True}
    )
    assert second.classes == ("a", "b", "c")
    for name, array in first.weights.items():
        assert np.array_equal(array, second.weights[name])
    assert second.loss == first.loss


def test_a_head_may_be_named(model: pl.Model) -> None:
    other = model.transfer(classes=7, head="second_conv")
    assert other.network.output_shape == (5,)
    assert other.network.shapes["second_conv"] == (2, 2, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, r"classes must be an int of at least 1; got classes=0"),
        ({"classes": []}, r"classes must be a number, or names that differ; got \[\]"),
        ({"classes": ["a", "a"]}, r"names that differ; got \['a', 'a'\]"),
        ({"classes": 2.5}, r"names that differ; got 2\.5"),
        ({"classes": "cat"}, r"names that differ; got 'cat'"),
        ({"classes": 2, "head": "tail"}, r"node must be one of .*; got 'tail'"),
        ({"classes": 2, "freeze": "third"}, r"what is frozen must be .* got 'third'"),
        ({"network": network(), "classes": 2}, r"must not be given with a network"),
    ],
)
def test_what_cannot_be_transferred_is_refused(
    model: pl.Model, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        model.transfer(**arguments)
