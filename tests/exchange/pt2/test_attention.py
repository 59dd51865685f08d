"""Attention as PyTorch's modules have it: each comes in with PyTorch's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

torch = pytest.importorskip("torch", reason="torch is not installed")
nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")


class Tokens(nn.Module):
    """Twelve tokens of six channels out of an image, and what is done with them."""

    def __init__(self, forward, **parts):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(1, 6, 2, 2)
        self.qkv, self.head = nn.Linear(6, 18), nn.Linear(6, 3)
        self.token = nn.Parameter(torch.rand(1, 1, 6))
        self.places = nn.Parameter(torch.rand(1, 13, 6))
        self.register_buffer("mask", torch.rand(12, 12))
        self.register_buffer("seen", torch.eye(12).bool())
        for name, part in parts.items():
            self.add_module(name, part)
        self.between = forward

    def heads(self, x):
        """Return queries, keys and values (N, 2, T, 3), as timm makes them."""
        cut = self.qkv(x).reshape(x.shape[0], x.shape[1], 3, 2, 3)
        return cut.permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x):
        return self.head(self.between(self, self.body(x).flatten(2).transpose(1, 2)))


def joined(x):
    return x.transpose(1, 2).flatten(2)


def written_out(m, x):
    q, k, v = m.heads(x)
    weights = (q * 3**-0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
    return joined(weights @ v)


def with_token(m, x):
    x = torch.cat((m.token.expand(x.shape[0], -1, -1), x), dim=1) + m.places
    return joined(F.scaled_dot_product_attention(*m.heads(x)))[:, 0]


def by_heads(m, x):
    """Heads joined with the batch, as in the first transformers."""
    n = x.shape[0]
    q, k, v = (y.reshape(n * 2, 12, 3) for y in m.heads(x))
    weights = torch.bmm(q, k.transpose(1, 2)).softmax(-1)
    y = torch.bmm(weights, v).reshape(n, 2, 12, 3)
    return y.permute(0, 2, 1, 3).reshape(n, 12, 6)


def in_windows(m, x):
    """Attention in windows of 2 × 2, joined with the batch, as Swin has it."""
    n = x.shape[0]
    x = x.view(n, 2, 2, 3, 1, 2, 3).permute(0, 1, 3, 2, 4, 5, 6)[..., :3]
    x = x.reshape(n * 6, 4, 3)
    weights = (x @ x.mT).view(n, 6, 4, 4) + m.mask[:6, :4, None]
    weights = weights.view(n * 6, 4, 4).softmax(-1)
    y = (weights @ x).view(n, 6, 2, 2, 3).permute(0, 1, 4, 2, 3)
    return m.narrow(y.reshape(n, 12, 6))


MODULES = {
    "written out": lambda: Tokens(written_out),
    "class token": lambda: Tokens(with_token),
    "heads with the batch": lambda: Tokens(by_heads),
    "windows with the batch": lambda: Tokens(in_windows, narrow=nn.LayerNorm(6)),
    "causal": lambda: Tokens(
        lambda m, x: joined(
            F.scaled_dot_product_attention(*m.heads(x), is_causal=True, scale=0.7)
        )
    ),
    "mask": lambda: Tokens(
        lambda m, x: joined(
            F.scaled_dot_product_attention(*m.heads(x), attn_mask=m.mask)
        )
    ),
    "mask of booleans": lambda: Tokens(
        lambda m, x: joined(
            F.scaled_dot_product_attention(*m.heads(x), attn_mask=m.seen)
        )
    ),
    "MultiheadAttention": lambda: Tokens(
        lambda m, x: m.mix(x, x, x, need_weights=False)[0],
        mix=nn.MultiheadAttention(6, 2, batch_first=True),
    ),
    "MultiheadAttention, tokens first": lambda: Tokens(
        lambda m, x: m.mix(*[x.transpose(0, 1)] * 3)[0].transpose(0, 1),
        mix=nn.MultiheadAttention(6, 2),
    ),
    "TransformerEncoderLayer": lambda: Tokens(
        lambda m, x: m.mix(x),
        mix=nn.TransformerEncoderLayer(6, 2, 8, activation="gelu", batch_first=True),
    ),
    "einsum": lambda: Tokens(
        lambda m, x: torch.einsum(
            "bts,bsc->btc", torch.einsum("btc,bsc->bts", x, x).softmax(-1), x
        )
    ),
}


@pytest.mark.sweep(every=3)
@pytest.mark.parametrize("name", MODULES)
def test_a_module_gives_pytorch_s_numbers(name):
    module = MODULES[name]().eval()
    x = np.random.default_rng(1).normal(size=(3, 1, 6, 8)).astype(np.float32)
    back = exchange.read(module, engine="numpy", input_shape=(6, 8, 1))
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    got = back.predict(x.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_products_over_the_batch_are_refused():
    def sums(m, x):
        rows = x.permute(1, 0, 2)
        return torch.bmm(rows, torch.bmm(rows.mT, rows))

    module = Tokens(sums)
    with pytest.raises(pl.ExchangeError, match="multiply matrices of a batch"):
        exchange.read(module, engine="numpy", input_shape=(6, 8, 1))


def test_a_state_dict_of_attention_is_matched(tmp_path):
    """Projections in one weight, a token and positions: by order and shape."""

    class Vit(nn.Module):
        def __init__(self):
            super().__init__()
            self.cls_token = nn.Parameter(torch.rand(1, 1, 6))
            self.pos_embed = nn.Parameter(torch.rand(1, 5, 6))
            self.mix = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x):
            x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), 1)
            x = x + self.pos_embed
            return self.mix(x, x, x, need_weights=False)[0]

    module = Vit().eval()
    torch.save(module.state_dict(), tmp_path / "weights.pth")
    entry = pl.Input(4, 6)
    x = pl.Concat(axis=0)(pl.Parameter((1, 6))(entry), entry)
    x = pl.Add()(x, pl.Parameter((5, 6))(x))
    network = pl.Network(inputs=entry, outputs=pl.MultiHeadAttention(2)(x))
    model = exchange.read(tmp_path / "weights.pth", network=network, engine="numpy")
    tokens = torch.randn(3, 4, 6)
    with torch.no_grad():
        expected = module(tokens).numpy()
    np.testing.assert_allclose(model.predict(tokens.numpy()), expected, atol=1e-5)
