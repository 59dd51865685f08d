"""This file is the script in JAX: pure functions, optax, and a jitted step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code import data, frame
from pellucid.code import weights as arrays_of
from pellucid.code.jax_parts import PARTS
from pellucid.code.subject import Subject
from pellucid.code.text import call, number
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.objectives import SGD, Adam, AdamW, RMSprop

Array = npt.NDArray[Any]
NO_PADS = ((0, 0), (0, 0))


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If a layer has no plain form here.
    """
    head = frame.heading(subject, name)
    forward = _forward(subject)
    constants = frame.constants(subject).rstrip()
    return (
        head
        + "\n"
        + frame.join(
            f"{_imports(subject)}\n{constants}\n{_optimizer(subject)}\n\n"
            "Arrays = dict[str, np.ndarray]",
            data.reader(subject),
            data.augmentation(subject),
            frame.rate_factor(subject),
            arrays_of.function(
                subject, "initial_weights", "the first weights", buffers=False
            ),
            arrays_of.function(
                subject,
                "initial_statistics",
                "the first running statistics",
                buffers=True,
            )
            if _has_buffers(subject)
            else "",
            arrays_of.reader(subject),
            *(source for name, source in PARTS.items() if f"{name}(" in forward),
            forward,
            _loss(subject),
            _step(subject),
            _accuracy(subject),
            _train(subject),
            frame.arguments(subject),
            _main(subject),
            'if __name__ == "__main__":\n    main()\n',
        )
    )


def _imports(subject: Subject) -> str:
    standard = ["import argparse", *data.imports(subject)]
    if frame.needs_math(subject):
        standard.append("import math")
    lines = [*standard, "from pathlib import Path", "", "import jax"]
    forward = _forward(subject)
    used = [source for name, source in PARTS.items() if f"{name}(" in forward]
    whole = "".join([forward, _loss(subject), *used])
    lines += ["import jax.numpy as jnp"] if "jnp." in whole else []
    lines += ["import numpy as np", "import optax"]
    lines += ["from jax import lax"] if "lax." in whole else []
    if subject.recipe.dtype == "float64":
        lines += ["", 'jax.config.update("jax_enable_x64", True)']
    return "\n".join([*lines, ""])


def _has_buffers(subject: Subject) -> bool:
    return arrays_of.has_buffers(subject)


def _is_random(subject: Subject) -> bool:
    return any(
        isinstance(node.layer, nl.Dropout) and node.layer.rate > 0
        for node in subject.logit_nodes
    )


def _has_schedule(subject: Subject) -> bool:
    return subject.schedule.name != "constant"


def _optimizer(subject: Subject) -> str:
    o = subject.optimizer
    rate = "1.0" if _has_schedule(subject) else "LEARNING_RATE"
    words = [rate]
    decay = subject.weight_decay
    mask = "mask=is_decaying"
    if isinstance(o, SGD):
        words += [f"momentum={number(o.momentum)}"] if o.momentum else []
        words += ["nesterov=True"] if o.nesterov else []
    if isinstance(o, RMSprop):
        words += [f"decay={number(o.rho)}", f"eps={number(o.epsilon)}"]
        words += ["eps_in_sqrt=False"]
    if isinstance(o, Adam) and (o.beta1, o.beta2) != (0.9, 0.999):
        words += [f"b1={number(o.beta1)}", f"b2={number(o.beta2)}"]
    if isinstance(o, AdamW):
        words += [f"weight_decay={number(decay)}", mask]
    kind = type(o).__name__.lower()
    parts = [f"optax.{kind}({', '.join(words)})"]
    if decay and not isinstance(o, AdamW):
        parts.insert(0, f"optax.add_decayed_weights({number(decay)}, {mask})")
    if subject.recipe.clip_norm:
        clip = number(subject.recipe.clip_norm)
        parts.insert(0, f"optax.clip_by_global_norm({clip})")
    made = (
        f"OPTIMIZER = {parts[0]}"
        if len(parts) == 1
        else call("OPTIMIZER = optax.chain", parts, indent=0)
    )
    if not decay:
        return made
    return (
        "\n\ndef is_decaying(weights):\n"
        '    """Weights decay; biases and norms do not."""\n'
        "    return {name: array.ndim > 1 for name, array in weights.items()}\n\n\n"
        f"{made}"
    )


