"""Network as a function of JAX."""

from __future__ import annotations

from typing import Any

from pellucid.code.functional import (
    is_random,
    shared_lines,
)
from pellucid.code.jax.parts import PARTS
from pellucid.code.pointwise import JAX, Functions
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import call, number, wrap_assignment
from pellucid.code.weights import has_buffers
from pellucid.network import Node
from pellucid.network import layers as nl

NO_PADS = ((0, 0), (0, 0))


def _arguments(spec: ScriptSpec) -> str:
    """Return the parameters of ``forward``."""
    words = ["w", "statistics", "x"] if has_buffers(spec) else ["w", "x"]
    words += ["changed=None"] if has_buffers(spec) else []
    words += ["key=None"] if is_random(spec) else []
    return ", ".join(words)


def forward_text(spec: ScriptSpec) -> str:
    """Write the network as a function of its weights, after the functions it calls."""
    functions = Functions(JAX, taken=PARTS)
    forward = _forward_text(spec, functions)
    return "\n\n".join([*functions.sources(), forward])


def _forward_text(spec: ScriptSpec, functions: Functions) -> str:
    lines = [f"def forward({_arguments(spec)}):"]
    words = "Return the logits"
    if has_buffers(spec):
        words += "; new running statistics go into changed"
    lines.append(f'    """{words}."""')
    if spec.is_chain:
        for node in spec.logit_nodes:
            lines += _lines(spec, node, ["x"], "x", functions)
        return "\n".join([*lines, "    return x", ""])
    first = f'{{"{spec.network.inputs[0]}": x}}'
    lines.append(f"    v = {'dict(x)' if spec.is_several else first}")
    for node in spec.logit_nodes:
        inputs = [f'v["{source}"]' for source in node.inputs]
        lines += _lines(spec, node, inputs, f'v["{node.name}"]', functions)
    if spec.is_several:
        pairs = spec.output_nodes.items()
        rows = [f'        "{name}": v["{source}"],' for name, source in pairs]
        return "\n".join([*lines, "    return {", *rows, "    }", ""])
    return "\n".join([*lines, f'    return v["{spec.head.logits_node}"]', ""])


