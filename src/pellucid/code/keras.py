"""This file is the script in Keras: a model, then compile, fit and evaluate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code import data, frame
from pellucid.code.subject import Subject
from pellucid.code.text import WIDTH, call, number, one_or_pair
from pellucid.network import Node, window
from pellucid.network import layers as nl
from pellucid.network.initializers import Constant, Normal, Uniform
from pellucid.objectives import SGD, Adam, AdamW, RMSprop

Array = npt.NDArray[Any]
Words = list[str]
Layer = tuple[str, Words]
Built = tuple[list[Layer], str, Words, list[Layer]]
_MANY = 3  # layers of one kind that share their arguments

#: activations that Keras' layers take as ``activation=``
_MERGED: dict[type[nl.Layer], str] = {
    nl.GELU: "gelu",
    nl.ReLU: "relu",
    nl.SiLU: "silu",
    nl.Sigmoid: "sigmoid",
    nl.Softmax: "softmax",
    nl.Tanh: "tanh",
}
_VALIDATION_SPLIT = 0.2  # where the recipe has none: fit's own habit


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If Keras has no plain layer for one of the network's.
    """
    head = frame.heading(subject, name)
    return (
        head
        + "\n"
        + frame.join(
            _imports(subject) + "\n" + _constants(subject),
            data.reader(subject),
            data.augmentation(subject),
            frame.rate_factor(subject),
            _rate_callback(subject),
            _pictures(subject),
            _own_loss(subject),
            _model(subject),
            _load_weights(subject),
            frame.arguments(subject),
            _main(subject),
            'if __name__ == "__main__":\n    main()\n',
        )
    )


def _imports(subject: Subject) -> str:
    standard = ["import argparse", *data.imports(subject)]
    if frame.needs_math(subject):
        standard.append("import math")
    lines = [*standard, "from pathlib import Path", "", "import keras"]
    lines += ["import numpy as np", "from keras import layers", ""]
    return "\n".join(lines)


def _merges(subject: Subject) -> dict[str, Node]:
    """Return the activations that the layer before them takes over."""
    found = {}
    for node in subject.nodes:
        readers = subject.network.consumers[node.name]
        takes = isinstance(node.layer, nl.Conv2D | nl.Dense | nl.ConvTranspose2D)
        if takes and len(readers) == 1 and type(readers[0].layer) in _MERGED:
            is_cropped = isinstance(node.layer, nl.ConvTranspose2D)
            if not is_cropped:
                found[node.name] = readers[0]
    return found


def _model(subject: Subject) -> str:
    merged = _merges(subject)
    after = {node.name: source for source, node in merged.items()}
    shape = ", ".join(map(str, subject.network.input_shape))
    shape += "," if len(subject.network.input_shape) == 1 else ""
    lines = [
        "def make_model() -> keras.Model:",
        f'    """Take {"images (N, H, W, C)" if subject.is_image else "(N, features)"}'
        '."""',
    ]
    nodes = [node for node in subject.nodes if node.name not in after]
    made = {n.name: _layers(subject, n, merged.get(n.name)) for n in nodes}
    if subject.is_chain:
        lines += ["    return keras.Sequential(", "        ["]
        lines += [f"            keras.Input(({shape})),"]
        for node in nodes:
            lines += [
                call(head, words, indent=12, tail=",")
                for head, words in made[node.name]
            ]
        return "\n".join([*lines, "        ]", "    )", ""])
    lines.append(f"    inputs = keras.Input(({shape}))")
    names = {name: name for name in subject.network.shapes}
    names |= {subject.network.inputs[0]: "inputs"} | after
    for node in nodes:
        inputs = [names[source] for source in node.inputs]
        value = inputs[0] if len(inputs) == 1 else f"[{', '.join(inputs)}]"
        for head, words in made[node.name]:
            lines.append(call(f"{node.name} = {head}", words, tail=f"({value})"))
            value = node.name
    last = names[subject.network.outputs[0]]
    return "\n".join([*lines, f"    return keras.Model(inputs, {last})", ""])


