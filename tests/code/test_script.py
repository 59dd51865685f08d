"""Scripts: they run without pellucid, compute the same, and are what ruff likes."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid import recipes
from pellucid.code import FRAMEWORKS, file_name, write_script
from pellucid.data.mnist import FOLDER
from pellucid.network import ZOO
from pellucid.runs.recipe import Recipe

pytestmark = pytest.mark.sweep(every=2)

NEEDS = {"numpy": "numpy", "torch": "torch", "keras": "keras", "jax": "optax"}
INSTALLED = tuple(f for f in FRAMEWORKS if importlib.util.find_spec(NEEDS[f]))
ROOT = Path(__file__).parents[2]


def recipe_of(network: pl.Network, **changes: Any) -> Recipe:
    base = {"network": "lenet5", "data": {"source": "digits"}}
    source = recipes.read(network.name) if network.name in ZOO else None
    return source or Recipe.parse(base | changes, origin="test")


def every_layer() -> pl.Network:
    """A network with all that the four frameworks can say alike."""
    image = pl.Input(28, 28, 1)
    x = pl.Conv2D(4, kernel_size=3, stride=2, padding="same", bias=False)(image)
    x = pl.ReLU()(pl.BatchNorm(momentum=0.8, epsilon=1e-3)(x))
    y = pl.Conv2D(4, kernel_size=3, padding=1, activation="gelu")(x)
    z = pl.Conv2D(6, kernel_size=(1, 3), padding="same", activation="silu")(x)
    x = pl.Concat()(pl.Add()(x, y), z, y)
    x = pl.LeakyReLU(0.1)(pl.MaxPool2D(3, stride=2, padding="same")(x))
    x = pl.ZeroPad2D(((1, 0), (0, 2)))(x)
    x = pl.Tanh()(pl.ConvTranspose2D(5, kernel_size=3, stride=2)(x))
    x = pl.Upsample2D(2, mode="bilinear")(pl.AvgPool2D(2)(x))
    x = pl.Upsample2D(2)(pl.AvgPool2D((2, 3), stride=(2, 1))(x))
    x = pl.Dropout(0.25)(pl.LayerNorm()(pl.Dense(3)(x)))
    y = pl.Sigmoid()(pl.GlobalAvgPool2D()(x))
    x = pl.Dense(8, activation="softmax")(pl.Dropout(0.5)(pl.Flatten()(x)))
    y = pl.LogSoftmax()(y)
    return pl.Network(
        inputs=image, outputs=pl.Dense(10)(pl.Concat()(x, y)), name="every-layer"
    )


def moved_elements() -> pl.Network:
    """Slices, reshapes and permutations of images and of tokens."""
    image = pl.Input(28, 28, 1)
    x = pl.Conv2D(6, kernel_size=3, stride=4, activation="tanh")(image)
    low, high = pl.Split((2, 4))(x)
    x = pl.Concat()(
        high,
        low,
        pl.Slice((4, 5), (1, None), (-2, 1), axis=(2, 1))(
            pl.Concat(axis=1)(pl.Slice(0, 5, axis=1)(x), x)
        ),
    )
    x = pl.Slice((-1, 0), (None, -1), (-2, 1), axis=(0, 1))(x)
    x = pl.Reshape((8, 4, -1))(pl.Permute((1, 0, 2))(x))
    x = pl.Crop2D(((0, 1), (0, 0)))(pl.PadChannels(1, 5)(pl.ChannelShuffle(3)(x)))
    x = pl.SpaceToDepth(2)(pl.DepthToSpace(2, order="CRD")(x))
    x = pl.SpaceToDepth(1, order="CRD")(pl.Crop2D(((0, 1), (0, 0)))(x))
    x = pl.AvgPool2D(2)(pl.DepthToSpace(2)(x))
    x = pl.Conv2D(4, kernel_size=2, bias=False)(x)
    fine, coarse = pl.Reshape((-1, 2))(x), pl.Reshape((-1, 2))(pl.AvgPool2D(2)(x))
    x = pl.Concat(axis=0)(fine, coarse)
    x = pl.Dense(3)(pl.Permute((1, 0))(pl.Slice(1, None, 2, axis=0)(x)))
    return pl.Network(
        inputs=image, outputs=pl.Dense(10)(pl.Flatten()(x)), name="moved-elements"
    )


def every_function() -> pl.Network:
    """A network with all functions of each element, and one of one's own."""
    kinds = [
        *(pl.ReLU6(), pl.Clip(-1, 2), pl.Clip(minimum=-0.5), pl.HardSigmoid()),
        *(pl.HardSwish(), pl.ELU(1.5), pl.ELU(), pl.Softplus(), pl.Mish()),
        pl.Elementwise(lambda x: x * pl.math.sigmoid(1.702 * x)),
        pl.Elementwise(
            lambda x: (
                pl.math.maximum(x, -0.3)
                - pl.math.erf(x) / 2
                + pl.math.where(x > 0, 1, 2)
            )
        ),
    ]
    return pl.Sequential(
        pl.Input(28, 28, 1),
        pl.AvgPool2D(2),
        *(layer for kind in kinds for layer in (pl.Dense(3), kind)),
        pl.Flatten(),
        pl.Dense(10),
        name="every-function",
    )