def _arguments(subject: Subject) -> str:
    """Return the parameters of ``forward``."""
    words = ["w", "statistics", "x"] if _has_buffers(subject) else ["w", "x"]
    words += ["changed=None"] if _has_buffers(subject) else []
    words += ["key=None"] if _is_random(subject) else []
    return ", ".join(words)


def _forward(subject: Subject) -> str:
    lines = [f"def forward({_arguments(subject)}):"]
    words = "Return the logits"
    if _has_buffers(subject):
        words += "; new running statistics go into changed"
    lines.append(f'    """{words}."""')
    if subject.is_chain:
        for node in subject.logit_nodes:
            lines += _lines(subject, node, ["x"], "x")
        return "\n".join([*lines, "    return x", ""])
    lines.append(f'    v = {{"{subject.network.inputs[0]}": x}}')
    for node in subject.logit_nodes:
        inputs = [f'v["{source}"]' for source in node.inputs]
        lines += _lines(subject, node, inputs, f'v["{node.name}"]')
    return "\n".join([*lines, f'    return v["{subject.head}"]', ""])


def _lines(subject: Subject, node: Node, x: list[str], y: str) -> list[str]:
    """Return the lines that compute a node."""
    layer: Any = node.layer
    weight, bias = f'w["{node.name}.weight"]', f'w["{node.name}.bias"]'
    if isinstance(layer, nl.Conv2D | nl.ConvTranspose2D):
        options = _convolution(subject, node)
        if isinstance(layer, nl.ConvTranspose2D):
            weight = f"{weight}[::-1, ::-1]"
        tail = f" + {bias}" if layer.bias else ""
        text = call(f"{y} = convolve", [x[0], weight, *options], tail=tail)
        if all(len(line) <= 88 for line in text.splitlines()) and "\n" not in text:
            return [text]
        first = call(f"{y} = convolve", [x[0], weight, *options])
        return [first, f"    {y} = {y}{tail}"] if tail else [first]
    if isinstance(layer, nl.Dense):
        tail = f" + {bias}" if layer.bias else ""
        return [f"    {y} = {x[0]} @ {weight}{tail}"]
    if isinstance(layer, nl.MaxPool2D | nl.AvgPool2D):
        shape = subject.shape(node)
        pads = layer.pads((shape[0], shape[1]))
        words = [x[0], str(layer.kernel), str(layer.strides)]
        words += [] if pads == NO_PADS else [str(pads)]
        return [call(f"{y} = {layer.stem[:3]}_pool", words)]
    if isinstance(layer, nl.BatchNorm):
        words = [x[0], f'"{node.name}"', "w", "statistics", "changed"]
        words += [number(layer.momentum), number(layer.epsilon)]
        return [call(f"{y} = batch_norm", words)]
    if isinstance(layer, nl.LayerNorm):
        words = [x[0], f'w["{node.name}.scale"]', f'w["{node.name}.offset"]']
        return [call(f"{y} = layer_norm", [*words, number(layer.epsilon)])]
    if isinstance(layer, nl.LocalResponseNorm):
        numbers = (layer.size, layer.alpha, layer.beta, layer.bias)
        return [call(f"{y} = local_response_norm", [x[0], *map(number, numbers)])]
    if isinstance(layer, nl.Dropout):
        if not layer.rate:
            return [f"    {y} = {x[0]}"]
        names = [n.name for n in subject.nodes if isinstance(n.layer, nl.Dropout)]
        words = [x[0], number(layer.rate), "key", str(names.index(node.name))]
        return [call(f"{y} = dropout", words)]
    if isinstance(layer, nl.Upsample2D) and layer.mode == "nearest":
        rows, columns = layer.factors
        return [
            f"    {y} = {x[0]}.repeat({rows}, axis=1)",
            f"    {y} = {y}.repeat({columns}, axis=2)",
        ]
    if isinstance(layer, nl.Concat):
        return [call(f"{y} = jnp.concatenate", [f"[{', '.join(x)}]", "axis=-1"])]
    if isinstance(layer, nl.LeakyReLU):
        words = [f"{x[0]} > 0", x[0], f"{number(layer.slope)} * {x[0]}"]
        return [call(f"{y} = jnp.where", words)]
    text = _SIMPLE[type(layer)].format(x=x[0], sum=" + ".join(x), layer=layer)
    return [f"    {y} = {text}"]