def _layers(subject: Subject, node: Node, activation: Node | None) -> list[Layer]:
    """Return the layers of a node."""
    builder = _BUILDERS.get(type(node.layer))
    if builder is None:
        raise subject.refuse(node, "there is no such layer")
    before, name, words, after = builder(subject, node)
    if activation is not None:
        words = [*words, f'activation="{_MERGED[type(activation.layer)]}"']
    extra = _starts(subject, node)
    words += ["**KERNEL"] if extra and extra == _shared(subject) else extra
    if subject.weights_file:
        has = node.layer.weights(*subject.network.input_shapes(node))
        words += [f'name="{node.name}"'] if has else []
    return [*before, (f"layers.{name}", words), *after]


def _shared(subject: Subject) -> Words:
    """Return the arguments that three layers or more begin and decay by."""
    all_words = [_starts(subject, node) for node in subject.nodes]
    often = [words for words in all_words if words and all_words.count(words) >= _MANY]
    return often[0] if often else []


def _starts(subject: Subject, node: Node) -> Words:
    """Return the initialisers and decay that differ from Keras' own."""
    words = []
    if not subject.weights_file:
        for field, word in (
            ("weight_initializer", "kernel_initializer"),
            ("bias_initializer", "bias_initializer"),
        ):
            kind = getattr(node.layer, field, None)
            if kind is not None and kind != "zeros":
                words.append(f"{word}={_start(subject, node, kind)}")
    decays = isinstance(node.layer, nl.Conv2D | nl.ConvTranspose2D | nl.Dense)
    if subject.weight_decay and decays and not isinstance(subject.optimizer, AdamW):
        words.append("kernel_regularizer=DECAY")
    return words


def _start(subject: Subject, node: Node, kind: Any) -> str:
    if isinstance(kind, Uniform):
        low, high = number(kind.low), number(kind.high)
        return f"keras.initializers.RandomUniform({low}, {high})"
    if isinstance(kind, Normal):
        return f"keras.initializers.RandomNormal(stddev={number(kind.std)})"
    if isinstance(kind, Constant):
        return f"keras.initializers.Constant({number(kind.value)})"
    if kind == "fan_in_uniform":
        raise subject.refuse(node, f"keras has no {kind}")
    return f'"{kind}"'


def _around(pads: Any) -> str:
    (top, bottom), (left, right) = pads
    return f"(({top}, {bottom}), ({left}, {right}))"


def _convolution(subject: Subject, node: Node) -> Built:
    layer: Any = node.layer
    size = subject.shape(node)[0], subject.shape(node)[1]
    if max(layer.strides) > 1 and max(layer.dilations) > 1:
        raise subject.refuse(node, "Keras does not stride and dilate at once")
    words = [str(layer.out_channels), one_or_pair(layer.kernel)]
    words += _keywords(layer)
    pads = layer.pads(size)
    if pads == ((0, 0), (0, 0)):
        return [], "Conv2D", words, []
    same = window.pads("same", size, layer.kernel, layer.strides, layer.dilations)
    if pads == same:
        return [], "Conv2D", [*words, 'padding="same"'], []
    return [("layers.ZeroPadding2D", [_around(pads)])], "Conv2D", words, []


def _keywords(layer: Any) -> Words:
    words = []
    if layer.strides != (1, 1):
        words.append(f"strides={one_or_pair(layer.strides)}")
    if layer.dilations != (1, 1):
        words.append(f"dilation_rate={one_or_pair(layer.dilations)}")
    if layer.groups != 1:
        words.append(f"groups={layer.groups}")
    return words if layer.bias else [*words, "use_bias=False"]


def _transposed(subject: Subject, node: Node) -> Built:
    layer: Any = node.layer
    pads = layer.pads(subject.shape(node)[:2])
    if layer.groups != 1 or layer.dilations != (1, 1):
        raise subject.refuse(node, "Keras' has no groups and an inexact dilation")
    if any(side < 0 for sides in pads for side in sides):
        raise subject.refuse(node, "it adds rows or columns to the output")
    words = [str(layer.out_channels), one_or_pair(layer.kernel), *_keywords(layer)]
    # Keras' output of "valid" has stride - kernel rows more where stride is larger
    if any(s > k for s, k in zip(layer.strides, layer.kernel, strict=True)):
        raise subject.refuse(node, "its stride is larger than its kernel")
    after = [("layers.Cropping2D", [_around(pads)])] if pads != ((0, 0), (0, 0)) else []
    return [], "Conv2DTranspose", words, after


