"""This file is the script from scratch: forward, and back by the chain rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code import data, frame
from pellucid.code import weights as arrays_of
from pellucid.code.numpy_parts import CELLS, CROP, PAD, PARTS
from pellucid.code.subject import Subject
from pellucid.code.text import WIDTH, call, number
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.objectives import SGD, Adam, AdamW, RMSprop

Array = npt.NDArray[Any]
Lines = list[str]


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If a layer has no plain form here.
    """
    words = "From scratch: the derivatives are written out for exactly this network."
    head = frame.heading(subject, name, words)
    forward, backward = _forward(subject), _backward(subject)
    buffers = arrays_of.has_buffers(subject)
    return (
        head
        + "\n"
        + frame.join(
            _imports(subject) + "\n" + frame.constants(subject).rstrip() + _aliases(),
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
            if buffers
            else "",
            arrays_of.reader(subject),
            *_parts(forward + backward + _loss(subject)),
            forward,
            _loss(subject),
            backward,
            _update(subject),
            _accuracy(subject),
            _train(subject),
            frame.arguments(subject),
            _main(subject),
            'if __name__ == "__main__":\n    main()\n',
        )
    )


def _aliases() -> str:
    return "\n\nArrays = dict[str, np.ndarray]"


def _imports(subject: Subject) -> str:
    standard = ["import argparse", *data.imports(subject)]
    if frame.needs_math(subject) or subject.has(nl.GELU):
        standard.append("import math")
    return "\n".join(
        [*standard, "from pathlib import Path", "", "import numpy as np", ""]
    )


def _parts(text: str) -> list[str]:
    """Return the helpers that a text calls, those that they call first."""
    text = re.sub('"""[^"]*"""', "", text)
    chosen = {
        name: source
        for name, source in PARTS.items()
        if re.search(rf"\b{name}(_back)?\(", text)
        or any(f"{caller}(" in text for caller in _CALLERS.get(name, ()))
    }
    whole = text + "".join(chosen.values())
    first = [
        source
        for name, source in (("pad", PAD), ("crop", CROP), ("cells", CELLS))
        if f"{name}(" in whole.replace(f"def {name}(", "")
    ]
    return [*first, *chosen.values()]


#: helper → helpers that call it
_CALLERS = {
    "normalized": ("standardized",),
    "logistic": ("silu_slope",),
    "normal_sum": ("gelu_slope",),
}


def _v(name: str) -> str:
    return f'v["{name}"]'


def _w(node: Node, role: str) -> str:
    return f'w["{node.name}.{role}"]'


def _bias(layer: Any, node: Node) -> str:
    return _w(node, "bias") if layer.bias else "0"


def _window(subject: Subject, node: Node) -> list[str]:
    layer: Any = node.layer
    shape = subject.shape(node)
    pads = layer.pads((shape[0], shape[1]))
    if any(side < 0 for sides in pads for side in sides):
        raise subject.refuse(node, "it adds rows or columns to the output")
    words = [str(layer.strides), str(pads)]
    return (
        words
        if isinstance(layer, nl.AvgPool2D | nl.MaxPool2D)
        else [
            *words,
            str(layer.dilations),
        ]
    )


def _response(layer: Any) -> list[str]:
    numbers = (layer.size, layer.alpha, layer.beta, layer.bias)
    return [number(n) for n in numbers]


def _state(subject: Subject) -> str:
    return ", statistics" if arrays_of.has_buffers(subject) else ""


def _is_random(subject: Subject) -> bool:
    return any(
        isinstance(node.layer, nl.Dropout) and node.layer.rate > 0
        for node in subject.logit_nodes
    )


def _has_modes(subject: Subject) -> bool:
    return _is_random(subject) or arrays_of.has_buffers(subject)


