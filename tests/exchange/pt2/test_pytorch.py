"""PyTorch: archives, state_dicts and modules, out and in."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

torch = pytest.importorskip("torch", reason="torch is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


#: what ends as the module has its axes
AS_THE_MODULE = ("permute", "resize", "resize_bicubic")


def channels_first(array):
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def in_torch(module, images):
    with torch.no_grad():
        first = np.ascontiguousarray(channels_first(images))
        return module(torch.from_numpy(first)).numpy()


def test_zoo_archives_give_the_same_in_torch(zoo_model, images_of, agree, tmp_path):
    path = exchange.write(zoo_model, tmp_path / "model.pt2")
    module = torch.export.load(path).module()
    images = images_of(zoo_model)
    agree(in_torch(module, images), zoo_model.predict(images))
    back = exchange.read(path, engine="numpy")
    agree(back.predict(images), zoo_model.predict(images))


def test_every_layer_goes_out_and_comes_back(
    case_name, case_model, images_of, agree, tmp_path
):
    path = exchange.write(case_model, tmp_path / "model.pt2")
    images = images_of(case_model, 2)
    expected = case_model.predict(images)
    module = torch.export.load(path).module()
    agree(in_torch(module, images), channels_first(expected))
    back = exchange.read(path, engine="numpy").predict(images)
    if case_name in AS_THE_MODULE:
        expected = channels_first(expected)
    agree(back, expected)


def test_archives_are_read_without_torch(small_model, tmp_path, monkeypatch):
    path = exchange.write(small_model, tmp_path / "model.pt2")
    monkeypatch.setitem(sys.modules, "torch", None)
    back = exchange.read(path, engine="numpy")
    images = np.ones((2, 6, 6, 1), np.float32)
    np.testing.assert_array_equal(back.predict(images), small_model.predict(images))
    assert back.classes == ("a", "b", "c")
    assert back.preprocessing == small_model.preprocessing


def test_a_pickled_tensor_in_an_archive_is_refused(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.pt2")
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    listing = next(name for name in entries if "model_weights_config" in name)
    config = json.loads(entries[listing])
    next(iter(config["config"].values()))["use_pickle"] = True
    entries[listing] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(pl.ExchangeError, match="must be raw numbers"):
        exchange.read(path, engine="numpy")


def test_a_state_dict_fits_its_network_again(zoo_model, tmp_path):
    path = exchange.write(zoo_model, tmp_path / "model.pt")
    state = torch.load(path, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    back = exchange.read(path, engine="numpy", network=zoo_model.network)
    for name, array in zoo_model.weights.items():
        np.testing.assert_array_equal(back.weights[name], array)


def test_a_hand_written_module_takes_the_state_dict(
    model_of, images_of, agree, tmp_path
):
    model = model_of(pl.zoo("mnist-torch"))
    path = exchange.write(model, tmp_path / "model.pt")
    nn = torch.nn
    layers = {
        "conv2d": nn.Conv2d(1, 32, 3, padding=1),
        "conv2d_relu": nn.ReLU(),
        "max_pool2d": nn.MaxPool2d(2),
        "conv2d_1": nn.Conv2d(32, 64, 3, padding=1),
        "conv2d_1_relu": nn.ReLU(),
        "max_pool2d_1": nn.MaxPool2d(2),
        "flatten": nn.Flatten(),
        "dense": nn.Linear(3136, 128),
        "dense_relu": nn.ReLU(),
        "dense_1": nn.Linear(128, 10),
    }
    module = nn.Sequential()
    for name, layer in layers.items():
        module.add_module(name, layer)
    module.load_state_dict(torch.load(path, weights_only=True))
    images = images_of(model)
    agree(in_torch(module, images), model.predict(images))


def test_a_state_dict_without_a_network_is_refused(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.pt")
    with pytest.raises(
        pl.ExchangeError,
        match="must be read with the network that its weights belong to",
    ):
        exchange.read(path, engine="numpy")


def test_another_networks_state_dict_is_refused(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.pt")
    with pytest.raises(
        pl.ExchangeError, match=r"weights must be those of the network, layer by layer"
    ):
        exchange.read(path, engine="numpy", network=pl.zoo("lenet5"))


class _Harmful:
    def __reduce__(self):
        return (open, ("written_by_a_pickle", "w"))


def test_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"w": _Harmful()}))
    torch.save({"w": _Harmful()}, tmp_path / "zipped.pt")
    rules = {
        "model.pt": "must be a whole state_dict",
        "zipped.pt": "must hold tensors and plain values, as no code of a file is run",
    }
    for name, rule in rules.items():
        with pytest.raises(pl.ExchangeError, match=rule):
            exchange.read(tmp_path / name, engine="numpy", network=pl.zoo("lenet5"))
    assert not (tmp_path / "written_by_a_pickle").exists()


class Net(torch.nn.Module):
    """What people write: a flatten in (C, H, W), a residual, an uneven padding."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.linear = nn.Linear(64, 5)
        self.last = nn.LayerNorm(5)

    def forward(self, x):
        functional = torch.nn.functional
        x = torch.relu(self.norm(self.conv(x)))
        x = x + self.up(functional.max_pool2d(x, 2, ceil_mode=True))
        x = functional.avg_pool2d(x, 2)
        x = functional.interpolate(x, scale_factor=2, mode="bilinear")
        x = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1)), 2)
        x = functional.gelu(x).view(x.size(0), -1)
        x = functional.silu(self.linear(functional.dropout(x, 0.5, self.training)))
        return torch.softmax(self.last(x), 1)