def _pool(subject: Subject, node: Node) -> Built:
    layer: Any = node.layer
    size = subject.shape(node)[0], subject.shape(node)[1]
    name = "MaxPooling2D" if isinstance(layer, nl.MaxPool2D) else "AveragePooling2D"
    words = [one_or_pair(layer.kernel)]
    if layer.strides != layer.kernel:
        words.append(f"strides={one_or_pair(layer.strides)}")
    pads = layer.pads(size)
    if pads == ((0, 0), (0, 0)):
        return [], name, words, []
    if pads != window.pads("same", size, layer.kernel, layer.strides, (1, 1)):
        raise subject.refuse(node, "Keras pads pools by 'same' or not at all")
    return [], name, [*words, 'padding="same"'], []


def _dense(subject: Subject, node: Node) -> Built:
    del subject
    layer: Any = node.layer
    bias = [] if layer.bias else ["use_bias=False"]
    return [], "Dense", [str(layer.units), *bias], []


def _batch_norm(subject: Subject, node: Node) -> Built:
    del subject
    layer: Any = node.layer
    words = [f"momentum={number(layer.momentum)}", f"epsilon={number(layer.epsilon)}"]
    return [], "BatchNormalization", words, []


def _upsample(subject: Subject, node: Node) -> Built:
    del subject
    layer: Any = node.layer
    mode = [] if layer.mode == "nearest" else ['interpolation="bilinear"']
    return [], "UpSampling2D", [one_or_pair(layer.factors), *mode], []


def _plain(name: str, *words: str) -> Callable[[Subject, Node], Built]:
    return lambda subject, node: (
        [],
        name,
        [word.format(node.layer) for word in words],
        [],
    )


_BUILDERS: dict[type[nl.Layer], Callable[[Subject, Node], Built]] = {
    nl.Add: _plain("Add"),
    nl.AvgPool2D: _pool,
    nl.BatchNorm: _batch_norm,
    nl.Concat: _plain("Concatenate"),
    nl.Conv2D: _convolution,
    nl.ConvTranspose2D: _transposed,
    nl.Dense: _dense,
    nl.Dropout: _plain("Dropout", "{0.rate:g}"),
    nl.Flatten: _plain("Flatten"),
    nl.GELU: _plain("Activation", '"gelu"'),
    nl.GlobalAvgPool2D: _plain("GlobalAveragePooling2D"),
    nl.LayerNorm: _plain("LayerNormalization", "epsilon={0.epsilon:g}"),
    nl.LeakyReLU: _plain("LeakyReLU", "negative_slope={0.slope:g}"),
    nl.MaxPool2D: _pool,
    nl.ReLU: _plain("ReLU"),
    nl.SiLU: _plain("Activation", '"silu"'),
    nl.Sigmoid: _plain("Activation", '"sigmoid"'),
    nl.Softmax: _plain("Softmax"),
    nl.Tanh: _plain("Activation", '"tanh"'),
    nl.Upsample2D: _upsample,
    nl.ZeroPad2D: lambda subject, node: (
        [],
        "ZeroPadding2D",
        [_around(node.layer.sides)],  # type: ignore[attr-defined]
        [],
    ),
}


def _has_schedule(subject: Subject) -> bool:
    return subject.schedule.name != "constant"