def _forward(subject: Subject) -> str:
    rng = ", rng=None" if _has_modes(subject) else ""
    lines = [f"def forward(w{_state(subject)}, x{rng}):"]
    words = "Return the value of every node, for the derivatives need them"
    lines.append(f'    """{words}{"; rng trains" if rng else ""}."""')
    lines.append(f'    v = {{"{subject.network.inputs[0]}": x}}')
    for node in subject.logit_nodes:
        lines += _forward_lines(subject, node)
    return "\n".join([*lines, "    return v", ""])


def _forward_lines(subject: Subject, node: Node) -> Lines:
    x, y = [_v(source) for source in node.inputs], _v(node.name)
    layer: Any = node.layer
    if isinstance(layer, nl.Conv2D | nl.ConvTranspose2D):
        if layer.groups != 1:
            raise subject.refuse(node, "its groups would need a loop of their own")
        words = [x[0], _w(node, "weight"), _bias(layer, node), *_window(subject, node)]
        return [call(f"{y} = {layer.stem}", words)]
    if isinstance(layer, nl.MaxPool2D | nl.AvgPool2D):
        words = [x[0], str(layer.kernel), *_window(subject, node)]
        return [call(f"{y} = {layer.stem}", words)]
    if isinstance(layer, nl.Dense):
        return [call(f"{y} = dense", [x[0], _w(node, "weight"), _bias(layer, node)])]
    if isinstance(layer, nl.BatchNorm | nl.LayerNorm):
        return _norm_lines(subject, node)
    if isinstance(layer, nl.LocalResponseNorm):
        return [call(f"{y} = local_response_norm", [x[0], *_response(layer)])]
    if isinstance(layer, nl.Upsample2D):
        words = [x[0], str(layer.factors), f'"{layer.mode}"']
        return [call(f"{y} = enlarge", words)]
    if isinstance(layer, nl.Dropout):
        return _dropout_lines(node)
    if isinstance(layer, nl.Concat):
        return [call(f"{y} = np.concatenate", [f"[{', '.join(x)}]", "axis=-1"])]
    if isinstance(layer, nl.LeakyReLU):
        words = [f"{x[0]} > 0", x[0], f"{number(layer.slope)} * {x[0]}"]
        return [call(f"{y} = np.where", words)]
    return [f"    {line}" for line in _SIMPLE[type(layer)](node, x, y)]


def _add(node: Node, x: list[str], y: str) -> Lines:
    return [f"{y} = {' + '.join(x)}"]


def _gelu(node: Node, x: list[str], y: str) -> Lines:
    return [f"{y} = {x[0]} * normal_sum({x[0]})"]


def _line(text: str) -> Callable[[Node, list[str], str], Lines]:
    return lambda node, x, y: [text.format(x=x[0], y=y)]


_SIMPLE: dict[type[nl.Layer], Callable[[Node, list[str], str], Lines]] = {
    nl.Add: _add,
    nl.Flatten: _line("{y} = {x}.reshape(len({x}), -1)"),
    nl.GELU: _gelu,
    nl.GlobalAvgPool2D: _line("{y} = {x}.mean(axis=(1, 2))"),
    nl.ReLU: _line("{y} = np.maximum({x}, 0)"),
    nl.SiLU: _line("{y} = {x} * logistic({x})"),
    nl.Sigmoid: _line("{y} = logistic({x})"),
    nl.Softmax: _line("{y} = softmax({x})"),
    nl.Tanh: _line("{y} = np.tanh({x})"),
    nl.ZeroPad2D: lambda node, x, y: [f"{y} = pad({x[0]}, {node.layer.sides})"],  # type: ignore[attr-defined]
}


def _side(node: Node, what: str) -> str:
    return f'v["{node.name}/{what}"]'


