"""Modules as people write them: each comes in with PyTorch's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

torch = pytest.importorskip("torch", reason="torch is not installed")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")
PIXELS = 4 * 6 * 6  # behind the convolution of an 8 × 8 image


class Module(nn.Module):
    """A body, a head, and what is done between; ``forward`` gets all three."""

    def __init__(self, forward, *, inputs=PIXELS):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Conv2d(1, 4, 3), nn.Linear(inputs, 3)
        self.gain = nn.Parameter(torch.rand(4) + 0.5)
        self.register_buffer("mean", torch.tensor(0.13).reshape(1, 1, 1, 1))
        self.register_buffer("std", torch.tensor(0.31))
        self.register_buffer("grid", torch.rand(1, 4, 6, 6))
        self.between = forward

    def forward(self, x):
        return self.between(self, x)


def between(function, **more):
    """Return a module that does something to the body's image."""
    return Module(lambda m, x: m.head(torch.flatten(function(m, m.body(x)), 1)), **more)


def before(function):
    """Return a module that does something to the input."""
    return Module(lambda m, x: m.head(torch.flatten(m.body(function(m, x)), 1)))


def pooled(function):
    """Return a module that makes a vector of the body's image."""
    return Module(lambda m, x: m.head(function(m.body(x))), inputs=4)


def layers(*inner, inputs=PIXELS):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), *inner, nn.Flatten(), nn.Linear(inputs, 3))