def _rate_callback(subject: Subject) -> str:
    if not _has_schedule(subject):
        return ""
    factor = frame.rate_call(subject, "self.step")
    argument = "steps_per_epoch" if "per_epoch" in factor else "steps"
    factor = factor.replace(f", {argument}", f", self.{argument}")
    return (
        "class LearningRate(keras.callbacks.Callback):\n"
        '    """Set the learning rate of every step."""\n\n'
        f"    def __init__(self, {argument}: int) -> None:\n"
        "        super().__init__()\n"
        f"        self.step, self.{argument} = 0, {argument}\n\n"
        "    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:\n"
        f"        factor = {factor}\n"
        "        self.model.optimizer.learning_rate = LEARNING_RATE * factor\n"
        "        self.step += 1\n"
    )


def _pictures(subject: Subject) -> str:
    if not data.augmentation(subject):
        return ""
    return '''class Pictures(keras.utils.PyDataset):
    """Batches of augmented images, in another order each epoch."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int) -> None:
        super().__init__()
        self.images, self.labels = images, labels
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.images) // BATCH_SIZE)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return augment(self.images[chosen], self.rng), self.labels[chosen]

    def on_epoch_end(self) -> None:
        self.order = self.rng.permutation(len(self.images))
'''


def _own_loss(subject: Subject) -> str:
    """Return the loss as a function, where Keras has none of its own."""
    if subject.loss.name == "half_squared_error_sum":
        return '''def half_squared_error(labels: object, outputs: object) -> object:
    """Return half the sum of all squared errors."""
    return 0.5 * keras.ops.sum(keras.ops.square(outputs - labels))
'''
    if subject.loss.name != "cross_entropy" or not _smoothing(subject):
        return ""
    classes = subject.network.output_shape[-1]
    words = ["targets", "outputs", *_smoothing(subject)]
    if subject.absorbed is None:
        words.insert(2, "from_logits=True")
    return f'''def smoothed_cross_entropy(labels: object, outputs: object) -> object:
    """Return each loss against labels that leave a share to every class."""
    labels = keras.ops.reshape(keras.ops.cast(labels, "int32"), (-1,))
    targets = keras.ops.one_hot(labels, {classes})
{call("return keras.losses.categorical_crossentropy", words)}
'''


def _smoothing(subject: Subject) -> Words:
    share = getattr(subject.loss, "label_smoothing", 0.0)
    return [f"label_smoothing={number(share)}"] if share else []


def _loss(subject: Subject) -> str:
    name, smoothing = subject.loss.name, _smoothing(subject)
    logits = [] if subject.absorbed is not None else ["from_logits=True"]
    if name == "cross_entropy" and smoothing:
        return "smoothed_cross_entropy"
    kind = {
        "cross_entropy": "SparseCategoricalCrossentropy",
        "binary_cross_entropy": "BinaryCrossentropy",
    }.get(name)
    if kind and (logits or smoothing):
        return f"keras.losses.{kind}({', '.join([*logits, *smoothing])})"
    return {
        "cross_entropy": '"sparse_categorical_crossentropy"',
        "binary_cross_entropy": '"binary_crossentropy"',
        "mse": '"mean_squared_error"',
        "half_squared_error_sum": "half_squared_error",
    }[name]


def _optimizer(subject: Subject) -> str:
    o = subject.optimizer
    words = ["LEARNING_RATE"]
    if isinstance(o, SGD):
        words += [f"momentum={number(o.momentum)}"] if o.momentum else []
        words += ["nesterov=True"] if o.nesterov else []
    if isinstance(o, RMSprop):
        words += [f"rho={number(o.rho)}", f"epsilon={number(o.epsilon)}"]
    if isinstance(o, Adam) and (o.beta1, o.beta2) != (0.9, 0.999):
        words += [f"beta_1={number(o.beta1)}", f"beta_2={number(o.beta2)}"]
    if isinstance(o, AdamW):
        words.append(f"weight_decay={number(o.weight_decay)}")
    if subject.recipe.clip_norm:
        words.append(f"global_clipnorm={number(subject.recipe.clip_norm)}")
    return f"keras.optimizers.{type(o).__name__}({', '.join(words)})"


def _load_weights(subject: Subject) -> str:
    if not subject.weights_file:
        return ""
    return '''def load_weights(model: keras.Model, path: Path) -> None:
    """Set the weights: each layer's arrays stand under its name, in Keras' order."""
    with np.load(path) as file:
        for layer in model.layers:
            names = [n for n in file.files if n.rpartition(".")[0] == layer.name]
            layer.set_weights([file[name] for name in names])
'''