def test_a_module_and_its_exported_program_come_in(agree):
    torch.manual_seed(0)
    module = Net().eval()
    module.norm.running_mean.normal_()
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    expected = in_torch(module, images)
    ours = exchange.read(module, engine="numpy", input_shape=(8, 8, 3))
    agree(ours.predict(images), expected)
    program = torch.export.export(module, (torch.zeros(1, 3, 8, 8),))
    agree(exchange.read(program, engine="numpy").predict(images), expected)


def test_a_module_without_its_inputs_shape_is_refused():
    with pytest.raises(pl.ExchangeError, match="must come with input_shape="):
        exchange.read(torch.nn.Linear(2, 3), engine="numpy")


def test_an_operator_that_no_layer_expresses_is_named(tmp_path):
    class Sums(torch.nn.Module):
        def forward(self, x):
            return torch.cumsum(x, 1)

    module = torch.nn.Sequential(torch.nn.Linear(3, 4), Sums())
    with pytest.raises(pl.ExchangeError, match=r"aten\.cumsum 'cumsum' .*must be"):
        exchange.read(module, engine="numpy", input_shape=(3,))


class Squares(torch.nn.Module):
    """What a local response norm is made of, and something else at the end."""

    def __init__(self, ends):
        super().__init__()
        self.ends = ends

    def forward(self, x):
        pad, pool = torch.nn.functional.pad, torch.nn.functional.avg_pool3d
        squares = pad((x * x).view(-1, 1, 4, 5, 5), (0, 0, 0, 0, 1, 1))
        return self.ends(x, pool(squares, (3, 1, 1), stride=1).squeeze(1))


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (lambda x, y: y, "the square of"),
        (lambda x, y: x * y.mul(2.0).add(1.0).pow(2), "aten.mul 'mul_2' must"),
        (lambda x, y: x / y.add(1.0), "aten.div 'div' must"),
        (lambda x, y: (x + 1) / y.add(1.0).pow(2), "another value divided"),
    ],
)
def test_half_a_local_response_norm_is_refused(ends, said, tmp_path):
    program = torch.export.export(Squares(ends), (torch.randn(2, 4, 5, 5),))
    torch.export.save(program, tmp_path / "half.pt2")
    with pytest.raises(pl.ExchangeError, match=said):
        exchange.read(tmp_path / "half.pt2", engine="numpy")