def _convolution(subject: Subject, node: Node) -> list[str]:
    layer: Any = node.layer
    shape = subject.shape(node)
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
    nl.Add: "{sum}",
    nl.Flatten: "{x}.reshape(len({x}), -1)",
    nl.GELU: "jax.nn.gelu({x}, approximate=False)",
    nl.GlobalAvgPool2D: "{x}.mean((1, 2))",
    nl.ReLU: "jax.nn.relu({x})",
    nl.SiLU: "jax.nn.silu({x})",
    nl.Sigmoid: "jax.nn.sigmoid({x})",
    nl.Softmax: "jax.nn.softmax({x})",
    nl.Tanh: "jnp.tanh({x})",
    nl.Upsample2D: "upsample({x}, {layer.factors})",
    nl.ZeroPad2D: "jnp.pad({x}, ((0, 0), *{layer.sides}, (0, 0)))",
}


def _loss(subject: Subject) -> str:
    words = ["w", "statistics"] if _has_buffers(subject) else ["w"]
    words += ["x", "labels"] + (["key"] if _is_random(subject) else [])
    given = ["w", "statistics", "x"] if _has_buffers(subject) else ["w", "x"]
    given += ["changed"] if _has_buffers(subject) else []
    given += ["key=key"] if _is_random(subject) else []
    lines = [
        f"def loss_function({', '.join(words)}):",
        '    """Return the loss'
        f'{" and the new running statistics" if _has_buffers(subject) else ""}."""',
    ]
    lines += ["    changed = {}"] if _has_buffers(subject) else []
    lines.append(f"    z = forward({', '.join(given)})")
    value = _value(subject)
    lines += value[:-1]
    last = f"{value[-1]}, changed" if _has_buffers(subject) else value[-1]
    return "\n".join([*lines, f"    return {last}", ""])


def _value(subject: Subject) -> list[str]:
    """Return the lines before the last, and the loss as an expression."""
    smoothing = getattr(subject.loss, "label_smoothing", 0.0)
    name = subject.loss.name
    if name == "cross_entropy" and not smoothing:
        integer = "softmax_cross_entropy_with_integer_labels"
        return [f"    losses = optax.losses.{integer}(z, labels)", "losses.mean()"]
    if name == "cross_entropy":
        return [
            "    targets = jax.nn.one_hot(labels, z.shape[-1])",
            f"    targets = optax.smooth_labels(targets, {number(smoothing)})",
            "    losses = optax.losses.softmax_cross_entropy(z, targets)",
            "losses.mean()",
        ]
    if name == "binary_cross_entropy":
        smoothed = (
            f"labels * {number(1 - smoothing)} + {number(smoothing / 2)}"
            if smoothing
            else "labels"
        )
        return [
            f"    losses = optax.losses.sigmoid_binary_cross_entropy(z, {smoothed})",
            "losses.mean()",
        ]
    if name == "mse":
        return ["jnp.mean((z - labels) ** 2)"]
    return ["0.5 * jnp.sum((z - labels) ** 2)"]


def _step(subject: Subject) -> str:
    buffers, rate = _has_buffers(subject), _has_schedule(subject)
    words = ["w", "statistics"] if buffers else ["w"]
    given = [*words, "x", "labels"] + (["key"] if _is_random(subject) else [])
    parameters = ["w", "state", *given[1:], *(["rate"] if rate else [])]
    left = "(loss, statistics)" if buffers else "loss"
    aux = ", has_aux=True" if buffers else ""
    lines = [
        "@jax.jit",
        f"def train_step({', '.join(parameters)}):",
        '    """Return everything as it is after one update."""',
        f"    differentiate = jax.value_and_grad(loss_function{aux})",
        f"    {left}, grads = differentiate({', '.join(given)})",
        "    updates, state = OPTIMIZER.update(grads, state, w)",
    ]
    if rate:
        lines.append("    updates = jax.tree.map(lambda u: rate * u, updates)")
    results = ["optax.apply_updates(w, updates)", "state"]
    results += ["statistics"] if buffers else []
    return "\n".join([*lines, f"    return {', '.join(results)}, loss", ""])