def shared_layers() -> pl.Network:
    """Layers called twice, in a row and on two branches."""
    image = pl.Input(28, 28, 1)
    x = pl.Conv2D(4, kernel_size=5, stride=3, activation="tanh")(image)
    conv = pl.Conv2D(4, kernel_size=3, padding="same", activation="relu")
    norm, each = pl.BatchNorm(momentum=0.7), pl.LayerNorm()
    x = norm(conv(norm(conv(x))))
    dense, first = pl.Dense(5, activation="sigmoid"), pl.Dense(5)
    left, right = first(pl.GlobalAvgPool2D()(x)), first(pl.GlobalMaxPool2D()(x))
    x = pl.Add()(each(dense(dense(left))), each(right))
    return pl.Network(inputs=image, outputs=pl.Dense(10)(x), name="shared-layers")


OWN = {
    "every-layer": every_layer,
    "every-function": every_function,
    "moved-elements": moved_elements,
    "shared-layers": shared_layers,
}


def spread(network: pl.Network) -> dict[str, np.ndarray]:
    """Weights none of which is 0 or 1 by default."""
    random = np.random.default_rng(5)
    return {
        name: array + np.abs(random.standard_normal(array.shape)).astype("f") / 10
        for name, array in network.initial_weights(3).items()
    }


def write(
    network: pl.Network, framework: str, folder: Path, **more: Any
) -> tuple[Path, ...]:
    script = write_script(
        network, framework, recipe=recipe_of(network), data=str(FOLDER), **more
    )
    return script.write(folder / file_name(network, framework))


def outputs(framework: str, names: dict[str, Any], images: np.ndarray) -> np.ndarray:
    """What the script's own functions compute from its weights."""
    if framework == "torch":
        import torch

        model = names["make_model"]()
        model.load_state_dict(names["load_file"](names["WEIGHTS"]))
        model.eval()
        with torch.no_grad():
            return model(names["tensor"](images)).numpy()
    if framework == "keras":
        model = names["make_model"]()
        names["load_weights"](model, names["WEIGHTS"])
        return model.predict(images, verbose=0)
    rng = np.random.default_rng(0)
    arrays = [names["load_weights"](names["initial_weights"](rng))]
    if "initial_statistics" in names:
        arrays.append(names["load_weights"](names["initial_statistics"](rng)))
    return names["logits"](*arrays, images)


