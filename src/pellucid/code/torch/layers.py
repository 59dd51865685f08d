"""This file is how each layer is written as a module of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.code.script_spec import ORDERLESS, ScriptSpec
from pellucid.code.text import number, one_or_pair
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.network.initializers import Constant, Normal, Uniform

Modules = list[str]


MODULES: dict[type[nl.Layer], str] = {
    nl.Conv2D: "nn.Conv2d",
    nl.ConvTranspose2D: "nn.ConvTranspose2d",
    nl.Dense: "nn.Linear",
}


def initial_calls(spec: ScriptSpec, node: Node) -> tuple[str, ...]:
    """Return the calls of torch.nn.init that a layer's arrays begin by.

    None of them where PyTorch's own habit will do.
    """
    layer: Any = node.layer
    calls = []
    for role in ("weight", "bias"):
        kind = getattr(layer, f"{role}_initializer", None)
        if kind is not None and (role == "weight" or layer.bias):
            calls.append(_initial_call(spec, node, kind, role))
    return tuple(calls)


def _initial_call(spec: ScriptSpec, node: Node, kind: Any, role: str) -> str:
    array = f"module.{role}"
    if isinstance(kind, Uniform):
        return f"nn.init.uniform_({array}, {number(kind.low)}, {number(kind.high)})"
    if isinstance(kind, Normal):
        return f"nn.init.normal_({array}, std={number(kind.std)})"
    if isinstance(kind, Constant):
        return f"nn.init.constant_({array}, {number(kind.value)})"
    known = {"zeros": f"zeros_({array})", "ones": f"ones_({array})"}
    if role == "weight":  # a bias has no fans in PyTorch
        known |= {
            "he_normal": f'kaiming_normal_({array}, nonlinearity="relu")',
            "he_uniform": f'kaiming_uniform_({array}, nonlinearity="relu")',
            "glorot_normal": f"xavier_normal_({array})",
            "glorot_uniform": f"xavier_uniform_({array})",
        }
    if kind not in known:
        raise spec.refuse(node, f"nn.init has no {kind} for a {role}")
    return f"nn.init.{known[str(kind)]}"


def _pads(pads: Any) -> str:
    (top, bottom), (left, right) = pads
    return f"({left}, {right}, {top}, {bottom})"


def _is_symmetric(pads: Any) -> bool:
    return all(before == after for before, after in pads)


def _convolution(spec: ScriptSpec, node: Node) -> Modules:
    layer: Any = node.layer
    shape = spec.shape(node)
    pads = layer.pads((shape[0], shape[1]))
    words = [str(shape[2]), str(layer.out_channels), one_or_pair(layer.kernel)]
    if _is_symmetric(pads):
        sides = (pads[0][0], pads[1][0])
        words += [f"padding={one_or_pair(sides)}"] if any(sides) else []
        words += _keywords(layer)
        return [f"nn.Conv2d({', '.join(words)})"]
    words += _keywords(layer)
    return [f"nn.ZeroPad2d({_pads(pads)})", f"nn.Conv2d({', '.join(words)})"]


def _keywords(layer: Any) -> list[str]:
    words = []
    if layer.strides != (1, 1):
        words.append(f"stride={one_or_pair(layer.strides)}")
    if layer.dilations != (1, 1):
        words.append(f"dilation={one_or_pair(layer.dilations)}")
    if layer.groups != 1:
        words.append(f"groups={layer.groups}")
    return words if layer.bias else [*words, "bias=False"]


def _transposed(spec: ScriptSpec, node: Node) -> Modules:
    layer: Any = node.layer
    shape = spec.shape(node)
    pads = layer.pads((shape[0], shape[1]))
    extra = pads[0][0] - pads[0][1], pads[1][0] - pads[1][1]
    limits = map(max, layer.strides, layer.dilations)
    if not all(0 <= e < most for e, most in zip(extra, limits, strict=True)):
        raise spec.refuse(node, "its crop is not symmetric")
    words = [str(shape[2]), str(layer.out_channels), one_or_pair(layer.kernel)]
    words += _keywords(layer)
    sides = (pads[0][0], pads[1][0])
    words += [f"padding={one_or_pair(sides)}"] if any(sides) else []
    words += [f"output_padding={one_or_pair(extra)}"] if any(extra) else []
    return [f"nn.ConvTranspose2d({', '.join(words)})"]


def _pool(spec: ScriptSpec, node: Node) -> Modules:
    layer: Any = node.layer
    shape = spec.shape(node)
    pads = layer.pads((shape[0], shape[1]))
    is_max = isinstance(layer, nl.MaxPool2D)
    name = "nn.MaxPool2d" if is_max else "nn.AvgPool2d"
    words = [one_or_pair(layer.kernel)]
    if layer.strides != layer.kernel:
        words.append(f"stride={one_or_pair(layer.strides)}")
    sides = (pads[0][0], pads[1][0])
    fits = all(s <= k // 2 for s, k in zip(sides, layer.kernel, strict=True))
    if _is_symmetric(pads) and fits:
        words += [f"padding={one_or_pair(sides)}"] if any(sides) else []
        words += ["count_include_pad=False"] if any(sides) and not is_max else []
        return [f"{name}({', '.join(words)})"]
    if not is_max:
        raise spec.refuse(node, "its padding differs from side to side")
    infinite = f'nn.ConstantPad2d({_pads(pads)}, float("-inf"))'
    return [infinite, f"{name}({', '.join(words)})"]


def _dense(spec: ScriptSpec, node: Node) -> Modules:
    shape = spec.shape(node)
    layer: Any = node.layer
    name = "PixelLinear" if len(shape) == 3 else "nn.Linear"
    bias = "" if layer.bias else ", bias=False"
    return [f"{name}({shape[-1]}, {layer.units}{bias})"]


def _flatten(spec: ScriptSpec, node: Node) -> Modules:
    shape = spec.shape(node)
    if len(shape) == 3 and shape[:2] != (1, 1) and shape[2] != 1:
        name = node.name
        while True:
            readers = spec.network.consumers[name]
            if len(readers) != 1 or not isinstance(
                readers[0].layer, (*ORDERLESS, nl.Dense)
            ):
                raise spec.refuse(node, "no dense layer takes its order on")
            if isinstance(readers[0].layer, nl.Dense):
                break
            name = readers[0].name
    return ["nn.Flatten()"]


def _batch_norm(spec: ScriptSpec, node: Node) -> Modules:
    layer: Any = node.layer
    shape = spec.shape(node)
    kind = {1: "nn.BatchNorm1d", 3: "nn.BatchNorm2d"}[len(shape)]
    words = [str(shape[-1])]
    share = round(1 - layer.momentum, 12)  # PyTorch's is the share of the new
    words += [f"momentum={number(share)}"] if share != 0.1 else []
    words += [f"eps={number(layer.epsilon)}"] if layer.epsilon != 1e-5 else []
    return [f"{kind}({', '.join(words)})"]


def _layer_norm(spec: ScriptSpec, node: Node) -> Modules:
    layer: Any = node.layer
    shape = spec.shape(node)
    name = "PixelLayerNorm" if len(shape) == 3 else "nn.LayerNorm"
    eps = f", eps={number(layer.epsilon)}" if layer.epsilon != 1e-5 else ""
    return [f"{name}({shape[-1]}{eps})"]


def _local_response_norm(spec: ScriptSpec, node: Node) -> Modules:
    del spec
    layer: Any = node.layer
    words = [str(layer.size)]
    words += [f"alpha={number(layer.alpha)}"] if layer.alpha != 1e-4 else []
    words += [f"beta={number(layer.beta)}"] if layer.beta != 0.75 else []
    words += [f"k={number(layer.bias)}"] if layer.bias != 1 else []
    return [f"nn.LocalResponseNorm({', '.join(words)})"]


def _upsample(spec: ScriptSpec, node: Node) -> Modules:
    del spec
    layer: Any = node.layer
    # plain "nearest" rounds the wrong way where 1 / scale is not exact
    mode = {"nearest": "nearest-exact", "bilinear": "bilinear"}[layer.mode]
    return [f'nn.Upsample(scale_factor={one_or_pair(layer.factors)}, mode="{mode}")']


def _softmax(spec: ScriptSpec, node: Node) -> Modules:
    return [f"nn.Softmax(dim={1 if len(spec.shape(node)) == 3 else -1})"]


def _plain(text: str) -> Callable[[ScriptSpec, Node], Modules]:
    return lambda spec, node: [text.format(node.layer)]


BUILDERS: dict[type[nl.Layer], Callable[[ScriptSpec, Node], Modules]] = {
    nl.AvgPool2D: _pool,
    nl.BatchNorm: _batch_norm,
    nl.Conv2D: _convolution,
    nl.ConvTranspose2D: _transposed,
    nl.Dense: _dense,
    nl.Dropout: _plain("nn.Dropout({0.rate:g})"),
    nl.Flatten: _flatten,
    nl.GELU: _plain("nn.GELU()"),
    nl.GlobalAvgPool2D: _plain("GlobalAvgPool2d()"),
    nl.LayerNorm: _layer_norm,
    nl.LeakyReLU: _plain("nn.LeakyReLU({0.slope:g})"),
    nl.LocalResponseNorm: _local_response_norm,
    nl.MaxPool2D: _pool,
    nl.ReLU: _plain("nn.ReLU()"),
    nl.SiLU: _plain("nn.SiLU()"),
    nl.Sigmoid: _plain("nn.Sigmoid()"),
    nl.Softmax: _softmax,
    nl.Tanh: _plain("nn.Tanh()"),
    nl.Upsample2D: _upsample,
    nl.ZeroPad2D: lambda spec, node: [
        f"nn.ZeroPad2d({_pads(node.layer.sides)})"  # type: ignore[attr-defined]
    ],
}