def _norm_lines(subject: Subject, node: Node) -> Lines:
    layer: Any = node.layer
    x, name = _v(node.inputs[0]), node.name
    hat, sigma = _side(node, "hat"), _side(node, "sigma")
    epsilon = number(layer.epsilon)
    left = f"{hat}, {sigma}"
    if _is_batch(layer):
        words = [x, "statistics", f'"{name}"', "rng is not None"]
        words += [number(layer.momentum), epsilon]
        lines = [call(f"{left} = standardized", words)]
    else:
        lines = [call(f"{left} = normalized", [x, "-1", epsilon])]
    out = f"    {_v(name)} = {hat} * {_w(node, 'scale')} + {_w(node, 'offset')}"
    return [*lines, _fold(out)]


def _fold(line: str) -> str:
    """Put the right side of an assignment into parentheses where it is too long."""
    if len(line) <= WIDTH or "\n" in line:
        return line
    pad = " " * (len(line) - len(line.lstrip()))
    left, right = line.split(" = ", 1)
    return f"{left} = (\n{pad}    {right}\n{pad})"


def _is_batch(layer: nl.Layer) -> bool:
    return isinstance(layer, nl.BatchNorm)


def _dropout_lines(node: Node) -> Lines:
    rate = number(node.layer.rate)  # type: ignore[attr-defined]
    x, y, mask = _v(node.inputs[0]), _v(node.name), _side(node, "mask")
    if rate == "0":
        return [f"    {y} = {x}"]
    return [
        "    if rng is None:",
        f"        {y} = {x}",
        "    else:",
        _fold(f"        {mask} = (rng.random({x}.shape) >= {rate}) / (1 - {rate})"),
        f"        {y} = {x} * {mask}.astype({x}.dtype)",
    ]


_LOSSES = {
    "cross_entropy": '''def loss_and_grad(z, labels):
    """Return the mean cross-entropy in nats, and (softmax(z) - onehot) / N."""
    z = z - z.max(axis=1, keepdims=True)
    partition = np.exp(z).sum(axis=1, keepdims=True)
    targets = {targets}
    loss = np.sum(targets * (np.log(partition) - z)) / len(z)
    return loss, (np.exp(z) / partition - targets) / len(z)
''',
    "binary_cross_entropy": '''def loss_and_grad(z, labels):
    """Return the mean cross-entropy of logistic(z) in nats, and its derivative."""
    t = labels{smoothed}
    loss = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    return loss, (logistic(z) - t) / z.size
''',
    "mse": '''def loss_and_grad(z, labels):
    """Return the mean squared error, and its derivative."""
    return np.mean((z - labels) ** 2), 2 * (z - labels) / z.size
''',
    "half_squared_error_sum": '''def loss_and_grad(z, labels):
    """Return half the sum of all squared errors, and its derivative."""
    return 0.5 * np.sum((z - labels) ** 2), z - labels
''',
}


def _loss(subject: Subject) -> str:
    smoothing = getattr(subject.loss, "label_smoothing", 0.0)
    classes = subject.network.output_shape[-1]
    targets = f"np.eye({classes}, dtype=z.dtype)[labels]"
    smoothed = ""
    if smoothing:
        keep, share = number(1 - smoothing), number(smoothing / classes)
        targets = f"{targets} * {keep} + {share}"
        smoothed = f" * {keep} + {number(smoothing / 2)}"
    text = _LOSSES[subject.loss.name]
    return text.replace("{targets}", targets).replace("{smoothed}", smoothed)


def _backward(subject: Subject) -> str:
    """Write the chain rule from the last node to the first."""
    lines = [
        "def backward(w, v, grad):",
        '    """Return the derivative by every weight, given that by the logits."""',
        f'    g, grads = {{"{subject.head}": grad}}, {{}}',
    ]
    reached = {subject.head}
    learners = _learners(subject)
    for node in reversed(subject.logit_nodes):
        lines += _backward_lines(subject, node, reached, learners)
    return "\n".join([*lines, "    return grads", ""])


def _learners(subject: Subject) -> set[str]:
    """Return the nodes that stand behind a weight, or hold one."""
    found: set[str] = set()
    for node in subject.logit_nodes:
        has = node.layer.weights(*subject.network.input_shapes(node))
        if has or found.intersection(node.inputs):
            found.add(node.name)
    return found