@pytest.mark.parametrize("framework", INSTALLED)
@pytest.mark.parametrize("name", [*sorted(ZOO), *OWN])
def test_a_script_with_weights_gives_the_network_s_logits(
    name: str, framework: str, tmp_path: Path
) -> None:
    network = OWN[name]() if name in OWN else pl.zoo(name)
    weights = spread(network)
    path, _ = write(network, framework, tmp_path, weights=weights)
    names = runpy.run_path(str(path), run_name="script")
    images = np.random.default_rng(1).random((3, *network.input_shape), "f") * 2 - 1
    is_exact = recipe_of(network).dtype == "float64" and framework in ("numpy", "jax")
    found = outputs(framework, names, images.astype("f8") if is_exact else images)
    model = pl.Model(network, engine="numpy")
    model.load_weights(weights)
    loss = pl.CrossEntropy()
    wanted = model.activations(images)
    head = network.node(network.outputs[0])
    is_absorbed = type(head.layer).__name__ == loss.absorbs and framework != "keras"
    target = wanted[head.inputs[0] if is_absorbed else head.name]
    scale = np.abs(target).max()
    np.testing.assert_allclose(found, target, rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize("name", [*sorted(ZOO), *OWN])
def test_scripts_are_formatted_and_pass_ruff(name: str, tmp_path: Path) -> None:
    network = OWN[name]() if name in OWN else pl.zoo(name)
    for framework in FRAMEWORKS:
        for weights in (None, network.initial_weights(0)):
            folder = tmp_path / ("with" if weights else "without")
            folder.mkdir(exist_ok=True)
            write(network, framework, folder, weights=weights)
    if name in ZOO:
        check(["format", "--diff"], tmp_path)
    check(["check", "--extend-ignore", "T20"], tmp_path)


def check(command: list[str], folder: Path) -> None:
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    ruff = [sys.executable, "-m", "ruff", *command, *config, str(folder)]
    run = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("framework", INSTALLED)
def test_a_script_runs_and_learns_without_pellucid(
    framework: str, tmp_path: Path
) -> None:
    network = pl.zoo("lenet5")
    (path,) = write(network, framework, tmp_path)
    assert "pellucid" not in path.read_text().replace(str(FOLDER), "")
    command = [sys.executable, "-I", str(path), "--limit", "4096", "--epochs", "1"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    last = run.stdout.splitlines()[-1]
    assert last.startswith("test accuracy: ")
    assert float(last.split()[2]) > 60


@pytest.mark.parametrize("name", OWN)
def test_the_numpy_script_s_derivatives_are_the_engine_s(
    name: str, tmp_path: Path
) -> None:
    network = OWN[name]()
    dropouts = [node.name for node in network.nodes if "dropout" in node.name]
    network = network.with_settings({f"{dropout}.rate": 0 for dropout in dropouts})
    weights = {k: a.astype("f8") for k, a in spread(network).items()}
    path, _ = write(network, "numpy", tmp_path, weights=weights)
    names = runpy.run_path(str(path), run_name="script")
    model = pl.Model(network, engine="numpy", loss="cross_entropy", dtype="float64")
    model.load_weights(weights)
    random = np.random.default_rng(2)
    images, labels = random.standard_normal((4, 28, 28, 1)), np.arange(4)
    loss, grads = model.gradients(images, labels)
    statistics = {k: a.copy() for k, a in weights.items() if "running" in k}
    more = (statistics, images, random) if statistics else (images,)
    v = names["forward"](weights, *more)
    value, grad = names["loss_and_grad"](v[network.outputs[0]], labels)
    found = names["backward"](weights, v, grad)
    assert value == pytest.approx(loss, rel=1e-12)
    assert found.keys() == grads.keys()
    for name, wanted in grads.items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-9, atol=1e-12)


def gates() -> pl.Network:
    """Products, differences, sums and maxima of values of other shapes."""
    image = pl.Input(6, 6, 1)
    x = pl.Conv2D(4, kernel_size=3)(image)
    gate = pl.Dense(4, activation="sigmoid")(pl.GlobalAvgPool2D()(x))
    y = pl.Subtract()(pl.Multiply()(x, gate), pl.Conv2D(1, kernel_size=1)(x))
    z = pl.Maximum()(gate, pl.Add()(y, pl.AvgPool2D((4, 4))(x), x))
    return pl.Network(inputs=image, outputs=pl.Dense(4)(pl.Flatten()(z)))


def channelwise(framework: str) -> pl.Network:
    """Norms of groups and lengths, slopes and constants per channel."""
    scale = 0.5 if framework == "keras" else (0.5, 2.0, 1.0, -1.0)
    slopes = pl.LeakyReLU() if framework == "keras" else pl.PReLU()
    shared = pl.ReLU() if framework == "keras" else pl.PReLU(shared=True)
    return pl.Sequential(
        pl.Input(7, 6, 1),
        pl.Rescale(2.0, -0.5),
        pl.Conv2D(4, kernel_size=3),
        pl.GroupNorm(2),
        slopes,
        pl.Rescale(scale, 0.1),
        pl.Conv2D(6, kernel_size=2),
        pl.InstanceNorm(),
        pl.L2Normalize(),
        shared,
        pl.GlobalMaxPool2D(),
        pl.Dense(4),
    )


@pytest.mark.parametrize("framework", INSTALLED)
def test_norms_and_slopes_are_the_engine_s(framework: str, tmp_path: Path) -> None:
    check_numbers(framework, channelwise(framework), tmp_path)


@pytest.mark.parametrize("framework", INSTALLED)
def test_gates_are_the_engine_s(framework: str, tmp_path: Path) -> None:
    check_numbers(framework, gates(), tmp_path)


@pytest.mark.parametrize("framework", [f for f in INSTALLED if f != "keras"])
def test_local_response_norms_are_the_engine_s(framework: str, tmp_path: Path) -> None:
    network = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(7, kernel_size=3),
        pl.LocalResponseNorm(size=5, alpha=2.0, beta=0.6, bias=1.5),
        pl.Flatten(),
        pl.Dense(4),
    )
    check_numbers(framework, network, tmp_path)


