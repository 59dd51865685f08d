"""Copies and pickles: of models with all that training changes, and of their parts."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.objectives import Loss, Optimizer

IMAGES = np.random.default_rng(0).integers(0, 255, (24, 6, 6, 1), np.uint8)
LABELS = np.arange(24) % 3
ENGINES = ["numpy", "compiled", "torch", "tensorflow", "jax"]
COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
}


def network() -> pl.Network:
    return pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(2, kernel_size=3),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.Flatten(),
        pl.Dropout(0.3),
        pl.Dense(3),
    )


def trained(engine: str = "numpy") -> pl.Model:
    data = pl.Dataset(IMAGES, LABELS, ("a", "b", "c"))
    given: dict[str, Any] = {"loss": "cross_entropy", "optimizer": pl.Adam(0.01)}
    model = pl.Model(network(), engine=engine, seed=4, **given)
    model.fit(data, batch_size=8, clip_norm=1.0, progress=False)
    return model


@pytest.mark.parametrize(
    ("way", "engine"),
    [*[(way, "numpy") for way in COPIES], *[("pickle", e) for e in ENGINES[1:]]],
)
def test_a_copy_of_a_model_goes_on_alike_and_by_itself(way: str, engine: str) -> None:
    pytest.importorskip({"compiled": "llvmlite"}.get(engine, engine))
    model = trained(engine)
    other = COPIES[way](model)
    assert other.engine.name == engine
    assert (other.classes, other.epochs, other.seed) == (("a", "b", "c"), 1, 4)
    assert (other.loss, other.optimizer) == (model.loss, model.optimizer)
    assert other.output_meaning == model.output_meaning
    before = model.state()
    for name, array in other.state().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    how: dict[str, Any] = {"batch_size": 8, "clip_norm": 1.0, "progress": False}
    history = other.fit((IMAGES, LABELS), **how)
    after = model.state()
    for name, array in before.items():  # the copy's training is its own
        np.testing.assert_array_equal(array, after[name], err_msg=name)
    assert model.fit((IMAGES, LABELS), **how)["loss"] == history["loss"]


def test_a_model_goes_to_another_process() -> None:
    model = trained()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        going = pool.starmap_async(pl.Model.predict, [(model, IMAGES)])
        (found,) = going.get(timeout=300)
    np.testing.assert_array_equal(found, model.predict(IMAGES))


def test_options_of_an_engine_are_kept() -> None:
    engine = pl.engines.make("compiled", threads=1, winograd=False)
    found = pickle.loads(pickle.dumps(engine))
    assert found.threads == 1
    assert found._options == engine._options  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", COPIES)
def test_a_network_is_copied(way: str) -> None:
    original = network().frozen("dense").renamed("mine")
    found = COPIES[way](original)
    assert found == original
    assert (found.name, found.outputs) == ("mine", original.outputs)


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize(
    "part",
    [
        pl.Conv2D(3, kernel_size=3, name="c"),
        pl.Input(4, 4, 1),
        pl.Preprocessing(scale=(0.5,)),
        pl.Augment(shift=2),
        pl.CrossEntropy(label_smoothing=0.1),
        pl.Adam(0.1),
        pl.WarmUp(3, then=pl.Cosine()),
        pl.EarlyStopping(),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_describes_is_copied(part: Any, way: str) -> None:
    assert COPIES[way](part) == part


@pytest.mark.parametrize("way", COPIES)
def test_data_histories_and_weights_are_copied(way: str) -> None:
    data = COPIES[way](pl.Dataset(IMAGES, LABELS, ("a", "b", "c")))
    np.testing.assert_array_equal(data.images, IMAGES)
    assert data.classes == ("a", "b", "c")
    assert COPIES[way](pl.History([{"loss": 1.0}]))["loss"] == [1.0]
    weights = trained().weights
    found = COPIES[way](weights)
    assert list(found) == list(weights)
    np.testing.assert_array_equal(found["dense.weight"], weights["dense.weight"])


def test_a_deep_copy_of_weights_can_be_written_and_put_back() -> None:
    model = trained()
    kept = copy.deepcopy(model.weights)
    kept["dense.weight"][...] = 0
    model.load_weights(kept)
    assert not model.weights["dense.weight"].any()
    with pytest.raises(ValueError, match="read-only"):
        model.weights["dense.weight"][...] = 1
    assert set(model.weights | {"more": np.zeros(1)}) == {*model.weights, "more"}


def test_a_pickle_holds_no_code_but_the_names_of_constructors() -> None:
    import pickletools

    named = {
        argument
        for code, argument, _ in pickletools.genops(pickle.dumps(trained(), protocol=2))
        if code.name == "GLOBAL"
    }
    assert named == {
        "pellucid.model.copying from_bytes",
        "pellucid.engines.registry _remake",
        "_codecs encode",  # bytes, in this protocol
    }


# -- losses and optimizers of one's own --------------------------------------------


class Mine(Loss):
    """The squared error, written as a user would."""

    name = "mine"

    def value_and_grad(self, output: Any, labels: Any) -> Any:  # type: ignore[override]
        error = output - labels.reshape(output.shape)
        return (error * error).mean(), 2 * error / error.size


class Sharper(pl.CrossEntropy):
    """A built-in one with another formula."""

    def value_and_grad(self, *given: Any, **named: Any) -> Any:
        value, grad = super().value_and_grad(*given, **named)
        return 2 * value, 2 * grad


class Signs(pl.SGD):
    """An optimizer with another update."""

    def update(self, weight: Any, grad: Any, slots: Any, *, rate: float, step: int):  # type: ignore[no-untyped-def]
        weight -= rate * np.sign(grad)


def own(loss: Any, optimizer: Any = "sgd", engine: str = "numpy") -> pl.Model:
    net = pl.Sequential(pl.Input(6, 6, 1), pl.Flatten(), pl.Dense(3))
    return pl.Model(net, engine=engine, loss=loss, optimizer=optimizer)


def test_a_loss_of_ones_own_trains_on_numpy_as_it_is_written() -> None:
    targets = np.random.default_rng(0).random((24, 3))
    how: dict[str, Any] = {"epochs": 2, "batch_size": 20, "progress": False}
    ours = own("mse").fit((IMAGES, targets), **how)
    mine = own(Mine()).fit((IMAGES, targets), validation_split=0.0, **how)
    assert mine["loss"] == pytest.approx(ours["loss"], rel=1e-5)
    assert own(Sharper()).fit((IMAGES, LABELS), **how)["loss"][0] > 1.5
    with pytest.raises(
        pl.NetworkError, match="Mine: value_and_grad must take sample_w"
    ):
        own(Mine()).fit((IMAGES, targets), sample_weight=np.ones(24), **how)


@pytest.mark.parametrize("engine", ENGINES[1:])
@pytest.mark.parametrize(
    ("loss", "optimizer", "what"),
    [
        (Mine(), "sgd", "loss"),
        (Sharper(), "sgd", "loss"),
        ("mse", Signs(), "optimizer"),
    ],
)
def test_other_engines_refuse_what_is_ones_own_by_name(
    loss: Loss | str, optimizer: Optimizer | str, what: str, engine: str
) -> None:
    pytest.importorskip({"compiled": "llvmlite"}.get(engine, engine))
    message = f"engine '{engine}': {what} must be one of .* engine='numpy' runs it"
    with pytest.raises(pl.UnsupportedObjectiveError, match=message):
        own(loss, optimizer, engine)
    with pytest.raises(pl.UnsupportedObjectiveError, match=message):
        own(loss, optimizer).to(engine)


def test_what_is_ones_own_is_copied_but_stands_in_no_file(tmp_path: Any) -> None:
    model = own(Mine(), Signs())
    assert isinstance(copy.deepcopy(model).loss, Mine)
    with pytest.raises(pl.ExchangeError, match="pickle: loss must be one"):
        pickle.dumps(model)
    model.save(tmp_path / "m.pellucid")
    assert pl.load(tmp_path / "m.pellucid", engine="numpy").loss is None
    again = pl.load(
        tmp_path / "m.pellucid", engine="numpy", loss=Mine(), optimizer="sgd"
    )
    assert isinstance(again.loss, Mine)


def test_a_model_from_another_program_is_trained_on(tmp_path: Any) -> None:
    path = tmp_path / "m.npz"
    pl.exchange.write(own("mse"), path)
    bare = pl.exchange.read(path, engine="numpy")
    assert (bare.loss, bare.optimizer) == (None, None)
    read = pl.exchange.read(path, engine="numpy", loss="mse", optimizer=pl.SGD(0.1))
    assert read.fit((IMAGES, np.zeros((24, 3))), progress=False)["loss"]
    net = pl.Sequential(pl.Input(6, 6, 1), pl.Flatten(), pl.Dense(2, name="head"))
    moved = bare.transfer(net, loss="cross_entropy", optimizer="adam")
    assert moved.fit((IMAGES, LABELS % 2), progress=False)["accuracy"]
    with pytest.raises(pl.NetworkError, match="loss: must be one of"):
        pl.exchange.read(path, loss="sharp")