def _backward_lines(
    subject: Subject, node: Node, reached: set[str], learners: set[str]
) -> Lines:
    layer: Any = node.layer
    grad = f'g["{node.name}"]'
    wanted = [source for source in node.inputs if source in learners]
    specs = node.layer.weights(*subject.network.input_shapes(node))
    roles = [spec.role for spec in specs if spec.is_parameter]
    targets = [f'grads["{node.name}.{role}"]' for role in roles]
    if not wanted and not roles:
        return []
    if isinstance(layer, nl.Add):
        pieces = [_pass_on(source, grad, reached) for source in wanted]
        return [f"    {piece}" for piece in pieces]
    if isinstance(layer, nl.Concat):
        return _concat_back(subject, node, grad, wanted, reached)
    x = node.inputs[0]
    first = x if wanted else None
    is_new = first is not None and first not in reached
    target = "_" if first is None else f'g["{x}"]' if is_new else "grad_x"
    lines = _back(subject, node, grad, target, targets)
    if first is not None and not is_new:
        lines.append(f'    g["{x}"] = g["{x}"] + grad_x')
    if first is not None:
        reached.add(x)
    return lines


def _pass_on(source: str, grad: str, reached: set[str]) -> str:
    target = f'g["{source}"]'
    line = (
        f"{target} = {target} + {grad}" if source in reached else f"{target} = {grad}"
    )
    reached.add(source)
    return line


def _concat_back(
    subject: Subject, node: Node, grad: str, wanted: list[str], reached: set[str]
) -> Lines:
    start, lines = 0, []
    for source, shape in zip(
        node.inputs, subject.network.input_shapes(node), strict=True
    ):
        part = f"{grad}[..., {start}:{start + shape[-1]}]"
        if source in wanted:
            lines.append(f"    {_pass_on(source, part, reached)}")
        start += shape[-1]
    return lines


def _back(
    subject: Subject, node: Node, grad: str, target: str, targets: list[str]
) -> Lines:
    """Return the lines of a layer with one input: its derivative goes to target."""
    layer: Any = node.layer
    x, y = _v(node.inputs[0]), _v(node.name)
    if isinstance(layer, nl.Conv2D | nl.ConvTranspose2D | nl.Dense):
        words = [grad, x, _w(node, "weight")]
        words += [] if isinstance(layer, nl.Dense) else _window(subject, node)
        left = [target, *targets] if layer.bias else [target, *targets, "_"]
        return _unpacked(left, f"{layer.stem}_back", words)
    if isinstance(layer, nl.BatchNorm | nl.LayerNorm):
        axes = tuple(range(len(subject.shape(node)))) if _is_batch(layer) else -1
        words = [grad, _side(node, "hat"), _side(node, "sigma"), _w(node, "scale")]
        return _unpacked([target, *targets], "norm_back", [*words, str(axes)])
    if isinstance(layer, nl.MaxPool2D):
        words = [grad, x, y, str(layer.kernel), *_window(subject, node)]
        return [call(f"{target} = max_pool2d_back", words)]
    if isinstance(layer, nl.AvgPool2D):
        words = [grad, x, str(layer.kernel), *_window(subject, node)]
        return [call(f"{target} = avg_pool2d_back", words)]
    if isinstance(layer, nl.LocalResponseNorm):
        words = [grad, x, *_response(layer)]
        return [call(f"{target} = local_response_norm_back", words)]
    if isinstance(layer, nl.Upsample2D):
        words = [grad, str(layer.factors), f'"{layer.mode}"']
        return [call(f"{target} = enlarge_back", words)]
    if isinstance(layer, nl.GlobalAvgPool2D):
        size = subject.shape(node)[0] * subject.shape(node)[1]
        return [
            f"    share = {grad}[:, None, None] / {size}",
            f"    {target} = np.broadcast_to(share, {x}.shape)",
        ]
    if isinstance(layer, nl.Dropout) and not layer.rate:
        return [f"    {target} = {grad}"]
    if isinstance(layer, nl.LeakyReLU):
        words = [f"{x} > 0", grad, f"{number(layer.slope)} * {grad}"]
        return [call(f"{target} = np.where", words)]
    text = _SLOPES[type(layer)].format(
        g=grad, x=x, y=y, mask=_side(node, "mask"), layer=layer
    )
    return [_fold(f"    {target} = {text}")]