def check_numbers(framework: str, network: pl.Network, tmp_path: Path) -> None:
    """Compare a script's outputs with the engine's; NumPy's gradients as well."""
    weights = spread(network)
    path, _ = write(network, framework, tmp_path, weights=weights)
    names = runpy.run_path(str(path), run_name="script")
    model = pl.Model(network, engine="numpy", loss="cross_entropy")
    model.load_weights(weights)
    shape = (3, *network.input_shape)
    images = np.random.default_rng(1).standard_normal(shape).astype("f")
    found, wanted = outputs(framework, names, images), model.predict(images)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    if framework == "numpy":
        v = names["forward"](weights, images)
        _, grad = names["loss_and_grad"](v[network.outputs[0]], np.arange(3))
        grads = names["backward"](weights, v, grad)
        _, theirs = model.gradients(images, np.arange(3))
        for name, wanted in theirs.items():
            np.testing.assert_allclose(grads[name], wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
        {"name": "rmsprop"},
        {"name": "adamw", "beta1": 0.8},
        {"name": "adam", "epsilon": 0.01},
    ],
    ids=lambda optimizer: optimizer["name"],
)
@pytest.mark.parametrize("framework", [f for f in INSTALLED if f != "keras"])
def test_a_script_s_first_steps_are_the_engine_s(
    framework: str, optimizer: dict[str, Any], tmp_path: Path
) -> None:
    network = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(3, kernel_size=3, activation="tanh"),
        pl.Flatten(),
        pl.Dense(4),
    )
    recipe = recipe_of(
        network,
        optimizer={"learning_rate": 0.01, **optimizer},
        schedule={"name": "cosine"},
        clip_norm=0.5,
        shuffle=False,
        batch_size=4,
        loss={"name": "cross_entropy", "label_smoothing": 0.1},
    )
    weights = spread(network)
    script = write_script(
        network, framework, recipe=recipe, data="", weights=weights, name="small.py"
    )
    path, _ = script.write(tmp_path / "small.py")
    names = runpy.run_path(str(path), run_name="script")
    images = np.random.default_rng(0).standard_normal((12, 6, 6, 1)).astype("f")
    labels = np.arange(12) % 4
    found = trained(framework, names, images, labels)
    from pellucid.objectives import loss_from_json, optimizer_from_json

    model = pl.Model(
        network,
        engine="numpy",
        loss=loss_from_json(recipe.loss),
        optimizer=optimizer_from_json(recipe.optimizer),
    )
    model.load_weights(weights)
    fit = {"epochs": 2, "batch_size": 4, "shuffle": False, "clip_norm": 0.5}
    model.fit((images, labels), schedule="cosine", progress=False, **fit)
    wanted = model.predict(images)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.skipif("keras" not in INSTALLED, reason="keras is not installed")
def test_the_keras_script_smooths_labels_as_the_engine_does(tmp_path: Path) -> None:
    (path,) = write(pl.zoo("mnist-fast"), "keras", tmp_path)
    names = runpy.run_path(str(path), run_name="script")
    logits = np.random.default_rng(0).standard_normal((6, 10)).astype("f")
    labels = np.array([3, 1, 4, 1, 5, 9])
    # Keras hands labels over as floats
    found = names["smoothed_cross_entropy"](labels.astype("f")[:, None], logits)
    wanted, _ = pl.CrossEntropy(label_smoothing=0.1).value_and_grad(logits, labels)
    assert float(np.mean(found)) == pytest.approx(wanted, rel=1e-6)