def _lines(
    spec: ScriptSpec, node: Node, x: list[str], y: str, functions: Functions
) -> list[str]:
    """Return the lines that compute a node."""
    alike = shared_lines(spec, node, x, y, array="jnp")
    if alike is not None:
        return alike
    layer: Any = node.layer
    weight, bias = f'w["{node.owner}.weight"]', f'w["{node.owner}.bias"]'
    if isinstance(layer, nl.Conv2D | nl.ConvTranspose2D):
        options = _convolution(spec, node)
        if isinstance(layer, nl.ConvTranspose2D):
            weight = f"{weight}[::-1, ::-1]"
        tail = f" + {bias}" if layer.bias else ""
        line = call(f"{y} = convolve", [x[0], weight, *options], tail=tail)
        if all(len(row) <= 88 for row in line.splitlines()) and "\n" not in line:
            return [line]
        first = call(f"{y} = convolve", [x[0], weight, *options])
        return [first, f"    {y} = {y}{tail}"] if tail else [first]
    if isinstance(layer, nl.Dense):
        tail = f" + {bias}" if layer.bias else ""
        return [wrap_assignment(f"    {y} = {x[0]} @ {weight}{tail}")]
    if isinstance(layer, nl.MaxPool2D | nl.AvgPool2D):
        shape = spec.shape(node)
        pads = layer.pads((shape[0], shape[1]))
        words = [x[0], str(layer.kernel), str(layer.strides)]
        words += [] if pads == NO_PADS else [str(pads)]
        return [call(f"{y} = {layer.stem[:3]}_pool", words)]
    if isinstance(layer, nl.BatchNorm):
        words = [x[0], f'"{node.owner}"', "w", "statistics", "changed"]
        words += [number(layer.momentum), number(layer.epsilon)]
        return [call(f"{y} = batch_norm", words)]
    if isinstance(layer, nl.LayerNorm):
        words = [x[0], f'w["{node.owner}.scale"]', f'w["{node.owner}.offset"]']
        return [call(f"{y} = layer_norm", [*words, number(layer.epsilon)])]
    if isinstance(layer, nl.Dropout):
        if not layer.rate:
            return [f"    {y} = {x[0]}"]
        names = [n.name for n in spec.nodes if isinstance(n.layer, nl.Dropout)]
        words = [x[0], number(layer.rate), "key", str(names.index(node.name))]
        return [call(f"{y} = dropout", words)]
    if isinstance(layer, nl.Upsample2D) and layer.mode == "nearest":
        rows, columns = layer.factors
        return [
            f"    {y} = {x[0]}.repeat({rows}, axis=1)",
            f"    {y} = {y}.repeat({columns}, axis=2)",
        ]
    if isinstance(layer, nl.PerImageNorm):
        words = [x[0], f'w["{node.owner}.scale"]', f'w["{node.owner}.offset"]']
        groups = layer.groups_of(spec.shape(node)[-1])
        words += [str(groups), number(layer.epsilon)]  # type: ignore[attr-defined]
        return [call(f"{y} = group_norm", words)]
    if isinstance(layer, nl.GlobalMaxPool2D):
        window = layer.window(spec.shape(node))
        words = [x[0], str(window.kernel), str(window.strides)]
        return [call(f"{y} = max_pool", words, tail="[:, 0, 0]")]
    if isinstance(layer, nl.Pointwise) and type(layer) not in _SIMPLE:
        shown = functions.apply(layer.stem, layer.expression, {"x": x[0]})
        return [wrap_assignment(f"    {y} = {shown}")]
    if type(layer) not in _SIMPLE:
        raise spec.refuse(node, "there is no function of JAX for it")
    text = _SIMPLE[type(layer)].format(x=x[0], layer=layer)
    return [wrap_assignment(f"    {y} = {text}")]


def _convolution(spec: ScriptSpec, node: Node) -> list[str]:
    layer: Any = node.layer
    shape = spec.shape(node)
    pads = layer.pads((shape[0], shape[1]))
    words = []
    if isinstance(layer, nl.ConvTranspose2D):
        extents = [
            d * (k - 1) for k, d in zip(layer.kernel, layer.dilations, strict=True)
        ]
        pads = tuple(
            (extent - before, extent - after)
            for extent, (before, after) in zip(extents, pads, strict=True)
        )
        words = ["window_strides=(1, 1)", f"padding={pads}"]
        words += [f"lhs_dilation={layer.strides}"] if layer.strides != (1, 1) else []
    else:
        words = [f"window_strides={layer.strides}"]
        words += [f"padding={pads}"] if pads != NO_PADS else ['padding="VALID"']
    if layer.dilations != (1, 1):
        words.append(f"rhs_dilation={layer.dilations}")
    return (
        [*words, f"feature_group_count={layer.groups}"] if layer.groups > 1 else words
    )


_SIMPLE: dict[type[nl.Layer], str] = {
    nl.ELU: "jax.nn.elu({x}, {layer.alpha})",
    nl.Flatten: "{x}.reshape(len({x}), -1)",
    nl.GELU: "jax.nn.gelu({x}, approximate=False)",
    nl.GlobalAvgPool2D: "{x}.mean((1, 2))",
    nl.ReLU: "jax.nn.relu({x})",
    nl.SiLU: "jax.nn.silu({x})",
    nl.LogSoftmax: "jax.nn.log_softmax({x})",
    nl.Softmax: "jax.nn.softmax({x})",
    nl.Upsample2D: "upsample({x}, {layer.factors})",
    nl.ZeroPad2D: "jnp.pad({x}, ((0, 0), *{layer.sides}, (0, 0)))",
}
