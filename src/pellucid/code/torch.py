"""This file is the script in PyTorch: a module, a DataLoader and an explicit loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code import data, frame
from pellucid.code.subject import ORDERLESS, Subject, flattened
from pellucid.code.text import call, number, one_or_pair
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.network.initializers import Constant, Normal, Uniform
from pellucid.network.layers import Shape
from pellucid.objectives import SGD, Adam, AdamW, Optimizer, RMSprop

Array = npt.NDArray[Any]

_CLASSES = {
    "PixelLinear": '''class PixelLinear(nn.Linear):
    """A dense layer on the channels of every pixel of (N, C, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
''',
    "PixelLayerNorm": '''class PixelLayerNorm(nn.LayerNorm):
    """A layer norm over the channels of every pixel of (N, C, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
''',
    "GlobalAvgPool2d": '''class GlobalAvgPool2d(nn.Module):
    """The mean of every channel: (N, C, H, W) to (N, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))
''',
}

Modules = list[str]


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If PyTorch has no plain module for a layer.
    """
    head = frame.heading(subject, name)
    return (
        head
        + "\n"
        + frame.join(
            _imports(subject) + "\n" + frame.constants(subject).rstrip(),
            data.reader(subject),
            data.augmentation(subject),
            frame.rate_factor(subject),
            *_helpers(subject),
            _model(subject),
            _train(subject),
            _accuracy(subject),
            frame.arguments(subject),
            _main(subject),
            'if __name__ == "__main__":\n    main()\n',
        )
    )


def _imports(subject: Subject) -> str:
    standard = ["import argparse", *data.imports(subject)]
    if frame.needs_math(subject):
        standard.append("import math")
    lines = [*standard, "from pathlib import Path", "", "import numpy as np"]
    lines += ["import torch"]
    if subject.weights_file:
        lines.append("from safetensors.torch import load_file")
    lines.append("from torch import nn")
    lines.append("from torch.utils.data import DataLoader, TensorDataset")
    return "\n".join([*lines, ""])


def modules(subject: Subject) -> dict[str, Modules]:
    """Return the modules of each node up to the logits, as text."""
    found = {}
    for node in subject.logit_nodes:
        builder = _BUILDERS.get(type(node.layer))
        found[node.name] = builder(subject, node) if builder else []
    return found


def _model(subject: Subject) -> str:
    made = modules(subject)
    if subject.is_chain:
        rows = [module for node in subject.logit_nodes for module in made[node.name]]
        body = "".join(f"        {row},\n" for row in rows)
        made_model = f"nn.Sequential(\n{body}    )"
        starts = _initial(subject, {})
        if not starts:
            return (
                "def make_model() -> nn.Module:\n"
                f'    """{_takes(subject)}"""\n    return {made_model}\n'
            )
        return (
            "def make_model() -> nn.Module:\n"
            f'    """{_takes(subject)}"""\n    model = {made_model}\n{starts}'
            "    return model\n"
        )
    lines = [
        "class Network(nn.Module):",
        f'    """{_takes(subject)}"""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
    ]
    for node in subject.logit_nodes:
        if made[node.name]:
            lines.append(_assigned(node.name, made[node.name]))
    lines += _initial(subject, made).rstrip("\n").splitlines()
    lines += ["", "    def forward(self, x: torch.Tensor) -> torch.Tensor:"]
    lines += [f"        {line}" for line in _forward(subject, made)]
    maker = 'def make_model() -> nn.Module:\n    """Return the network."""\n'
    return "\n".join(lines) + f"\n\n\n{maker}    return Network()\n"


def _takes(subject: Subject) -> str:
    if not subject.is_image:
        return "Take (N, features)."
    return "Take images (N, C, H, W), return logits."


def _assigned(name: str, rows: Modules) -> str:
    if len(rows) == 1:
        return f"        self.{name} = {rows[0]}"
    return call(f"self.{name} = nn.Sequential", rows, indent=8)


def _forward(subject: Subject, made: Mapping[str, Modules]) -> list[str]:
    """Return a line for each node; a value lives in a variable of its node's name."""
    names = {subject.network.inputs[0]: "x"}
    lines = []
    for node in subject.logit_nodes:
        inputs = [names[source] for source in node.inputs]
        names[node.name] = node.name
        if isinstance(node.layer, nl.Add):
            value = " + ".join(inputs)
        elif isinstance(node.layer, nl.Concat):
            value = f"torch.cat([{', '.join(inputs)}], dim=1)"
        else:
            value = f"self.{node.name}({inputs[0]})"
        lines.append(f"{node.name} = {value}")
    last = lines.pop().split(" = ", 1)[1]
    return [*lines, f"return {last}"]


def _initial(subject: Subject, made: Mapping[str, Modules]) -> str:
    """Return the lines for weights that begin otherwise than PyTorch's own."""
    if subject.weights_file:
        return ""
    chosen = [
        node
        for node in subject.logit_nodes
        if getattr(node.layer, "weight_initializer", None) is not None
    ]
    if not chosen:
        return ""
    starts = {_start(subject, node) for node in chosen}
    if len(starts) > 1:
        raise subject.refuse(chosen[0], "layers begin in different ways")
    (function,) = starts
    kinds = sorted({_MODULES[type(node.layer)] for node in chosen})
    lines = [
        f"for module in {'self' if made else 'model'}.modules():",
        f"    if isinstance(module, {' | '.join(kinds)}):",
        f"        {function.format('module.weight')}",
    ]
    if getattr(chosen[0].layer, "bias_initializer", None) is not None:
        lines.append(f"        {function.format('module.bias')}")
    pad = "        " if made else "    "
    return "".join(f"{pad}{line}\n" for line in lines)


_MODULES: dict[type[nl.Layer], str] = {
    nl.Conv2D: "nn.Conv2d",
    nl.ConvTranspose2D: "nn.ConvTranspose2d",
    nl.Dense: "nn.Linear",
}


def _start(subject: Subject, node: Node) -> str:
    kind = node.layer.weight_initializer  # type: ignore[attr-defined]
    if isinstance(kind, Uniform):
        return f"nn.init.uniform_({{}}, {number(kind.low)}, {number(kind.high)})"
    if isinstance(kind, Normal):
        return f"nn.init.normal_({{}}, std={number(kind.std)})"
    if isinstance(kind, Constant):
        return f"nn.init.constant_({{}}, {number(kind.value)})"
    known = {
        "he_normal": 'kaiming_normal_({}, nonlinearity="relu")',
        "he_uniform": 'kaiming_uniform_({}, nonlinearity="relu")',
        "glorot_normal": "xavier_normal_({})",
        "glorot_uniform": "xavier_uniform_({})",
    }
    if kind not in known:
        raise subject.refuse(node, f"nn.init has no {kind}")
    return f"nn.init.{known[str(kind)]}"


def _pads(pads: Any) -> str:
    (top, bottom), (left, right) = pads
    return f"({left}, {right}, {top}, {bottom})"


def _is_symmetric(pads: Any) -> bool:
    return all(before == after for before, after in pads)


def _convolution(subject: Subject, node: Node) -> Modules:
    layer: Any = node.layer
    shape = subject.shape(node)
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


def _transposed(subject: Subject, node: Node) -> Modules:
    layer: Any = node.layer
    shape = subject.shape(node)
    pads = layer.pads((shape[0], shape[1]))
    extra = pads[0][0] - pads[0][1], pads[1][0] - pads[1][1]
    limits = map(max, layer.strides, layer.dilations)
    if not all(0 <= e < most for e, most in zip(extra, limits, strict=True)):
        raise subject.refuse(node, "its crop is not symmetric")
    words = [str(shape[2]), str(layer.out_channels), one_or_pair(layer.kernel)]
    words += _keywords(layer)
    sides = (pads[0][0], pads[1][0])
    words += [f"padding={one_or_pair(sides)}"] if any(sides) else []
    words += [f"output_padding={one_or_pair(extra)}"] if any(extra) else []
    return [f"nn.ConvTranspose2d({', '.join(words)})"]


def _pool(subject: Subject, node: Node) -> Modules:
    layer: Any = node.layer
    shape = subject.shape(node)
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
        raise subject.refuse(node, "its padding differs from side to side")
    infinite = f'nn.ConstantPad2d({_pads(pads)}, float("-inf"))'
    return [infinite, f"{name}({', '.join(words)})"]


def _dense(subject: Subject, node: Node) -> Modules:
    shape = subject.shape(node)
    layer: Any = node.layer
    name = "PixelLinear" if len(shape) == 3 else "nn.Linear"
    bias = "" if layer.bias else ", bias=False"
    return [f"{name}({shape[-1]}, {layer.units}{bias})"]


def _flatten(subject: Subject, node: Node) -> Modules:
    shape = subject.shape(node)
    if len(shape) == 3 and shape[:2] != (1, 1) and shape[2] != 1:
        name = node.name
        while True:
            readers = subject.network.consumers[name]
            if len(readers) != 1 or not isinstance(
                readers[0].layer, (*ORDERLESS, nl.Dense)
            ):
                raise subject.refuse(node, "no dense layer takes its order on")
            if isinstance(readers[0].layer, nl.Dense):
                break
            name = readers[0].name
    return ["nn.Flatten()"]


def _batch_norm(subject: Subject, node: Node) -> Modules:
    layer: Any = node.layer
    shape = subject.shape(node)
    kind = {1: "nn.BatchNorm1d", 3: "nn.BatchNorm2d"}[len(shape)]
    words = [str(shape[-1])]
    share = round(1 - layer.momentum, 12)  # PyTorch's is the share of the new
    words += [f"momentum={number(share)}"] if share != 0.1 else []
    words += [f"eps={number(layer.epsilon)}"] if layer.epsilon != 1e-5 else []
    return [f"{kind}({', '.join(words)})"]


def _layer_norm(subject: Subject, node: Node) -> Modules:
    layer: Any = node.layer
    shape = subject.shape(node)
    name = "PixelLayerNorm" if len(shape) == 3 else "nn.LayerNorm"
    eps = f", eps={number(layer.epsilon)}" if layer.epsilon != 1e-5 else ""
    return [f"{name}({shape[-1]}{eps})"]


def _local_response_norm(subject: Subject, node: Node) -> Modules:
    del subject
    layer: Any = node.layer
    words = [str(layer.size)]
    words += [f"alpha={number(layer.alpha)}"] if layer.alpha != 1e-4 else []
    words += [f"beta={number(layer.beta)}"] if layer.beta != 0.75 else []
    words += [f"k={number(layer.bias)}"] if layer.bias != 1 else []
    return [f"nn.LocalResponseNorm({', '.join(words)})"]


def _upsample(subject: Subject, node: Node) -> Modules:
    del subject
    layer: Any = node.layer
    # plain "nearest" rounds the wrong way where 1 / scale is not exact
    mode = {"nearest": "nearest-exact", "bilinear": "bilinear"}[layer.mode]
    return [f'nn.Upsample(scale_factor={one_or_pair(layer.factors)}, mode="{mode}")']


def _softmax(subject: Subject, node: Node) -> Modules:
    return [f"nn.Softmax(dim={1 if len(subject.shape(node)) == 3 else -1})"]


def _plain(text: str) -> Callable[[Subject, Node], Modules]:
    return lambda subject, node: [text.format(node.layer)]


_BUILDERS: dict[type[nl.Layer], Callable[[Subject, Node], Modules]] = {
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
    nl.ZeroPad2D: lambda subject, node: [
        f"nn.ZeroPad2d({_pads(node.layer.sides)})"  # type: ignore[attr-defined]
    ],
}


def _helpers(subject: Subject) -> list[str]:
    text = "\n".join(row for rows in modules(subject).values() for row in rows)
    return [source for name, source in _CLASSES.items() if f"{name}(" in text]


_LOSSES = {
    "cross_entropy": "nn.CrossEntropyLoss({smoothing})",
    "binary_cross_entropy": "nn.BCEWithLogitsLoss()",
    "mse": "nn.MSELoss()",
}


def _loss(subject: Subject) -> tuple[str, str]:
    """Return the line that makes the loss (or none), and the call of it."""
    loss = subject.loss
    if loss.name not in _LOSSES:
        return "", "0.5 * (model(x) - y).square().sum()"
    smoothing = getattr(loss, "label_smoothing", 0.0)
    word = f"label_smoothing={number(smoothing)}" if smoothing else ""
    if smoothing and loss.name != "cross_entropy":
        word = ""
        return "", (
            "nn.functional.binary_cross_entropy_with_logits("
            f"model(x), y * {1 - smoothing:g} + {smoothing / 2:g})"
        )
    made = _LOSSES[loss.name].format(smoothing=word)
    return f"    loss_function = {made}\n", "loss_function(model(x), y)"


def _optimizer(subject: Subject) -> str:
    optimizer = subject.optimizer
    name, words = _keywords_of(optimizer)
    words = ["lr=LEARNING_RATE", *words]
    if not subject.weight_decay:
        return call(f"optimizer = torch.optim.{name}", ["model.parameters()", *words])
    return (
        "    # weights decay; biases and norms do not\n"
        "    parameters = list(model.parameters())\n"
        "    groups = [\n"
        '        {"params": [p for p in parameters if p.ndim > 1], '
        f'"weight_decay": {number(subject.weight_decay)}}},\n'
        '        {"params": [p for p in parameters if p.ndim == 1], '
        '"weight_decay": 0.0},\n'
        "    ]\n" + call(f"optimizer = torch.optim.{name}", ["groups", *words])
    )


def _keywords_of(o: Optimizer) -> tuple[str, list[str]]:
    if isinstance(o, SGD):
        words = [f"momentum={number(o.momentum)}"] if o.momentum else []
        return "SGD", [*words, "nesterov=True"] if o.nesterov else words
    if isinstance(o, RMSprop):
        return "RMSprop", [f"alpha={number(o.rho)}", *_unless(o.epsilon, 1e-8, "eps")]
    if not isinstance(o, Adam):
        raise TypeError(type(o).__name__)
    words = []
    if (o.beta1, o.beta2) != (0.9, 0.999):
        words.append(f"betas=({number(o.beta1)}, {number(o.beta2)})")
    name = "AdamW" if isinstance(o, AdamW) else "Adam"
    return name, [*words, *_unless(o.epsilon, 1e-8, "eps")]


def _unless(value: float, default: float, word: str) -> list[str]:
    return [] if value == default else [f"{word}={number(value)}"]


def _train(subject: Subject) -> str:
    makes_loss, loss = _loss(subject)
    schedule = subject.recipe.schedule.get("name", "constant") != "constant"
    lines = [
        "def train(",
        "    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int",
        ") -> None:",
        '    """Train, and print the mean loss of each epoch."""',
    ]
    shuffle = "True" if subject.recipe.shuffle else "False"
    lines += [
        "    dataset = TensorDataset(images, labels)",
        f"    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle={shuffle})",
        _optimizer(subject),
    ]
    if makes_loss:
        lines.append(makes_loss.rstrip())
    if schedule:
        lines += [
            "    steps_per_epoch = len(loader)",
            "    steps = epochs * steps_per_epoch",
            "    schedule = torch.optim.lr_scheduler.LambdaLR(",
            f"        optimizer, lambda step: {frame.rate_call(subject, 'step')}",
            "    )",
        ]
        if "steps_per_epoch" in frame.rate_call(subject, ""):
            lines.remove("    steps = epochs * steps_per_epoch")
        else:
            lines.remove("    steps_per_epoch = len(loader)")
            place = lines.index("    steps = epochs * steps_per_epoch")
            lines[place] = "    steps = epochs * len(loader)"
    if data.augmentation(subject):
        lines.append("    rng = np.random.default_rng(torch.initial_seed())")
    lines += [
        "    for epoch in range(epochs):",
        "        model.train()",
        "        total = 0.0",
        "        for x, y in loader:",
    ]
    if data.augmentation(subject):
        lines += [
            "            pictures = augment(x.permute(0, 2, 3, 1).numpy(), rng)",
            "            x = torch.from_numpy(pictures).permute(0, 3, 1, 2)",
        ]
    lines += [
        "            optimizer.zero_grad()",
        f"            loss = {loss}",
        "            loss.backward()",
    ]
    if subject.recipe.clip_norm:
        lines.append(
            "            nn.utils.clip_grad_norm_(model.parameters(), "
            f"{number(subject.recipe.clip_norm)})"
        )
    lines.append("            optimizer.step()")
    if schedule:
        lines.append("            schedule.step()")
    lines += [
        "            total += loss.item() * len(x)",
        '        print(f"epoch {epoch + 1}: loss {total / len(dataset):.4f}")',
        "",
    ]
    return "\n".join(lines)


def _accuracy(subject: Subject) -> str:
    if subject.has_classes:
        hits = "(outputs.argmax(dim=1) == labels)"
    else:
        border = "0" if subject.absorbed else "0.5"
        hits = f"((outputs > {border}) == (labels > 0.5))"
    return "\n".join(
        [
            "@torch.no_grad()",
            "def accuracy(model: nn.Module, images: torch.Tensor, "
            "labels: torch.Tensor) -> float:",
            '    """Return the share that is classified rightly."""',
            "    model.eval()",
            "    outputs = torch.cat([model(x) for x in images.split(1000)])",
            f"    return {hits}.double().mean().item()",
            "",
        ]
    )


def _main(subject: Subject) -> str:
    lines = [
        "def main() -> None:",
        '    """Train and test."""',
        "    options = arguments()",
        "    torch.manual_seed(options.seed)",
    ]
    if subject.recipe.dtype == "float64":
        lines.append("    torch.set_default_dtype(torch.float64)")
    lines += frame.load_lines(subject).rstrip("\n").splitlines()
    lines.append("    model = make_model()")
    if subject.weights_file:
        lines.append("    model.load_state_dict(load_file(WEIGHTS))")
    lines += [
        "    train(model, tensor(images), tensor(labels), options.epochs)",
        "    share = accuracy(model, tensor(test_images), tensor(test_labels))",
        '    print(f"test accuracy: {100 * share:.2f} %")',
        "",
    ]
    layout = (
        "    # PyTorch wants channels before height and width\n"
        "    if array.ndim == 4:\n"
        "        array = array.transpose(0, 3, 1, 2)\n"
        if subject.is_image
        else ""
    )
    tensor = (
        "def tensor(array: np.ndarray) -> torch.Tensor:\n"
        '    """Return an array as PyTorch wants it."""\n'
        f"{layout}    return torch.from_numpy(np.ascontiguousarray(array))\n"
    )
    return f"{tensor}\n\n" + "\n".join(lines)


_ROLES = {"scale": "weight", "offset": "bias", "running_variance": "running_var"}


def weights(subject: Subject, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights under PyTorch's names and in its layouts."""
    found: dict[str, Array] = {}
    index = 0
    made = modules(subject)
    for node in subject.logit_nodes:
        count = len(made[node.name])
        place = str(index + count - 1)
        if not subject.is_chain:
            place = node.name if count == 1 else f"{node.name}.{count - 1}"
        index += count
        for spec in node.layer.weights(*subject.network.input_shapes(node)):
            array = np.asarray(arrays[f"{node.name}.{spec.role}"])
            role = _ROLES.get(spec.role, spec.role)
            if spec.role == "weight":
                array = _turned(subject, node, array)
            found[f"{place}.{role}"] = np.ascontiguousarray(array)
        if isinstance(node.layer, nl.BatchNorm):
            found[f"{place}.num_batches_tracked"] = np.zeros((), np.int64)
    return found


def _turned(subject: Subject, node: Node, array: Array) -> Array:
    layer = node.layer
    if isinstance(layer, nl.Conv2D):
        return array.transpose(3, 2, 0, 1)
    if isinstance(layer, nl.ConvTranspose2D):
        # (kh, kw, in / g, out) → (in, out / g, kh, kw), group by group
        kh, kw, ins, outs = array.shape
        g = layer.groups
        split = array.reshape(kh, kw, ins, g, outs // g)
        return split.transpose(3, 2, 4, 0, 1).reshape(g * ins, outs // g, kh, kw)
    shape: Shape | None = flattened(subject.network, node)
    if shape is not None:
        rows = array.reshape(*shape, -1).transpose(2, 0, 1, 3)
        array = rows.reshape(-1, array.shape[-1])
    return array.T