def trained(framework: str, names: dict[str, Any], x: Any, y: Any) -> np.ndarray:
    """The script's outputs after two epochs of its own training."""
    if framework == "torch":
        import torch

        model = names["make_model"]()
        model.load_state_dict(names["load_file"](names["WEIGHTS"]))
        names["train"](model, names["tensor"](x), names["tensor"](y), 2)
        with torch.no_grad():
            return model(names["tensor"](x)).numpy()
    rng = np.random.default_rng(0)
    weights = names["load_weights"](names["initial_weights"](rng))
    after = names["train"](weights, x, y, 2, rng)
    return names["logits"](weights if after is None else after, x)


def odd_names() -> pl.Network:
    """A network that branches, with names that scripts have for other things."""
    image = pl.Input(6, 6, 1)
    x = pl.Conv2D(3, kernel_size=3, name="x")(image)
    a = pl.ReLU(name="class")(x)
    b = pl.Conv2D(3, kernel_size=1, name="train")(a)
    c = pl.Conv2D(3, kernel_size=1, name="layers")(pl.Tanh(name="inputs")(a))
    joined = pl.Concat(name="self")(b, c, pl.Conv2D(3, kernel_size=1, name="keras")(a))
    return pl.Network(
        inputs=image,
        outputs=pl.Dense(4, name="super")(pl.Flatten(name="torch")(joined)),
        name="odd-names",
    )


@pytest.mark.parametrize("framework", INSTALLED)
def test_nodes_may_have_any_name(framework: str, tmp_path: Path) -> None:
    network = odd_names()
    weights = spread(network)
    path, _ = write(network, framework, tmp_path, weights=weights)
    names = runpy.run_path(str(path), run_name="script")
    model = pl.Model(network, engine="numpy")
    model.load_weights(weights)
    shape = (3, *network.input_shape)
    images = np.random.default_rng(1).standard_normal(shape).astype("f")
    found, wanted = outputs(framework, names, images), model.predict(images)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.skipif("torch" not in INSTALLED, reason="torch is not installed")
def test_what_a_torch_module_has_is_no_name_for_a_node() -> None:
    from torch import nn

    from pellucid.code.torch.network import TAKEN

    public = {name for name in dir(nn.Module()) if not name.startswith("_")}
    assert public - {"T_destination"} <= TAKEN


@pytest.mark.skipif("torch" not in INSTALLED, reason="torch is not installed")
def test_each_array_of_a_torch_script_begins_as_the_network_says(
    tmp_path: Path,
) -> None:
    normal, half = pl.Normal(0.001), pl.Constant(0.5)
    network = pl.Sequential(
        pl.Input(8, 8, 1),
        pl.Conv2D(
            20, kernel_size=3, weight_initializer="he_normal", bias_initializer="zeros"
        ),
        pl.Flatten(),
        pl.Dense(9, bias_initializer=half),
        pl.Dense(4, bias_initializer=half),
    )
    (path,) = write(network, "torch", tmp_path)
    model = runpy.run_path(str(path), run_name="script")["make_model"]()
    conv, dense, last = model[0], model[2], model[3]
    assert conv.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.3)
    assert not conv.bias.any()
    assert dense.bias.tolist() == 9 * [0.5]
    assert last.bias.tolist() == 4 * [0.5]
    assert 0 < dense.weight.abs().max().item() <= 720**-0.5
    other = pl.Sequential(
        pl.Input(8, 8, 1),
        pl.Conv2D(2, kernel_size=3, weight_initializer=normal),
        pl.Conv2D(2, kernel_size=3),
        pl.Flatten(),
        pl.Dense(4),
    )
    with pytest.raises(pl.UnsupportedLayerError, match="begins in a way of its own"):
        write_script(other, "torch", recipe=recipe_of(other), data="")


@pytest.mark.skipif("torch" not in INSTALLED, reason="torch is not installed")
def test_a_torch_script_with_weights_and_a_schedule_may_train_no_epoch(
    tmp_path: Path, run_script: Any
) -> None:
    network = pl.zoo("mnist-torch")
    path, _ = write(network, "torch", tmp_path, weights=network.initial_weights(0))
    assert run_script(path, "--limit", "64").startswith("test accuracy: ")