def _train(subject: Subject) -> str:
    buffers = _has_buffers(subject)
    state = ", statistics" if buffers else ""
    lines = [
        f"def train(w{state}, images, labels, epochs, rng):",
        '    """Train, and print the mean loss of each epoch."""',
        "    state = OPTIMIZER.init(w)",
    ]
    if _is_random(subject):
        lines.append("    keys = jax.random.key(int(rng.integers(2**31)))")
    if _is_random(subject) or _has_schedule(subject):
        lines.append("    step = 0")
    if _has_schedule(subject):
        count = "-(-len(images) // BATCH_SIZE)"
        per_epoch = "per_epoch" in frame.rate_call(subject, "")
        lines.append(
            f"    steps_per_epoch = {count}"
            if per_epoch
            else f"    steps = epochs * {count}"
        )
    order = "rng.permutation(len(images))"
    if not subject.recipe.shuffle:
        order = "np.arange(len(images))"
    batch = "images[chosen]"
    if data.augmentation(subject):
        batch = "augment(images[chosen], rng)"
    given = ["w", "state", *(["statistics"] if buffers else []), "x", "labels[chosen]"]
    if _is_random(subject):
        given.append("jax.random.fold_in(keys, step)")
    if _has_schedule(subject):
        given.append("rate")
    lines += [
        "    for epoch in range(epochs):",
        f"        order, total = {order}, 0.0",
        "        for start in range(0, len(images), BATCH_SIZE):",
        "            chosen = order[start : start + BATCH_SIZE]",
        f"            x = {batch}",
    ]
    if _has_schedule(subject):
        factor = frame.rate_call(subject, "step")
        lines.append(f"            rate = LEARNING_RATE * {factor}")
    results = ["w", "state", *(["statistics"] if buffers else []), "loss"]
    lines.append(call(f"{', '.join(results)} = train_step", given, indent=12))
    if _is_random(subject) or _has_schedule(subject):
        lines.append("            step += 1")
    is_sum = subject.loss.name == "half_squared_error_sum"
    lines += [
        f"            total += float(loss) * len({'images' if is_sum else 'chosen'})",
        '        print(f"epoch {epoch + 1}: loss {total / len(images):.4f}")',
        f"    return w{state}",
        "",
    ]
    return "\n".join(lines)


def _accuracy(subject: Subject) -> str:
    state = ", statistics" if _has_buffers(subject) else ""
    hits = "z.argmax(axis=1) == labels"
    if not subject.has_classes:
        border = "0" if subject.absorbed else "0.5"
        hits = f"(z > {border}) == (labels > 0.5)"
    return "\n".join(
        [
            f"def logits(w{state}, images):",
            '    """Return the outputs, a part of the images at a time."""',
            "    predict = jax.jit(forward)",
            "    parts = [images[i : i + 1000] for i in range(0, len(images), 1000)]",
            f"    return np.concatenate([predict(w{state}, x) for x in parts])",
            "",
            "",
            f"def accuracy(w{state}, images, labels):",
            '    """Return the share that is classified rightly."""',
            f"    z = logits(w{state}, images)",
            f"    return np.mean({hits})",
            "",
        ]
    )


def _main(subject: Subject) -> str:
    state = ", statistics" if _has_buffers(subject) else ""
    lines = [
        "def main() -> None:",
        '    """Train and test."""',
        "    options = arguments()",
        "    rng = np.random.default_rng(options.seed)",
        *frame.load_lines(subject).rstrip("\n").splitlines(),
    ]
    for variable, function in (("w", "weights"), ("statistics", "statistics")):
        if variable == "w" or state:
            made = f"initial_{function}(rng)"
            made = f"load_weights({made})" if subject.weights_file else made
            lines.append(f"    {variable} = {made}")
    lines += [
        f"    w{state} = train(w{state}, images, labels, options.epochs, rng)",
        f"    share = accuracy(w{state}, test_images, test_labels)",
        '    print(f"test accuracy: {100 * share:.2f} %")',
        "",
    ]
    return "\n".join(lines)


def weights(subject: Subject, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights as the network has them."""
    found = arrays_of.canonical(subject, arrays)
    return {name: np.ascontiguousarray(array) for name, array in found.items()}