def _unpacked(left: list[str], function: str, words: list[str]) -> Lines:
    line = call(f"{', '.join(left)} = {function}", words)
    if all(len(row) <= WIDTH for row in line.splitlines()):
        return [line]
    each = [f"    {name} = parts[{i}]" for i, name in enumerate(left) if name != "_"]
    return [call(f"parts = {function}", words), *each]


_SLOPES: dict[type[nl.Layer], str] = {
    nl.Dropout: "{g} * {mask}.astype({g}.dtype)",
    nl.Flatten: "{g}.reshape({x}.shape)",
    nl.GELU: "{g} * gelu_slope({x})",
    nl.ReLU: "{g} * ({x} > 0)",
    nl.SiLU: "{g} * silu_slope({x})",
    nl.Sigmoid: "{g} * {y} * (1 - {y})",
    nl.Softmax: "softmax_back({g}, {y})",
    nl.Tanh: "{g} * (1 - {y} * {y})",
    nl.ZeroPad2D: "crop({g}, {layer.sides})",
}


def _update(subject: Subject) -> str:
    o = subject.optimizer
    schedule = subject.schedule.name != "constant"
    rate = "rate" if schedule else "LEARNING_RATE"
    lines = [
        f"def update(w, grads, slots, step{', rate' if schedule else ''}):",
        f'    """Change the weights by one step of {type(o).__name__}; '
        'steps count from 1."""',
    ]
    if subject.recipe.clip_norm:
        clip = number(subject.recipe.clip_norm)
        lines += [
            "    norm = math.sqrt(sum(np.sum(g * g) for g in grads.values()))".replace(
                "math.sqrt", "np.sqrt"
            ),
            f"    shrink = min(1.0, {clip} / max(norm, 1e-30))",
        ]
    lines.append("    for name, g in grads.items():")
    if subject.recipe.clip_norm:
        lines.append("        g = g * shrink")
    if subject.weight_decay:
        decay = number(subject.weight_decay)
        lines.append('        if name.endswith(".weight"):')
        if isinstance(o, AdamW):
            lines.append(f"            w[name] *= 1 - {rate} * {decay}")
        else:
            lines.append(f"            g = g + {decay} * w[name]")
    lines += [f"        {line}" for line in _UPDATES[type(o)](o, rate)]
    if not isinstance(o, Adam):
        lines.insert(2, "    del step")
    if isinstance(o, SGD) and not o.momentum:
        lines[2] = "    del slots, step"
    return "\n".join([*lines, ""])


def _sgd(o: Any, rate: str) -> Lines:
    if not o.momentum:
        return [f"w[name] -= {rate} * g"]
    mu = number(o.momentum)
    move = f"g + {mu} * v" if o.nesterov else "v"
    return [
        f'v = slots[name, "v"] = {mu} * slots.get((name, "v"), 0) + g',
        f"w[name] -= {rate} * ({move})" if o.nesterov else f"w[name] -= {rate} * v",
    ]


def _rmsprop(o: Any, rate: str) -> Lines:
    rho = number(o.rho)
    rest = number(round(1 - o.rho, 12))
    return [
        f's = slots[name, "s"] = {rho} * slots.get((name, "s"), 0) + {rest} * g * g',
        f"w[name] -= {rate} * g / (np.sqrt(s) + {number(o.epsilon)})",
    ]