def _main(subject: Subject) -> str:
    lines = [
        "def main() -> None:",
        '    """Train and test."""',
        "    options = arguments()",
        "    keras.utils.set_random_seed(options.seed)",
    ]
    if subject.recipe.dtype == "float64":
        lines.append('    keras.config.set_floatx("float64")')
    lines += frame.load_lines(subject).rstrip("\n").splitlines()
    lines.append("    model = make_model()")
    if subject.weights_file:
        lines.append("    load_weights(model, WEIGHTS)")
    lines.append(f"    optimizer = {_optimizer(subject)}")
    if isinstance(subject.optimizer, AdamW):
        lines.append(
            "    optimizer.exclude_from_weight_decay("
            'var_names=["bias", "gamma", "beta"])'
        )
    compiled = [f"loss={_loss(subject)}", 'metrics=["accuracy"]']
    lines.append(call("model.compile", ["optimizer=optimizer", *compiled]))
    lines += _fit(subject)
    lines += [
        "    _, accuracy = model.evaluate(test_images, test_labels, verbose=0)",
        '    print(f"test accuracy: {100 * accuracy:.2f} %")',
        "",
    ]
    return "\n".join(lines)


def _constants(subject: Subject) -> str:
    """Return the hyperparameters, with what layers share."""
    lines = [frame.constants(subject).rstrip()]
    if subject.weight_decay and not isinstance(subject.optimizer, AdamW):
        half = number(subject.weight_decay / 2)
        lines += [
            "# L2 is half the decay, as the derivative of w * w is 2 * w",
            f"DECAY = keras.regularizers.L2({half})",
        ]
    if shared := _shared(subject):
        pairs = [word.split("=", 1) for word in shared]
        entries = [f'"{key}": {value}' for key, value in pairs]
        line = f"KERNEL = {{{', '.join(entries)}}}"
        if len(line) > WIDTH:
            rows = "".join(f"    {entry},\n" for entry in entries)
            line = f"KERNEL = {{\n{rows}}}"
        lines.append(line)
    return "\n".join(lines)


def _fit(subject: Subject) -> list[str]:
    words = ["epochs=options.epochs", "verbose=2"]
    augments = bool(data.augmentation(subject))
    lines = []
    split = subject.recipe.validation_split or _VALIDATION_SPLIT
    if augments:
        lines.append("    pictures = Pictures(images, labels, options.seed)")
        words = ["pictures", *words]
        count = "len(pictures)"
    else:
        words = ["images", "labels", "batch_size=BATCH_SIZE", *words]
        held = subject.is_image
        words += [f"validation_split={number(split)}"] if held else []
        words += [] if subject.recipe.shuffle else ["shuffle=False"]
        share = f"{number(1 - split)} * len(images)" if held else "len(images)"
        count = f"math.ceil({share} / BATCH_SIZE)"
        if not frame.needs_math(subject):
            count = f"int({share} // BATCH_SIZE + 1)"
    if _has_schedule(subject):
        per_epoch = "steps_per_epoch" in frame.rate_call(subject, "")
        steps = count if per_epoch else f"options.epochs * {count}"
        words.append("callbacks=[LearningRate(steps)]")
        lines.append(f"    steps = {steps}")
    return [
        "    if options.epochs:",
        *(f"    {line}" for line in lines),
        call("model.fit", words, indent=8),
    ]


def weights(subject: Subject, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights by name, in the order and layouts of Keras."""
    found = {}
    for node in subject.nodes:
        for spec in node.layer.weights(*subject.network.input_shapes(node)):
            name = f"{node.name}.{spec.role}"
            array = np.asarray(arrays[name])
            is_turned = isinstance(node.layer, nl.ConvTranspose2D)
            if is_turned and spec.role == "weight":
                array = array.transpose(0, 1, 3, 2)
            found[name] = np.ascontiguousarray(array)
    return found
