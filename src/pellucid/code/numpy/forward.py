"""Forward pass written out in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.code.functional import is_random, shared_lines, state_argument
from pellucid.code.pointwise import Functions
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import call, number, wrap_assignment
from pellucid.code.weights import has_buffers
from pellucid.network import Node
from pellucid.network import layers as nl

Lines = list[str]


#: helper → helpers that call it
CALLERS = {"normalized": ("standardized",), "erf": ("normal_sum",)}


def value_of(name: str) -> str:
    """Return a node's value as the script names it."""
    return f'v["{name}"]'


def weight_of(node: Node, role: str) -> str:
    """Return a weight as the script names it."""
    return f'w["{node.owner}.{role}"]'


def _bias(layer: Any, node: Node) -> str:
    return weight_of(node, "bias") if layer.bias else "0"


def window_words(spec: ScriptSpec, node: Node) -> list[str]:
    """Return the arguments that say how a window moves."""
    layer: Any = node.layer
    shape = spec.shape(node)
    pads = layer.pads((shape[0], shape[1]))
    if any(side < 0 for sides in pads for side in sides):
        raise spec.refuse(node, "it adds rows or columns to the output")
    words = [str(layer.strides), str(pads)]
    return (
        words
        if isinstance(layer, nl.AvgPool2D | nl.MaxPool2D)
        else [
            *words,
            str(layer.dilations),
        ]
    )


def group_words(spec: ScriptSpec, node: Node) -> list[str]:
    """Return the argument that says in how many groups the channels are."""
    layer: Any = node.layer
    return [str(layer.groups_of(spec.shape(node)[-1]))]


def global_window(spec: ScriptSpec, node: Node) -> list[str]:
    """Return the arguments of a pool whose one window is the image."""
    layer: Any = node.layer
    window = layer.window(spec.shape(node))
    return [str(window.kernel), str(window.strides), "((0, 0), (0, 0))"]


def has_modes(spec: ScriptSpec) -> bool:
    """Return whether training computes another forward pass."""
    return is_random(spec) or has_buffers(spec)


def forward_text(spec: ScriptSpec, functions: Functions) -> str:
    """Write the forward pass."""
    rng = ", rng=None" if has_modes(spec) else ""
    lines = [f"def forward(w{state_argument(spec)}, x{rng}):"]
    words = "Return the value of every node, for the derivatives need them"
    lines.append(f'    """{words}{"; rng trains" if rng else ""}."""')
    first = f'{{"{spec.network.inputs[0]}": x}}'
    lines.append(f"    v = {'dict(x)' if spec.is_several else first}")
    for node in spec.logit_nodes:
        lines += _forward_lines(spec, node, functions)
    return "\n".join([*lines, "    return v", ""])