def _adam(o: Any, rate: str) -> Lines:
    one, two = number(o.beta1), number(o.beta2)
    rest = [number(round(1 - beta, 12)) for beta in (o.beta1, o.beta2)]
    return [
        f'm = slots[name, "m"] = {one} * slots.get((name, "m"), 0) + {rest[0]} * g',
        f'v = slots[name, "v"] = {two} * slots.get((name, "v"), 0) + {rest[1]} * g * g',
        f"m_hat, v_hat = m / (1 - {one}**step), v / (1 - {two}**step)",
        f"w[name] -= {rate} * m_hat / (np.sqrt(v_hat) + {number(o.epsilon)})",
    ]


_UPDATES: dict[type[Any], Callable[[Any, str], Lines]] = {
    SGD: _sgd,
    RMSprop: _rmsprop,
    Adam: _adam,
    AdamW: _adam,
}


def _train(subject: Subject) -> str:
    state = _state(subject)
    rng = ", rng" if _has_modes(subject) else ""
    schedule = subject.schedule.name != "constant"
    lines = [
        f"def train(w{state}, images, labels, epochs, rng):",
        '    """Train, and print the mean loss of each epoch."""',
        "    slots, step = {}, 0",
    ]
    if schedule:
        per_epoch = "per_epoch" in frame.rate_call(subject, "")
        count = "-(-len(images) // BATCH_SIZE)"
        lines.append(
            f"    steps_per_epoch = {count}"
            if per_epoch
            else f"    steps = epochs * {count}"
        )
    order = "rng.permutation(len(images))"
    if not subject.recipe.shuffle:
        order = "np.arange(len(images))"
    lines += [
        "    for epoch in range(epochs):",
        f"        order, total = {order}, 0.0",
        "        for start in range(0, len(images), BATCH_SIZE):",
        "            chosen = order[start : start + BATCH_SIZE]",
    ]
    batch = "images[chosen]"
    if data.augmentation(subject):
        batch = "augment(images[chosen], rng)"
    head = f'v["{subject.head}"]'
    lines += [
        f"            v = forward(w{state}, {batch}{rng})",
        f"            loss, grad = loss_and_grad({head}, labels[chosen])",
        "            step += 1",
    ]
    rate = ""
    if schedule:
        factor = frame.rate_call(subject, "step - 1")
        lines.append(f"            rate = LEARNING_RATE * {factor}")
        rate = ", rate"
    lines += [
        f"            update(w, backward(w, v, grad), slots, step{rate})",
        "            total += loss * len(chosen)",
        '        print(f"epoch {epoch + 1}: loss {total / len(images):.4f}")',
        "",
    ]
    if subject.loss.name == "half_squared_error_sum":
        lines[-3] = "            total += loss * len(images)"
    return "\n".join(lines)


def _accuracy(subject: Subject) -> str:
    state = _state(subject)
    hits = "z.argmax(axis=1) == labels"
    if not subject.has_classes:
        border = "0" if subject.absorbed else "0.5"
        hits = f"(z > {border}) == (labels > 0.5)"
    return "\n".join(
        [
            f"def logits(w{state}, images):",
            '    """Return the outputs, a part of the images at a time."""',
            "    parts = [images[i : i + 250] for i in range(0, len(images), 250)]",
            f'    outputs = [forward(w{state}, x)["{subject.head}"] for x in parts]',
            "    return np.concatenate(outputs)",
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
    state = _state(subject)
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
        f"    train(w{state}, images, labels, options.epochs, rng)",
        f"    share = accuracy(w{state}, test_images, test_labels)",
        '    print(f"test accuracy: {100 * share:.2f} %")',
        "",
    ]
    return "\n".join(lines)


def weights(subject: Subject, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights as the network has them."""
    return {
        k: np.ascontiguousarray(a)
        for k, a in arrays_of.canonical(subject, arrays).items()
    }