@pytest.mark.parametrize("framework", INSTALLED)
@pytest.mark.parametrize("augment", [None, {"shift": 1}])
def test_a_recipe_s_validation_split_and_limit_are_the_script_s(
    framework: str, augment: dict[str, Any] | None, tmp_path: Path, run_script: Any
) -> None:
    network = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(10))
    recipe = recipe_of(
        network,
        data={"source": "mnist", "limit": 300},
        validation_split=0.3,
        augment=augment,
        epochs=1,
        batch_size=32,
        schedule={"name": "step", "every": 1},
    )
    script = write_script(network, framework, recipe=recipe, data=str(FOLDER))
    path = tmp_path / "held.py"
    script.write(path)
    check(["format", "--diff"], tmp_path)
    check(["check", "--extend-ignore", "T20"], tmp_path)
    said = run_script(path)
    if framework == "keras":
        assert "val_accuracy" in said
        assert "7/7" in said  # 210 of 300 images
    else:
        assert "\nvalidation accuracy: " in said
    assert said.splitlines()[-1].startswith("test accuracy: ")


def test_a_folder_may_be_called_anything() -> None:
    network = pl.zoo("lenet5")
    script = write_script(network, "numpy", recipe=recipe_of(network), data='a "b" {c}')
    assert 'default=Path("a \\"b\\" {c}")' in script.text
    compile(script.text, "script.py", "exec")


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_shared_weights_that_two_modules_would_hold_are_refused(framework: str) -> None:
    image = pl.Input(28, 28, 1)
    if framework == "torch":
        dense, small = pl.Dense(12), pl.AvgPool2D(14)(image)
        ends = [dense(pl.Flatten()(pl.Conv2D(3, kernel_size=1)(small)))]
        ends += [dense(pl.Dense(12)(pl.GlobalAvgPool2D()(image)))]
    else:  # whose "same" is these zeros at an odd size alone
        conv = pl.Conv2D(3, kernel_size=3, stride=2, padding=1)
        large = pl.Conv2D(1, kernel_size=1)(image)
        small = pl.Conv2D(1, kernel_size=2)(image)
        ends = [pl.GlobalAvgPool2D()(conv(x)) for x in (large, small)]
    network = pl.Network(inputs=image, outputs=pl.Dense(10)(pl.Add()(*ends)))
    with pytest.raises(pl.UnsupportedLayerError, match="shares, is written otherwise"):
        write_script(network, framework, recipe=recipe_of(network), data="")


def test_frozen_layers_are_refused() -> None:
    network = pl.zoo("lenet5").frozen("conv2d")
    with pytest.raises(pl.UnsupportedLayerError, match="Conv2D 'conv2d': it is frozen"):
        write_script(network, "torch", recipe=recipe_of(network), data="")


@pytest.mark.parametrize(
    ("framework", "layer", "reason"),
    [
        ("keras", pl.MaxPool2D(3, stride=2, padding=1), "pads pools by 'same'"),
        ("torch", pl.AvgPool2D(3, stride=2, padding="same"), "differs from side"),
        ("numpy", pl.Conv2D(4, kernel_size=3, groups=2), "its groups"),
        ("keras", pl.LocalResponseNorm(), "there is no such layer"),
        (
            "keras",
            pl.Conv2D(4, kernel_size=3, stride=2, dilation=2),
            "stride and dilate at once",
        ),
    ],
)
def test_what_a_framework_cannot_say_is_refused(
    framework: str, layer: pl.Layer, reason: str
) -> None:
    network = pl.Sequential(
        pl.Input(28, 28, 1),
        pl.Conv2D(2, kernel_size=1),
        layer,
        pl.Flatten(),
        pl.Dense(10),
    )
    with pytest.raises(pl.UnsupportedLayerError, match=reason):
        write_script(network, framework, recipe=recipe_of(network), data="")


