"""Weights that others published, on networks of the zoo: by file, with outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn


class Scaled(nn.Module):
    """ConvNeXt's block: the scale of its channels is a parameter of the block."""

    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.tensor([0.5, -2.0, 3.0]))
        self.mlp = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return x + self.mlp(x) * self.gamma[None, :, None, None]


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Scaled()
        self.bn = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.bn(self.block(x)).mean((2, 3)))


def small() -> pl.Network:
    image = pl.Input(4, 4, 3)
    y = pl.Conv2D(3, kernel_size=1, name="block_mlp")(image)
    y = pl.Conv2D(3, kernel_size=1, groups=3, bias=False, name="block_gamma")(y)
    y = pl.BatchNorm(name="bn")(pl.Add()(image, y))
    return pl.Network(
        inputs=image, outputs=pl.Dense(2, name="fc")(pl.GlobalAvgPool2D()(y))
    )


@pytest.fixture
def module() -> object:
    torch.manual_seed(0)
    made = Small().eval()
    made.bn.running_mean.normal_()
    return made


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)


def run(module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy()


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_scale_of_channels_comes_in(module, tmp_path: Path, ending: str) -> None:
    from safetensors.torch import save_file

    path = tmp_path / f"weights.{ending}"
    save = torch.save if ending == "pth" else save_file
    save(module.state_dict(), str(path))
    model = exchange.read(path, engine="numpy", network=small())
    x = images(4, 4, 3)
    np.testing.assert_allclose(model.predict(x), run(module, x), atol=1e-6)
    keys = {m.weight: m.key for m in exchange.match_weights(path, small())}
    assert keys["block_gamma.weight"] == "block.gamma"
    assert keys["bn.running_variance"] == "bn.running_var"


def test_a_network_is_not_put_on_a_file_that_has_one(module, tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    exchange.write(pl.Model(small(), engine="numpy"), path)
    with pytest.raises(pl.ExchangeError, match=r"weights alone where a network is"):
        exchange.read(path, network=small())
    with pytest.raises(pl.ExchangeError, match=r"weights alone where a network is"):
        exchange.match_weights(path, small())


def test_safetensors_without_a_network_ask_for_one(module, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({**module.state_dict(), "fc.bias": torch.arange(2)}, str(path))
    with pytest.raises(pl.ExchangeError, match=r"Give the network that they belong"):
        exchange.read(path)
    with pytest.raises(pl.ExchangeError, match=r"'fc.bias' must be of floats; got int"):
        exchange.read(path, network=small())


def test_the_zoo_takes_a_checkpoint_of_another_number_of_classes(
    tmp_path: Path,
) -> None:
    network = pl.zoo("squeezenet", classes=3, input_size=(47, 47))
    made = pl.Model(network, engine="numpy", seed=5)
    path = tmp_path / "three.pth"
    exchange.write(made, path, format="state_dict")
    model = pl.zoo(
        "squeezenet", weights=path, classes=3, input_size=(47, 47), engine="numpy"
    )
    assert model.preprocessing == network.preprocessing
    for name, array in made.weights.items():
        np.testing.assert_array_equal(model.weights[name], array)
    with pytest.raises(pl.ExchangeError, match=r"must be those of the network"):
        pl.zoo("squeezenet", weights=path, engine="numpy")


def h5(path: Path, layers: dict[str, dict[str, np.ndarray]], root: str) -> None:
    """Write what Keras's older HDF5 holds of weights."""
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group(root) if root else file
        group.attrs["layer_names"] = [name.encode() for name in layers]
        if root:
            file.attrs["model_config"] = json.dumps({"class_name": "Other"})
        for name, arrays in layers.items():
            inner = group.create_group(name)
            keys = [f"{name}/{role}:0" for role in arrays]
            inner.attrs["weight_names"] = [key.encode() for key in keys]
            for key, array in zip(keys, arrays.values(), strict=True):
                inner[key] = array


@pytest.mark.parametrize("root", ["", "model_weights"])
def test_weights_of_keras_come_onto_a_network(tmp_path: Path, root: str) -> None:
    """Kernels of depthwise and 1×1 convolutions have other shapes there."""
    image = pl.Input(4, 4, 3)
    y = pl.Conv2D(6, kernel_size=3, groups=3, padding="same", name="dw")(image)
    y = pl.BatchNorm(name="norm")(y)
    network = pl.Network(
        inputs=image, outputs=pl.Dense(2, name="out")(pl.GlobalAvgPool2D()(y))
    )
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 3, 2)).astype(np.float32)
    norm = {
        role: random.uniform(0.5, 1, 6).astype(np.float32)
        for role in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    last = random.normal(size=(1, 1, 6, 2)).astype(np.float32)
    layers = {
        "input_1": {},
        "theirs_dw": {"depthwise_kernel": kernel, "bias": np.arange(6, dtype="f4")},
        "theirs_bn": norm,
        "preds": {"kernel": last, "bias": np.ones(2, np.float32)},
    }
    path = tmp_path / "theirs.h5"
    h5(path, layers, root)
    model = exchange.read(path, engine="numpy", network=network)
    weights = model.weights
    for channel in range(6):
        np.testing.assert_array_equal(
            weights["dw.weight"][:, :, 0, channel],
            kernel[:, :, channel // 2, channel % 2],
        )
    np.testing.assert_array_equal(weights["norm.offset"], norm["beta"])
    np.testing.assert_array_equal(weights["out.weight"], last[0, 0])
    keys = [match.key for match in exchange.match_weights(path, network)]
    assert f"{root}/preds/preds/kernel:0".lstrip("/") in keys


def test_a_norm_behind_other_layers_finds_its_weights(tmp_path: Path) -> None:
    """Keras lists a shortcut's convolution between a convolution and its norm."""
    image = pl.Input(4, 4, 2)
    short = pl.Conv2D(3, kernel_size=1, bias=False, name="short")(image)
    y = pl.Conv2D(3, kernel_size=3, padding=1, bias=False, name="conv")(image)
    y = pl.BatchNorm(name="norm")(y)
    network = pl.Network(inputs=image, outputs=pl.Add()(short, y))
    ones = np.ones(3, np.float32)
    layers = {
        "a": {"kernel": np.ones((3, 3, 2, 3), np.float32)},
        "b": {"kernel": np.ones((1, 1, 2, 3), np.float32)},
        "c": {
            "gamma": 2 * ones,
            "beta": ones,
            "moving_mean": ones,
            "moving_variance": ones,
        },
    }
    path = tmp_path / "theirs.h5"
    h5(path, layers, "")
    model = exchange.read(path, engine="numpy", network=network)
    np.testing.assert_array_equal(model.weights["norm.scale"], 2 * ones)


def test_keras_files_without_a_list_of_layers_are_refused(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "three.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("layers")
    with pytest.raises(pl.ExchangeError, match=r"must list its layers \(layer_names\)"):
        exchange.read(path, network=small(), format="h5")
    with pytest.raises(pl.ExchangeError, match=r"got weights alone.* --network NAME"):
        exchange.read(path, format="h5")