gap = nn.AdaptiveAvgPool2d
MODULES = {
    # nothing in evaluation
    "Dropout": lambda: layers(nn.Dropout(0.3), nn.Dropout(0.3, inplace=True)),
    "Dropout2d": lambda: layers(nn.Dropout2d(0.3), nn.Dropout2d(0.3, inplace=True)),
    "Dropout3d": lambda: layers(nn.Dropout3d(0.3)),
    "AlphaDropout": lambda: layers(nn.AlphaDropout(0.3)),
    "FeatureAlphaDropout": lambda: layers(nn.FeatureAlphaDropout(0.3)),
    "Dropout1d": lambda: nn.Sequential(
        nn.Flatten(), nn.Dropout1d(0.3), nn.Linear(64, 3)
    ),
    "F.dropout2d": lambda: between(lambda m, x: F.dropout2d(x, 0.3, m.training)),
    "F.alpha_dropout": lambda: between(
        lambda m, x: F.alpha_dropout(x, 0.3, m.training)
    ),
    "Identity": lambda: layers(nn.Identity()),
    "contiguous": lambda: between(lambda m, x: x.contiguous().clone().detach()),
    "float": lambda: between(lambda m, x: x.float().to(torch.float32)),
    "RReLU": lambda: layers(nn.RReLU()),
    # constants
    "(x - mean) / std": lambda: before(lambda m, x: (x - 0.13) / 0.31),
    "with buffers": lambda: before(lambda m, x: (x - m.mean) / m.std),
    "1 - x": lambda: before(lambda m, x: 1 - x),
    "rsub with alpha": lambda: before(lambda m, x: torch.rsub(x, 1.5, alpha=2)),
    "sub with alpha": lambda: before(lambda m, x: torch.sub(x, 1.5, alpha=2)),
    "add with alpha": lambda: before(lambda m, x: torch.add(x, 1.5, alpha=2)),
    "2 * x + 1": lambda: before(lambda m, x: 1 + 2 * x),
    "x * 255 / 2": lambda: before(lambda m, x: x * 255 / 2),
    "-x": lambda: before(lambda m, x: -x),
    "in place": lambda: between(lambda m, x: x.sub_(0.1).div_(2.0).mul_(3.0).add_(1)),
    "by channel": lambda: between(lambda m, x: x * m.gain.view(1, -1, 1, 1)),
    "value - value": lambda: between(lambda m, x: x - F.relu(x)),
    # activations
    "PReLU": lambda: layers(nn.PReLU()),
    "PReLU by channel": lambda: slopes(nn.PReLU(4)),
    "GroupNorm": lambda: layers(nn.GroupNorm(2, 4)),
    "InstanceNorm2d": lambda: layers(nn.InstanceNorm2d(4)),
    "PReLU of equal slopes": lambda: layers(nn.PReLU(4)),
    "clamp": lambda: between(lambda m, x: x.clamp(min=0)),
    "x * sigmoid(x)": lambda: between(lambda m, x: torch.sigmoid(x) * x),
    "functional": lambda: between(lambda m, x: F.silu(F.gelu(F.leaky_relu(x, 0.2)))),
    # shapes
    "squeeze twice": lambda: pooled(lambda x: gap(1)(x).squeeze(-1).squeeze(-1)),
    "squeeze of two": lambda: pooled(lambda x: gap(1)(x).squeeze((2, 3))),
    "squeeze all": lambda: pooled(lambda x: F.relu(gap(1)(x)).squeeze()),
    "unsqueeze": lambda: pooled(
        lambda x: gap(1)(x).flatten(1).unsqueeze(-1).unsqueeze(-1).flatten(1)
    ),
    "view": lambda: Module(lambda m, x: m.head(m.body(x).view(x.size(0), -1))),
    "view of -1": lambda: Module(lambda m, x: m.head(m.body(x).view(-1, PIXELS))),
    "reshape": lambda: Module(lambda m, x: m.head(m.body(x).reshape(x.shape[0], -1))),
    "flatten from behind": lambda: Module(lambda m, x: m.head(m.body(x).flatten(-3))),
    "flatten twice": lambda: Module(
        lambda m, x: m.head(m.body(x).flatten(1).flatten(start_dim=1))
    ),
    "mean of rows, of columns": lambda: pooled(lambda x: x.mean(3).mean(2)),
    "mean of both": lambda: pooled(lambda x: x.mean((-2, -1))),
    "mean of pixels": lambda: pooled(lambda x: x.flatten(2).mean(-1)),
    "mean of a view": lambda: pooled(lambda x: x.view(x.size(0), 4, -1).mean(2)),
    "F.adaptive_avg_pool2d": lambda: pooled(
        lambda x: F.adaptive_avg_pool2d(x, (1, 1)).view(x.size(0), -1)
    ),
    "a pool of its own size": lambda: layers(gap(6)),
    "a pool of uneven bins": lambda: layers(gap(4), inputs=64),
    "a pool that divides": lambda: layers(gap((3, 2)), inputs=24),
    "log-softmax inside": lambda: between(lambda m, x: F.elu(F.log_softmax(x, 1))),
    "sequences": lambda: nn.Sequential(
        nn.Flatten(2),
        nn.Conv1d(1, 4, 5, stride=2),
        nn.ConvTranspose1d(4, 4, 4, 2, 1),
        nn.Upsample(scale_factor=2),
        nn.Upsample(size=31, mode="linear"),
        nn.ReflectionPad1d(2),
        nn.AdaptiveMaxPool1d(6),
        nn.GLU(1),
        nn.Flatten(),
        nn.Linear(12, 3),
    ),
    "volumes": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 1)),
        nn.Conv3d(1, 3, (1, 3, 3), padding=(1, 0, 0)),
        nn.AvgPool3d((2, 3, 3), 2, (0, 1, 1)),
        nn.MaxPool3d((1, 2, 2)),
        nn.Flatten(),
        nn.Linear(3, 2),
    ),
    "paddings": lambda: layers(
        nn.ReflectionPad2d(1),
        nn.ReplicationPad2d((1, 0, 0, 2)),
        nn.CircularPad2d(1),
        nn.ConstantPad2d(1, 0.5),
        nn.MaxPool2d(3, 2, 1, dilation=2),
        nn.Upsample(scale_factor=2, mode="bicubic"),
        gap((3, 2)),
        nn.LayerNorm([4, 3, 2]),
        inputs=24,
    ),
    "reductions": lambda: Module(
        lambda m, x: m.head(
            F.normalize(m.body(x), dim=1).logsumexp(2).amax(2) / m.body(x).std((2, 3))
        ),
        inputs=4,
    ),
    "constants": lambda: Module(
        lambda m, x: m.head(
            torch.stack([m.grid * m.body(x), m.body(x) / (1 + m.grid)], 2)[:, :, 0]
            .roll(1, 3)
            .sum((2, 3))
        ),
        inputs=4,
    ),
    "AdaptiveMaxPool2d": lambda: layers(nn.AdaptiveMaxPool2d(1), inputs=4),
}
REFUSED = {
    "floor division": (
        lambda: before(lambda m, x: torch.div(x, 2, rounding_mode="floor")),
        "rounding_mode=None",
    ),
}
TURNED = {
    "transposed": lambda x: x.transpose(2, 3),
    "permuted": lambda x: x.permute(0, 1, 3, 2),
    "swapped": lambda x: x.swapaxes(-1, -2),
    "turned": lambda x: x.mT,
    "channels between": lambda x: x.permute(0, 2, 1, 3),
}
LOGARITHMS = {
    "LogSoftmax": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(64, 3), nn.LogSoftmax(1)
    ),
    "F.log_softmax": lambda: Module(
        lambda m, x: F.log_softmax(m.head(m.body(x).flatten(1)), dim=-1)
    ),
    "log of softmax": lambda: Module(
        lambda m, x: torch.log(F.softmax(m.head(m.body(x).flatten(1)), dim=1))
    ),
}