@pytest.mark.parametrize("framework", INSTALLED)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_script_reads_a_folder_of_pictures(
    framework: str, channels: int, tmp_path: Path, run_script: Any
) -> None:
    for part, count in (("train", 4), ("test", 2)):
        for label, kind in enumerate(("leaf", "sky")):
            folder = tmp_path / "photos" / part / kind
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = np.full((9, 7, 3), 200 * label, np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    photos = str(tmp_path / "photos")
    network = pl.Sequential(pl.Input(8, 6, channels), pl.Flatten(), pl.Dense(2))
    recipe = recipe_of(network, data={"source": photos})
    script = write_script(network, framework, recipe=recipe, data="photos")
    (path,) = script.write(tmp_path / file_name(network, framework))
    check(["format", "--diff"], tmp_path)
    check(["check", "--extend-ignore", "T20"], tmp_path)
    names = runpy.run_path(str(path), run_name="script")
    for part, count in (("train", 4), ("test", 2)):
        images, labels = names["load"](Path(photos), part)
        assert images.shape == (2 * count, 8, 6, channels)
        assert sorted(labels) == count * [0] + count * [1]
        assert (images[labels == 0] < images[labels == 1]).all()
    whole = Path(photos) / "train"  # not divided: a fifth is for the test
    assert len(names["load"](whole, "test")[0]) == 2
    assert len(names["load"](whole, "train")[0]) == 6
    said = run_script(path, "--data", photos, "--epochs", "1")
    assert said.splitlines()[-1].startswith("test accuracy: ")


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_a_script_says_what_its_folder_must_hold(
    name: str, tmp_path: Path, run_script: Any, capsys: Any
) -> None:
    (path,) = write(pl.zoo(name), "numpy", tmp_path)
    with pytest.raises(SystemExit, match="2"):
        run_script(path, "--data", str(tmp_path))
    kind = "IDX" if name == "lenet5" else "CIFAR"
    assert f"--data must hold {kind}" in capsys.readouterr().err


def test_an_unknown_framework_is_refused() -> None:
    network = pl.zoo("lenet5")
    with pytest.raises(pl.RunError, match="must be one of numpy, torch, keras, jax"):
        write_script(network, "theano", recipe=recipe_of(network), data="")


def test_data_that_no_script_reads_is_refused() -> None:
    network = pl.Sequential(pl.Input(5, 5, 2), pl.Flatten(), pl.Dense(10))
    with pytest.raises(pl.RunError, match=r"got input shape \(5, 5, 2\)"):
        write_script(network, "torch", recipe=recipe_of(network), data="")


@pytest.mark.parametrize(
    ("framework", "change", "message"),
    [
        ("torch", {"schedule": {"name": "on_plateau"}}, "schedule must be one of"),
        ("jax", {"optimizer": {"name": "nadam"}}, "optimizer must be one of sgd, rms"),
        ("torch", {"augment": {"rotate": 10}}, "augment must be flip, crop and shift"),
        (
            "torch",
            {"early_stopping": {"patience": 2}},
            "must do without early_stopping",
        ),
        (
            "torch",
            {"loss": {"name": "mse"}},
            "loss must be 'cross_entropy' for the data",
        ),
        (
            "torch",
            {"data": {"source": "xor"}},
            "loss must be one of numbers for the data",
        ),
        ("torch", {"data": {"source": __file__}}, "must be what a few lines can read"),
        (
            "keras",
            {"optimizer": {"name": "adam", "epsilon": 0.1}},
            "epsilon must be left out",
        ),
        (
            "keras",
            {"optimizer": {"name": "rmsprop", "epsilon": 0.1}},
            "got epsilon=0.1",
        ),
        (
            "keras",
            {"optimizer": {"name": "sgd", "weight_decay": 0.1}, "clip_norm": 1.0},
            "weight_decay and clip_norm must not be given together",
        ),
    ],
)
def test_what_a_recipe_has_and_scripts_do_not_is_refused(
    framework: str, change: dict[str, Any], message: str
) -> None:
    network = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(10))
    with pytest.raises(pl.RunError, match=message):
        write_script(network, framework, recipe=recipe_of(network, **change), data="")


def test_a_named_data_set_has_images_of_one_size() -> None:
    network = pl.Sequential(pl.Input(32, 32, 1), pl.Flatten(), pl.Dense(10))
    recipe = recipe_of(network, data={"source": "mnist"})
    with pytest.raises(pl.RunError, match=r"as they lie in the data.*\(32, 32, 1\)"):
        write_script(network, "jax", recipe=recipe, data="")


def test_keras_takes_no_activation_that_is_not_the_loss_s() -> None:
    last = pl.Dense(10, activation="sigmoid")
    network = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), last)
    with pytest.raises(pl.UnsupportedLayerError, match="stands before it for the log"):
        write_script(network, "keras", recipe=recipe_of(network), data="")
