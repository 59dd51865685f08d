"""ViT-Tiny (Dosovitskiy et al. 2021; the size is DeiT's), as timm has it."""

from __future__ import annotations

from pellucid.network.architectures.blocks import Point
from pellucid.network.composites.attention import attend, join_heads, split_heads
from pellucid.network.composites.base import Values
from pellucid.network.graph import Network
from pellucid.network.initializers import Normal
from pellucid.network.layers import (
    GELU,
    Add,
    Concat,
    Conv2D,
    Dense,
    Input,
    LayerNorm,
    Parameter,
    Reshape,
    Slice,
    Value,
)
from pellucid.network.preprocessing import Preprocessing

_SIZE, _PATCH, _CHANNELS, _HEADS, _DEPTH = 224, 16, 192, 3, 12
_EPSILON = 1e-6
_START = Normal(0.02)


def vit_tiny() -> Network:
    """ViT-Tiny with patches of 16 pixels; 5,717,416 parameters.

    A class token goes in front of the patches' tokens, learned positions are added to
    all, and the class is read off the token at the end.
    """
    image = Input(_SIZE, _SIZE, 3)
    x = Conv2D(_CHANNELS, kernel_size=_PATCH, stride=_PATCH, name="patch_embed_proj")(
        image
    )
    x = Reshape((-1, _CHANNELS))(x)
    token = Parameter((1, _CHANNELS), Normal(1e-6), name="cls_token")(x)
    x = Concat(axis=0)(token, x)
    count = (_SIZE // _PATCH) ** 2 + 1
    x = Add()(x, Parameter((count, _CHANNELS), _START, name="pos_embed")(x))
    for number in range(_DEPTH):
        x = _block(x, f"blocks_{number}")
    x = Slice(0, 1, axis=0)(LayerNorm(epsilon=_EPSILON, name="norm")(x))
    logits = _dense(Reshape(_CHANNELS)(x), 1000, "head")
    return Network(
        inputs=image,
        outputs=logits,
        name="vit-tiny",
        preprocessing=Preprocessing.signed(),
    )


def _dense(x: Point, units: int, name: str) -> Value:
    return Dense(units, weight_initializer=_START, name=name)(x)


def _block(x: Value, name: str) -> Value:
    y = LayerNorm(epsilon=_EPSILON, name=f"{name}_norm1")(x)
    x = Add()(x, _attention(y, f"{name}_attn"))
    y = LayerNorm(epsilon=_EPSILON, name=f"{name}_norm2")(x)
    y = GELU()(_dense(y, 4 * _CHANNELS, f"{name}_mlp_fc1"))
    return Add()(x, _dense(y, _CHANNELS, f"{name}_mlp_fc2"))


def _attention(x: Value, name: str) -> Value:
    """Self-attention with one projection to queries, keys and values."""
    composer = Values(name)
    cut = split_heads(composer, _dense(x, 3 * _CHANNELS, f"{name}_qkv"), 3, _HEADS)
    query, key, value = (composer.add(Slice(i, i + 1, axis=0), cut) for i in range(3))
    scale = (_CHANNELS // _HEADS) ** -0.5
    made = attend(composer, (query, key, value), scale=scale)
    return _dense(join_heads(composer, made), _CHANNELS, f"{name}_proj")
