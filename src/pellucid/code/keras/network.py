"""Network as a functional model of Keras."""

from __future__ import annotations

from pellucid.code.keras.layers import Layer, layer_texts, shared_words, start_words
from pellucid.code.rearrangements import rearranged
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import call
from pellucid.network import Node
from pellucid.network import layers as nl

#: activations that Keras' layers take as ``activation=``
_MERGED: dict[type[nl.Layer], str] = {
    nl.GELU: "gelu",
    nl.ReLU: "relu",
    nl.SiLU: "silu",
    nl.Sigmoid: "sigmoid",
    nl.Softmax: "softmax",
    nl.Tanh: "tanh",
}

#: what the function that makes the model speaks of
_TAKEN = frozenset(("DECAY", "KERNEL", "inputs", "keras", "layers"))


def _merges(spec: ScriptSpec) -> dict[str, Node]:
    """Return the activations that the layer before them takes over."""
    found = {}
    for node in spec.nodes:
        readers = spec.network.consumers[node.name]
        takes = isinstance(node.layer, nl.Conv2D | nl.Dense | nl.ConvTranspose2D)
        if takes and len(readers) == 1 and type(readers[0].layer) in _MERGED:
            is_cropped = isinstance(node.layer, nl.ConvTranspose2D)
            if not is_cropped:
                found[node.name] = readers[0]
    return found


def model_text(spec: ScriptSpec) -> str:
    """Write the network as a functional model."""
    merged = _merges(spec)
    after = {node.name: source for source, node in merged.items()}
    shape = ", ".join(map(str, spec.network.input_shape))
    shape += "," if len(spec.network.input_shape) == 1 else ""
    lines = [
        "def make_model() -> keras.Model:",
        f'    """Take {"images (N, H, W, C)" if spec.is_image else "(N, features)"}'
        '."""',
    ]
    nodes = [node for node in spec.nodes if node.name not in after]
    made = {
        n.name: _layers(spec, n, merged.get(n.name))
        for n in nodes
        if not isinstance(n.layer, nl.Slice)
    }
    if spec.is_chain and not any(isinstance(n.layer, nl.Slice) for n in nodes):
        lines += ["    return keras.Sequential(", "        ["]
        lines += [f"            keras.Input(({shape})),"]
        for node in nodes:
            lines += [
                call(head, words, indent=12, tail=",")
                for head, words in made[node.name]
            ]
        return "\n".join([*lines, "        ]", "    )", ""])
    lines.append(f"    inputs = keras.Input(({shape}))")
    names = spec.identifiers(_TAKEN)
    names |= {name: names[source] for name, source in after.items()}
    names[spec.network.inputs[0]] = "inputs"
    for node in nodes:
        inputs = [names[source] for source in node.inputs]
        value = inputs[0] if len(inputs) == 1 else f"[{', '.join(inputs)}]"
        if isinstance(node.layer, nl.Slice):
            steps = node.layer.steps(spec.shape(node))
            text = rearranged(steps, value, spec.shape(node), module="keras.ops")
            lines.append(f"    {names[node.name]} = {text}")
            continue
        for head, words in made[node.name]:
            name = names[node.name]
            lines.append(call(f"{name} = {head}", words, tail=f"({value})"))
            value = name
    last = names[spec.network.outputs[0]]
    return "\n".join([*lines, f"    return keras.Model(inputs, {last})", ""])


def _layers(spec: ScriptSpec, node: Node, activation: Node | None) -> list[Layer]:
    """Return the layers of a node."""
    before, name, words, after = layer_texts(spec, node)
    if activation is not None:
        words = [*words, f'activation="{_MERGED[type(activation.layer)]}"']
    extra = start_words(spec, node)
    words += ["**KERNEL"] if extra and extra == shared_words(spec) else extra
    if spec.weights_file:
        has = node.layer.weights(*spec.network.input_shapes(node))
        words += [f'name="{node.name}"'] if has else []
    return [*before, (f"layers.{name}", words), *after]
