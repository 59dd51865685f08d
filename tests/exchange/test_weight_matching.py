"""Weights of other programs onto a network: by name, by order, by neighbours."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

import pellucid as pl
import pellucid.network
from pellucid import exchange
from pellucid.cli import main

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn


class Block(nn.Module):
    """A residual block as torchvision has it: the shortcut is listed last."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


class Theirs(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.block = Block(4, 6, 2)
        self.fc = nn.Linear(6 * 4 * 4, 5)

    def forward(self, x):
        return self.fc(torch.flatten(self.block(self.stem(x)), 1))


def conv_norm(x, channels, kernel_size=3, stride=1):
    x = pl.Conv2D(
        channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        bias=False,
    )(x)
    return pl.BatchNorm(epsilon=1e-5)(x)


def ours(*, is_shortcut_first):
    """The same network, its shortcut before or behind the body."""
    image = pl.Input(8, 8, 3)
    x = pl.Conv2D(4, kernel_size=3, padding=1)(image)
    if is_shortcut_first:
        shortcut = conv_norm(x, 6, 1, 2)
    y = conv_norm(pl.ReLU()(conv_norm(x, 6, stride=2)), 6)
    if not is_shortcut_first:
        shortcut = conv_norm(x, 6, 1, 2)
    y = pl.ReLU()(pl.Add()(y, shortcut))
    return pl.Network(inputs=image, outputs=pl.Dense(5)(pl.Flatten()(y)))


@pytest.fixture
def theirs():
    torch.manual_seed(0)
    module = Theirs().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_()
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 1.5)
    return module


IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)


def right(module):
    with torch.no_grad():
        return module(torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).copy())).numpy()


def wrap(state, kind):
    prefixed = {f"module.{name}": array for name, array in state.items()}
    extra = {"epoch": 3, "best": np.float64(0.5), "args": argparse.Namespace(lr=0.1)}
    optimizer = {"state": {0: {"momentum.buffer": torch.ones(2)}}}
    return {
        "plain": state,
        "module.": prefixed,
        "state_dict": {"state_dict": prefixed, "optimizer": optimizer, **extra},
        "model": {"model": state, **extra},
        "net": {"checkpoint": {"net": prefixed}},
    }[kind]


@pytest.mark.parametrize("is_shortcut_first", [True, False])
@pytest.mark.parametrize("kind", ["plain", "module.", "state_dict", "model", "net"])
def test_checkpoints_come_onto_the_network(
    kind, is_shortcut_first, theirs, tmp_path, agree
):
    path = tmp_path / "weights.ckpt"
    torch.save(wrap(theirs.state_dict(), kind), path)
    network = ours(is_shortcut_first=is_shortcut_first)
    model = exchange.read(path, engine="numpy", network=network)
    agree(model.predict(IMAGES), right(theirs))
    matches = exchange.match_weights(path, network)
    assert [match.weight for match in matches] == [w.name for w in network.weights]
    last = {match.weight: match.key for match in matches}["dense.weight"]
    assert last.endswith("fc.weight")


def test_names_count_before_order(tmp_path, agree):
    torch.manual_seed(1)
    pair = nn.ModuleDict({"second": nn.Linear(4, 4), "first": nn.Linear(4, 4)})
    torch.save(pair.state_dict(), tmp_path / "weights.pth")
    network = pl.Sequential(
        pl.Input(4), pl.Dense(4, name="first"), pl.Dense(4, name="second")
    )
    model = exchange.read(tmp_path / "weights.pth", engine="numpy", network=network)
    x = np.eye(4, dtype=np.float32)
    with torch.no_grad():
        expected = pair["second"](pair["first"](torch.from_numpy(x))).numpy()
    agree(model.predict(x), expected)


