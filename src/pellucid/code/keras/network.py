"""Network as a functional model of Keras."""

from __future__ import annotations

import json

from pellucid.code.keras.layers import Layer, layer_texts, shared_words, start_words
from pellucid.code.pointwise import KERAS, Functions
from pellucid.code.rearrangements import rearranged
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import call
from pellucid.engines.framework_layers.keras import CALLS
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.network.rearrangement import PermuteStep, ReshapeStep


def _merged_name(layer: nl.Layer) -> str | None:
    """Return what Keras' layers take as ``activation=``; None: a layer of its own."""
    if isinstance(layer, nl.ReLU | nl.Softmax):
        return layer.stem
    if not isinstance(layer, nl.Pointwise) or type(layer) not in CALLS:
        return None
    call = CALLS[type(layer)](layer, ())
    return call.arguments["activation"] if call.name == "Activation" else None


#: what the function that makes the model speaks of
_AROUND = ("layers.Cropping2D", "layers.ZeroPadding2D")  # of a layer's padding
_TAKEN = frozenset(("DECAY", "KERNEL", "inputs", "keras", "layers"))


def _merges(spec: ScriptSpec) -> dict[str, Node]:
    """Return the activations that the layer before them takes over."""
    found = {}
    for node in spec.nodes:
        readers = spec.network.consumers[node.name]
        takes = isinstance(node.layer, nl.Conv2D | nl.Dense | nl.ConvTranspose2D)
        takes = takes and node.owner not in spec.network.shared
        takes = takes and node.name not in spec.network.outputs
        if takes and len(readers) == 1 and _merged_name(readers[0].layer):
            is_cropped = isinstance(node.layer, nl.ConvTranspose2D)
            if not is_cropped:
                found[node.name] = readers[0]
    return found


def is_operator(node: Node) -> bool:
    """Whether Keras has no layer for a node, but operators."""
    return isinstance(node.layer, nl.Rearrangement) and type(node.layer) not in CALLS


def _operator_lines(spec: ScriptSpec, node: Node, y: str, x: str) -> list[str]:
    """Return the lines of a rearrangement; reshapes and permutations are layers."""
    if not isinstance(node.layer, nl.Rearrangement):
        raise TypeError(type(node.layer))
    lines, shape = [], spec.shape(node)
    for step in node.layer.steps(shape):
        if isinstance(step, ReshapeStep):
            lines.append(f"    {y} = layers.Reshape({step.shape})({x})")
        elif isinstance(step, PermuteStep):
            axes = tuple(axis + 1 for axis in step.axes)
            lines.append(f"    {y} = layers.Permute({axes})({x})")
        else:
            (text,) = rearranged((step,), x, shape, module="keras.ops")
            lines.append(f"    {y} = {text}")
        x, shape = y, step.output_shape(shape)
    return lines


def model_text(spec: ScriptSpec) -> str:
    """Write the network as a functional model, after the functions it calls."""
    functions = Functions(KERAS, taken=_TAKEN)
    model = _model_text(spec, functions)
    return "\n\n".join([*functions.sources(), model])


def _model_text(spec: ScriptSpec, functions: Functions) -> str:
    merged = _merges(spec)
    after = {node.name: source for source, node in merged.items()}
    shape = str(spec.network.input_shape)
    takes = "images (N, H, W, C)" if spec.is_image else "(N, features)"
    takes = "inputs by name, return outputs by name" if spec.is_several else takes
    lines = ["def make_model() -> keras.Model:", f'    """Take {takes}."""']
    nodes = [node for node in spec.nodes if node.name not in after]
    made = {
        n.name: _layers(spec, n, merged.get(n.name), functions)
        for n in nodes
        if not is_operator(n)
    }
    is_plain = spec.is_chain and not spec.is_shared
    if is_plain and not any(is_operator(n) for n in nodes):
        lines += ["    return keras.Sequential(", "        ["]
        lines += [f"            keras.Input({shape}),"]
        for node in nodes:
            lines += [
                call(head, words, indent=12, tail=",")
                for head, words in made[node.name]
            ]
        return "\n".join([*lines, "        ]", "    )", ""])
    names = spec.identifiers(_TAKEN)
    if spec.is_several:
        for name in spec.network.inputs:
            words = [str(spec.network.shapes[name]), f'name="{name}"']
            lines.append(call(f"{names[name]} = keras.Input", words))
    else:
        lines.append(f"    inputs = keras.Input({shape})")
    called = _layer_names(spec, names)
    names |= {name: names[source] for name, source in after.items()}
    if not spec.is_several:
        names[spec.network.inputs[0]] = "inputs"
    for node in nodes:
        inputs = [names[source] for source in node.inputs]
        value = inputs[0] if len(inputs) == 1 else f"[{', '.join(inputs)}]"
        if is_operator(node):
            lines += _operator_lines(spec, node, names[node.name], value)
            continue
        layer = called.get(node.owner)
        if node.weights_of is not None:
            spec.check_alike(node, made[node.name], made[node.owner])
        for head, words in made[node.name]:
            name = names[node.name]
            if layer is None or head in _AROUND:
                lines.append(call(f"{name} = {head}", words, tail=f"({value})"))
            else:
                if node.weights_of is None:
                    lines.append(call(f"{layer} = {head}", words))
                lines.append(f"    {name} = {layer}({value})")
            value = name
    if spec.is_several:
        ends = [
            f"{{{', '.join(f'{json.dumps(n)}: {names[n]}' for n in ports)}}}"
            for ports in (spec.network.inputs, spec.network.outputs)
        ]
        return "\n".join([*lines, call("return keras.Model", ends), ""])
    last = names[spec.network.outputs[0]]
    return "\n".join([*lines, f"    return keras.Model(inputs, {last})", ""])


def _layer_names(spec: ScriptSpec, names: dict[str, str]) -> dict[str, str]:
    """Return what layers that are called several times are called in the script."""
    found: dict[str, str] = {}
    for owner in spec.network.shared:
        name = f"{names[owner]}_layer"
        while name in names.values() or name in found.values():
            name += "_"
        found[owner] = name
    return found


def _layers(
    spec: ScriptSpec, node: Node, activation: Node | None, functions: Functions
) -> list[Layer]:
    """Return the layers of a node."""
    before, name, words, after = layer_texts(spec, node, functions)
    if activation is not None:
        words = [*words, f'activation="{_merged_name(activation.layer)}"']
    extra = start_words(spec, node)
    words += ["**KERNEL"] if extra and extra == shared_words(spec) else extra
    if spec.weights_file:
        has = node.layer.weights(*spec.network.input_shapes(node))
        words += [f'name="{node.owner}"'] if has else []
    return [*before, (f"layers.{name}", words), *after]