def _forward_lines(spec: ScriptSpec, node: Node, functions: Functions) -> Lines:
    x, y = [value_of(source) for source in node.inputs], value_of(node.name)
    layer: Any = node.layer
    alike = shared_lines(spec, node, x, y, array="np")
    if alike is not None:
        return alike
    if isinstance(layer, nl.Conv2D | nl.ConvTranspose2D):
        if layer.groups != 1:
            raise spec.refuse(node, "its groups would need a loop of their own")
        words = [
            x[0],
            weight_of(node, "weight"),
            _bias(layer, node),
            *window_words(spec, node),
        ]
        return [call(f"{y} = {layer.stem}", words)]
    if isinstance(layer, nl.MaxPool2D | nl.AvgPool2D):
        words = [x[0], str(layer.kernel), *window_words(spec, node)]
        return [call(f"{y} = {layer.stem}", words)]
    if isinstance(layer, nl.Dense):
        return [
            call(f"{y} = dense", [x[0], weight_of(node, "weight"), _bias(layer, node)])
        ]
    if isinstance(layer, nl.BatchNorm | nl.LayerNorm):
        return _norm_lines(spec, node)
    if isinstance(layer, nl.PerImageNorm):
        left = f"{kept_of(node, 'hat')}, {kept_of(node, 'sigma')}"
        words = [x[0], *group_words(spec, node), number(layer.epsilon)]  # type: ignore[attr-defined]
        scale, offset = weight_of(node, "scale"), weight_of(node, "offset")
        return [
            call(f"{left} = group_normalized", words),
            wrap_assignment(f"    {y} = {kept_of(node, 'hat')} * {scale} + {offset}"),
        ]
    if isinstance(layer, nl.GlobalMaxPool2D):
        words = [x[0], *global_window(spec, node)]
        return [call(f"{y} = max_pool2d", words, tail="[:, 0, 0]")]
    if isinstance(layer, nl.Upsample2D):
        words = [x[0], str(layer.factors), f'"{layer.mode}"']
        return [call(f"{y} = enlarge", words)]
    if isinstance(layer, nl.Dropout):
        return _dropout_lines(node)
    if isinstance(layer, nl.Pointwise):
        shown = functions.apply(layer.stem, layer.expression, {"x": x[0]})
        return [wrap_assignment(f"    {y} = {shown}")]
    if type(layer) not in _SIMPLE:
        raise spec.refuse(node, "there is no function of NumPy for it")
    return [wrap_assignment(f"    {n}") for n in _SIMPLE[type(layer)](node, x, y)]


def _line(text: str) -> Callable[[Node, list[str], str], Lines]:
    return lambda node, x, y: [text.format(x=x[0], y=y)]


_SIMPLE: dict[type[nl.Layer], Callable[[Node, list[str], str], Lines]] = {
    nl.Flatten: _line("{y} = {x}.reshape(len({x}), -1)"),
    nl.GlobalAvgPool2D: _line("{y} = {x}.mean(axis=(1, 2))"),
    nl.LogSoftmax: _line("{y} = log_softmax({x})"),
    nl.Softmax: _line("{y} = softmax({x})"),
    nl.ZeroPad2D: lambda node, x, y: [f"{y} = pad({x[0]}, {node.layer.sides})"],  # type: ignore[attr-defined]
}


def kept_of(node: Node, what: str) -> str:
    """Return what a node keeps for its derivative as the script names it."""
    return f'v["{node.name}/{what}"]'


def _norm_lines(spec: ScriptSpec, node: Node) -> Lines:
    layer: Any = node.layer
    x, name = value_of(node.inputs[0]), node.name
    hat, sigma = kept_of(node, "hat"), kept_of(node, "sigma")
    epsilon = number(layer.epsilon)
    left = f"{hat}, {sigma}"
    if is_batch(layer):
        words = [x, "statistics", f'"{node.owner}"', "rng is not None"]
        words += [number(layer.momentum), epsilon]
        lines = [call(f"{left} = standardized", words)]
    else:
        lines = [call(f"{left} = normalized", [x, "-1", epsilon])]
    scale, offset = weight_of(node, "scale"), weight_of(node, "offset")
    return [
        *lines,
        wrap_assignment(f"    {value_of(name)} = {hat} * {scale} + {offset}"),
    ]


def is_batch(layer: nl.Layer) -> bool:
    """Return whether a layer normalises over the batch."""
    return isinstance(layer, nl.BatchNorm)


def _dropout_lines(node: Node) -> Lines:
    rate = number(node.layer.rate)  # type: ignore[attr-defined]
    x, y, mask = value_of(node.inputs[0]), value_of(node.name), kept_of(node, "mask")
    if rate == "0":
        return [f"    {y} = {x}"]
    return [
        "    if rng is None:",
        f"        {y} = {x}",
        "    else:",
        wrap_assignment(
            f"        {mask} = (rng.random({x}.shape) >= {rate}) / (1 - {rate})"
        ),
        f"        {y} = {x} * {mask}.astype({x}.dtype)",
    ]
