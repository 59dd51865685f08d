"""Quantization-aware training: prepared, trained, kept, and written as integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange, recipes
from pellucid.cli import main
from pellucid.code import write_script
from pellucid.exchange.int8.folding import fold_batch_norms
from pellucid.exchange.int8.quantization import needed_ranges
from pellucid.exchange.litert.lower import build_graph
from pellucid.verify import check_gradients


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 96)
    colours = labels[:, None, None, None] * np.array([45, 0, 20])
    images = random.integers(0, 120, (96, 6, 6, 3)) + colours
    return images.clip(0, 255).astype(np.uint8), labels


IMAGES, LABELS = data()


@pytest.fixture(scope="module")
def trained() -> pl.Model:
    """A float model with norms, and every activation that is limited or curved."""
    image = pl.Input(6, 6, 3)
    x = pl.Conv2D(8, kernel_size=3, padding="same", bias=False, name="first")(image)
    x = pl.ReLU6()(pl.BatchNorm()(x))
    y = pl.HardSwish()(pl.Conv2D(8, kernel_size=3, groups=8, padding="same")(x))
    x = pl.GlobalAvgPool2D()(pl.GELU()(pl.Add()(x, y)))
    network = pl.Network(inputs=image, outputs=pl.Softmax()(pl.Dense(4)(x)))
    model = pl.Model(
        network,
        engine="numpy",
        loss="cross_entropy",
        optimizer=pl.Adam(5e-3),
        preprocessing=pl.Preprocessing.unit(),
    )
    model.fit((IMAGES, LABELS), epochs=2, batch_size=16, progress=False)
    return model


@pytest.fixture(scope="module")
def aware(trained: pl.Model) -> pl.Model:
    """The same, trained with weights of 4 bits."""
    model = exchange.prepare_qat(trained, IMAGES, weight_bits=4)
    model.fit((IMAGES, LABELS), epochs=2, batch_size=16, progress=False)
    return model


def test_untrained_it_is_post_training_quantization(trained: pl.Model) -> None:
    prepared = exchange.prepare_qat(trained, IMAGES)
    kinds = [type(node.layer).__name__ for node in prepared.network.nodes]
    assert "BatchNorm" not in kinds
    assert kinds.count("FakeQuantized") == 3
    assert prepared.network.outputs == trained.network.outputs
    after = exchange.quantize(trained, IMAGES, engine="numpy")
    found = exchange.quantize(prepared, engine="numpy")
    assert found.network.outputs == after.network.outputs
    assert dict(found.network.shapes) == dict(after.network.shapes)
    for name, array in after.weights.items():
        if name.endswith((".factor", ".bias")):
            np.testing.assert_allclose(found.weights[name], array, rtol=1e-6, atol=1)
        else:
            np.testing.assert_array_equal(found.weights[name], array, err_msg=name)
    steps = (found.predict(IMAGES) - after.predict(IMAGES)) * 256
    assert np.abs(steps).max() <= 1


def test_what_it_computes_is_what_the_integers_compute(aware: pl.Model) -> None:
    integers = exchange.quantize(aware, engine="numpy")
    assert set(np.unique(integers.weights["first.weight"])) <= set(range(-7, 8))
    assert np.abs(integers.weights["first.weight"]).max() == 7
    difference = np.abs(integers.predict(IMAGES) - aware.predict(IMAGES))
    assert difference.max() < 3 / 256
    # while the weights themselves are trained unrounded
    assert len(np.unique(aware.weights["first.weight"])) > 100


def shared_convolutions() -> pl.Network:
    """Two convolutions of one weight, of which one has a norm behind it."""
    image, convolve = pl.Input(6, 6, 3), pl.Conv2D(3, kernel_size=3, padding="same")
    x = pl.ReLU()(pl.BatchNorm()(convolve(image)))
    return pl.Network(inputs=image, outputs=pl.Flatten()(convolve(x)))


def shared_norm() -> pl.Network:
    """Two convolutions with one norm behind both."""
    image, norm = pl.Input(6, 6, 3), pl.BatchNorm()
    x = pl.ReLU()(norm(pl.Conv2D(3, kernel_size=3, padding="same")(image)))
    x = norm(pl.Conv2D(3, kernel_size=3, padding="same")(x))
    return pl.Network(inputs=image, outputs=pl.Flatten()(x))


def sequences() -> pl.Network:
    """Sequences, with norms behind a convolution, and before and behind others."""
    return pl.Sequential(
        pl.Input(9, 3),
        pl.BatchNorm(),
        pl.Conv1D(5, kernel_size=3, stride=2, padding="same", bias=False),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.BatchNorm(),
        pl.MaxPool1D(2),
        pl.Flatten(),
        pl.Dense(3),
    )


def interpolation() -> pl.Network:
    """Pixels enlarged by whole factors."""
    return pl.Sequential(
        pl.Input(4, 3, 1),
        pl.Conv2D(2, kernel_size=2),
        pl.Upsample2D((2, 3), mode="bilinear"),
        pl.Flatten(),
    )


@pytest.mark.parametrize(
    "make", [shared_convolutions, shared_norm, sequences, interpolation]
)
def test_prepared_it_computes_what_the_model_and_its_integers_do(
    make: Callable[[], pl.Network],
) -> None:
    random = np.random.default_rng(1)
    model = pl.Model(make(), engine="numpy", seed=2)
    norms = ("scale", "offset", "running_mean", "running_variance")
    drawn = {
        name: random.uniform(0.5, 1.5, np.shape(array)).astype(np.float32)
        for name, array in model.weights.items()
        if name.endswith(norms)
    }
    model.load_weights({**model.weights, **drawn})
    x = random.normal(size=(16, *model.network.input_shape)).astype(np.float32)
    expected = model.predict(x)
    aware = exchange.prepare_qat(model, x, weight_bits=7)
    assert np.abs(aware.predict(x) - expected).max() < 0.06 * np.abs(expected).max()
    integers = exchange.quantize(aware, engine="numpy")
    for node in integers.network.nodes:
        if f"{node.name}.factor" in integers.weights and "norm" not in node.name:
            assert np.abs(integers.weights[f"{node.name}.weight"]).max() == 63
    step = integers.network.nodes[-1].layer.input.scale
    assert np.abs(integers.predict(x) - aware.predict(x)).max() < 3.1 * step


def test_training_recovers_what_few_bits_cost(
    trained: pl.Model, aware: pl.Model
) -> None:
    def loss(model: pl.Model) -> float:
        return float(model.evaluate((IMAGES, LABELS))["loss"])

    assert loss(aware) < loss(exchange.prepare_qat(trained, IMAGES, weight_bits=4))


def test_a_run_goes_on_where_it_stopped(trained: pl.Model, tmp_path: Any) -> None:
    def fit(folder: str, epochs: int, **how: Any) -> pl.Model:
        model = exchange.prepare_qat(trained, IMAGES)
        given = {"batch_size": 32, "progress": False, "run": tmp_path / folder}
        model.fit((IMAGES, LABELS), epochs=epochs, **given, **how)
        return model

    whole = fit("whole", 2)
    fit("cut", 1)
    cut = fit("cut", 2, resume=True)
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(cut.weights[name], array)
    whole.save(tmp_path / "aware.pellucid")
    back = pl.load(tmp_path / "aware.pellucid", engine="numpy")
    assert back.network == whole.network
    np.testing.assert_array_equal(back.predict(IMAGES), whole.predict(IMAGES))


def test_prepared_again_it_has_new_ranges(aware: pl.Model) -> None:
    again = exchange.prepare_qat(aware, IMAGES // 2, weight_bits=4)
    assert [n.name for n in again.network.nodes] == [
        n.name for n in aware.network.nodes
    ]
    for name, array in aware.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)
    first, other = (
        m.network.node("input_fake_quantize").layer.output.scale for m in (aware, again)
    )
    assert other == pytest.approx(first / 2, rel=0.05)


@pytest.mark.parametrize("name", ["a.int8.tflite", "a.tflite", "a.onnx", "a.mjs"])
def test_files_compute_the_same_in_their_runtime(
    name: str, aware: pl.Model, tmp_path: Any
) -> None:
    if name.endswith("tflite"):
        pytest.importorskip("ai_edge_litert.interpreter")
    if name.endswith("onnx"):
        pytest.importorskip("onnxruntime")
    path = exchange.write(aware, tmp_path / name)
    found = exchange.verify_export(aware, path, IMAGES[:16])
    if found.runtime is None:
        pytest.skip("there is no Node.js")
    assert found.difference < 3 / 256  # another order of sums may round elsewhere


def test_commands_prepare_it_train_it_and_export_it_without_images(
    trained: pl.Model, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained.save("a.pellucid")
    np.savez("data.npz", images=IMAGES, labels=LABELS)
    how = ["--data", "data.npz", "--epochs", "1", "--engine", "numpy", "--run", "on"]
    how += ["--quantize-aware", "--weight-bits", "4"]
    assert not main(["train", "--from", "a.pellucid", *how])
    assert not main(["export", "on", "--to", "c", "--int8", "--data", "data.npz"])
    assert not main(["convert", "a.aware.pellucid", "converted.int8.c"])
    assert (tmp_path / "converted.int8.c").is_file()
    assert (tmp_path / "runs" / "on" / "on.int8.c").stat().st_size > 1000
    names = "runs/on/best.pellucid", "a.aware.pellucid"
    on, prepared = (pl.load(name, engine="numpy") for name in names)
    assert on.network == prepared.network
    assert on.network.node("first").layer.bits == 4
    assert not np.array_equal(
        on.weights["first.weight"], trained.weights["first.weight"]
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["mnist-torch", "--quantize-aware"], "--from RUN, whose weights and ranges"),
        (["mnist-torch", "--weight-bits", "4"], "must go with --quantize-aware; got 4"),
        (
            ["--from", "a", "--quantize-aware", "--classes", "3"],
            "given without --classes; got both. Train with --classes first",
        ),
    ],
)
def test_the_command_says_what_cannot_be_prepared(
    options: list[str],
    sentence: str,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *options]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_mobilenet_v2_has_an_int8_form() -> None:
    file = fold_batch_norms(pl.Model(pl.zoo("mobilenet-v2"), engine="numpy").file())
    kinds = Counter(type(node.layer).__name__ for node in file.network.nodes)
    assert kinds["BatchNorm"] == 0
    # the input, what products, sums and the mean make, limits being part of products
    values = 1 + kinds["Conv2D"] + kinds["Dense"] + kinds["Add"] + 1
    assert len(needed_ranges(build_graph(file))) == values


def test_scripts_and_gradient_checks_refuse_it(aware: pl.Model) -> None:
    with pytest.raises(pl.UnsupportedLayerError, match="pass straight through roundin"):
        check_gradients(aware.network)
    recipe = recipes.read("mnist-torch")
    with pytest.raises(pl.UnsupportedLayerError, match="passes straight through roun"):
        write_script(aware.network, "torch", recipe=recipe, data="mnist")


def test_what_does_not_fit_is_refused(
    trained: pl.Model, aware: pl.Model, tmp_path: Any
) -> None:
    with pytest.raises(pl.ExchangeError, match="must be quantized without images"):
        exchange.quantize(aware, IMAGES)
    with pytest.raises(pl.ExchangeError, match="must be calibrated on images; got no"):
        exchange.quantize(trained)
    with pytest.raises(pl.ExchangeError, match="training step must be that of a float"):
        exchange.write(aware, tmp_path / "a.wasm.mjs", train=True)
    layer = pl.FakeQuantized(pl.Dense(2), name="dense")
    few = pl.Model(pl.Sequential(pl.Input(4), layer), engine="numpy")
    with pytest.raises(pl.ExchangeError, match="got no FakeQuantize behind 'dense'"):
        exchange.quantize(few)
    back = exchange.read(exchange.write(aware, tmp_path / "a.onnx"), engine="numpy")
    (tmp_path / "a.onnx").unlink()
    with pytest.raises(pl.ExchangeError, match=r"from its \.pellucid file"):
        exchange.quantize(back, IMAGES)
    odd = pl.Model(pl.Sequential(pl.Input(4), pl.LayerNorm()), engine="numpy")
    with pytest.raises(pl.ExchangeError, match="no int8 form"):
        exchange.prepare_qat(odd, np.zeros((1, 4), np.float32))
    assert not list(tmp_path.iterdir())