class Positions(nn.Module):
    """EdgeNeXt's encoding: sines of places that the sizes alone decide, convolved."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.mix = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.body(x)
        n, _, height, width = x.shape
        seen = ~torch.zeros((n, height, width)).to(dtype=torch.bool)
        rows = seen.cumsum(1, dtype=torch.float32)
        rows = rows / (rows[:, -1:, :] + 1e-6) * 6.28
        scale = torch.arange(4).to(torch.float32)
        scale = 100 ** (2 * torch.div(scale, 2, rounding_mode="floor") / 4)
        at = rows[:, :, :, None] / scale
        sines = torch.stack((at[..., 0::2].sin(), at[..., 1::2].cos()), dim=4)
        return x + self.mix(sines.flatten(3).permute(0, 3, 1, 2))


def test_what_sizes_alone_decide_is_a_constant_that_layers_may_read():
    model = exchange.read(Positions(), engine="numpy", input_shape=(8, 9, 1))
    x = np.random.default_rng(0).normal(size=(3, 8, 9, 1)).astype(np.float32)
    expected = Positions()(torch.from_numpy(x.transpose(0, 3, 1, 2)))
    got = model.predict(x).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(got, expected.detach().numpy(), atol=1e-5)


def slopes(module):
    with torch.no_grad():
        module.weight.copy_(torch.arange(4) / 10)
    return layers(module)


def outputs(module):
    """Return what the module and what came in make of the same images."""
    x = np.random.default_rng(1).normal(size=(3, 1, 8, 8)).astype(np.float32)
    back = exchange.read(module, engine="numpy", input_shape=(8, 8, 1))
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(x)).numpy()
    return back.predict(x.transpose(0, 2, 3, 1)), expected


@pytest.mark.parametrize("name", MODULES)
def test_a_module_gives_pytorch_s_numbers(name):
    got, expected = outputs(MODULES[name]())
    assert np.allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("name", LOGARITHMS)
def test_a_log_softmax_at_the_end_comes_in_as_itself(name):
    module = LOGARITHMS[name]()
    got, expected = outputs(module)
    assert np.allclose(got, expected, atol=1e-5)
    back = exchange.read(module, engine="numpy", input_shape=(8, 8, 1))
    assert [type(n.layer) for n in back.network.nodes].count(pl.LogSoftmax) == 1


def test_cross_entropy_of_a_log_softmax_is_the_likelihood_loss_of_pytorch():
    module = LOGARITHMS["LogSoftmax"]()
    x = np.random.default_rng(1).normal(size=(3, 8, 8, 1)).astype(np.float32)
    labels = np.array([0, 2, 1])
    first = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    wanted = F.nll_loss(module(first), torch.from_numpy(labels))
    wanted.backward()
    back = exchange.read(module, engine="numpy", input_shape=(8, 8, 1)).file()
    model = pl.Model(back.network, engine="numpy", loss="cross_entropy")
    model.load_weights(back.weights)
    loss, gradients = model.gradients(x, labels)
    assert loss == pytest.approx(wanted.item(), rel=1e-5)
    (weight,) = (g for name, g in gradients.items() if name.endswith(".weight"))
    np.testing.assert_allclose(weight.T, module[1].weight.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", TURNED)
def test_a_module_may_end_in_other_axes(name):
    module = Module(lambda m, x: TURNED[name](m.body(x)))
    model = exchange.read(module, engine="numpy", input_shape=(8, 8, 1))
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(model.predict(images), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_layer_is_refused(name):
    module, said = REFUSED[name]
    with pytest.raises(pl.ExchangeError, match=said):
        exchange.read(module(), engine="numpy", input_shape=(8, 8, 1))


def test_reading_leaves_the_module_as_it_was():
    mine = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.ReLU())
    mine.train()
    mine[1].eval()  # frozen on purpose
    mine[0].weight.requires_grad_(False)
    mine[0].bias.grad = torch.ones(4)
    calls = []
    mine[0].register_forward_pre_hook(lambda *_: calls.append(1))
    modes = [part.training for part in mine.modules()]
    state = {name: tensor.clone() for name, tensor in mine.state_dict().items()}
    generator = torch.random.get_rng_state()
    exchange.read(mine, engine="numpy", input_shape=(8, 8, 3))
    assert [part.training for part in mine.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert not mine[0].weight.requires_grad
    assert mine[0].bias.requires_grad
    assert torch.equal(mine[0].bias.grad, torch.ones(4))
    assert len(mine[0]._forward_pre_hooks) == 1
    assert all(torch.equal(state[k], v) for k, v in mine.state_dict().items())


def test_a_module_that_is_refused_keeps_its_mode():
    mine = Module(lambda m, x: m.head(torch.flatten(torch.linalg.svd(x)[1], 1)))
    mine.train()
    with pytest.raises(pl.ExchangeError):
        exchange.read(mine, engine="numpy", input_shape=(8, 8, 1))
    assert mine.training
    assert mine.body.training