def test_layers_side_by_side_are_ambiguous(tmp_path):
    image = pl.Input(8, 8, 3)
    stem = pl.Conv2D(2, kernel_size=1)(image)
    both = [pl.Conv2D(2, kernel_size=3)(stem) for _ in range(2)]
    network = pl.Network(inputs=image, outputs=pl.Add()(*both))
    a, b = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)
    parts = nn.ModuleDict({"left": a, "right": b, "stem": nn.Conv2d(3, 2, 1)})
    torch.save(parts.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(pl.ExchangeError, match=r"must be told apart.*left, right"):
        exchange.read(tmp_path / "weights.pth", engine="numpy", network=network)


def test_what_does_not_fit_is_named(theirs, tmp_path):
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    image = pl.Input(8, 8, 3)
    network = pl.Network(inputs=image, outputs=conv_norm(image, 7))
    with pytest.raises(
        pl.ExchangeError, match=r"of the network have none .conv2d "
    ) as e:
        exchange.read(tmp_path / "weights.pth", engine="numpy", network=network)
    assert "of the file are left (stem " in str(e.value)


def test_two_sets_of_weights_are_ambiguous(theirs, tmp_path):
    state = theirs.state_dict()
    torch.save({"model": state, "model_ema": state}, tmp_path / "weights.pth")
    network = ours(is_shortcut_first=False)
    with pytest.raises(
        pl.ExchangeError, match=r"got model, model_ema.*\(FILE\)\['model'\]"
    ):
        exchange.read(tmp_path / "weights.pth", engine="numpy", network=network)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "must hold a state_dict; got a dict of epoch"),
        ([1, 2], "must hold a state_dict; got a list"),
    ],
)
def test_files_without_weights_are_refused(content, message, tmp_path):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(pl.ExchangeError, match=message):
        exchange.read(
            tmp_path / "weights.pth", engine="numpy", network=pl.zoo("resnet20")
        )


def test_pickled_modules_are_refused(theirs, tmp_path):
    torch.save(theirs, tmp_path / "weights.pth")
    with pytest.raises(
        pl.ExchangeError,
        match=r"as no code of a file is run; got an object of [\w.]+\.Theirs",
    ):
        exchange.read(
            tmp_path / "weights.pth", engine="numpy", network=pl.zoo("resnet20")
        )


def test_import_shows_each_match(theirs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save(theirs.state_dict(), "weights.pth")
    network = ours(is_shortcut_first=True)
    (tmp_path / "net.json").write_text(pl.network.dumps(network))
    assert main(["import", "weights.pth"]) == 2
    assert "--network NAME" in capsys.readouterr().err
    command = ["import", "weights.pth", "--network", "net.json"]
    assert not main(command)
    shown = capsys.readouterr().out
    assert "block.downsample.0.weight" in shown
    assert not main([*command, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert "block.downsample.0.weight" in document["matches"].values()


class Recurrent(nn.Module):
    """Two layers of two directions, and the other kinds."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.read = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.gated = nn.GRU(8, 2, batch_first=True)
        self.plain = nn.RNN(2, 2, batch_first=True)
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        for layer in (self.read, self.gated, self.plain):
            x = layer(x)[0]
        return self.head(x[:, -1])


def test_recurrent_modules_are_layers_and_directions(tmp_path):
    """Two biases are one, but in a GRU."""
    module = Recurrent()
    torch.save(module.state_dict(), tmp_path / "w.pth")

    def both():
        return pl.Bidirectional(pl.LSTM(4, return_sequences=True))

    gated, plain = pl.GRU(2, return_sequences=True), pl.SimpleRNN(2)
    network = pl.Sequential(pl.Input(5, 3), both(), both(), gated, plain, pl.Dense(3))
    model = exchange.read(tmp_path / "w.pth", network=network, engine="numpy")
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    expected = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(model.predict(x), expected, atol=1e-6)
    exchange.write(model, tmp_path / "back.pt")
    back = exchange.read(tmp_path / "back.pt", network=network, engine="numpy")
    np.testing.assert_array_equal(back.predict(x), model.predict(x))
