"""Compile, fit and evaluate of a Keras script."""

from __future__ import annotations

from collections.abc import Mapping

from pellucid.code import data, functional, scaffold
from pellucid.code.heads import Head
from pellucid.code.keras.layers import Words, shared_words
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import WIDTH, call, number
from pellucid.errors import RunError
from pellucid.network import layers as nl
from pellucid.objectives import SGD, Adam, AdamW, RMSprop

#: what the losses are called that Keras has not
_OWN = {
    "cross_entropy": "smoothed_cross_entropy",
    "half_squared_error_sum": "half_squared_error",
}
_EPSILON = 1e-8  # ours, where none is given


def rate_callback_text(spec: ScriptSpec) -> str:
    """Write the callback that sets each step's learning rate, or nothing."""
    if not spec.has_schedule:
        return ""
    factor = scaffold.rate_call(spec, "self.step")
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


def pictures_text(spec: ScriptSpec) -> str:
    """Write the batches of augmented images, or nothing."""
    if not data.augmentation(spec):
        return ""
    return '''class Pictures(keras.utils.PyDataset):
    """Batches of augmented images, in another order each epoch."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int) -> None:
        super().__init__()
        self.images, self.labels = images, labels
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self.images) / BATCH_SIZE)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return augment(self.images[chosen], self.rng), self.labels[chosen]

    def on_epoch_end(self) -> None:
        self.order = self.rng.permutation(len(self.images))
'''


def own_loss_text(spec: ScriptSpec) -> str:
    """Return the losses that Keras has not, as functions."""
    texts, _ = functional.loss_functions(spec, _own_loss, _OWN)
    return "\n\n".join(texts)


def _own_loss(head: Head) -> str:
    """Return a loss as a function, where Keras has none of its own."""
    if head.loss.name == "half_squared_error_sum":
        return '''def {name}(labels: object, outputs: object) -> object:
    """Return half the sum of all squared errors."""
    return 0.5 * keras.ops.sum(keras.ops.square(outputs - labels))
'''
    if head.loss.name != "cross_entropy" or not _smoothing(head):
        return ""
    words = ["targets", "outputs", *_smoothing(head)]
    if head.absorbed is None:
        words.insert(2, "from_logits=True")
    return f'''def {{name}}(labels: object, outputs: object) -> object:
    """Return each loss against labels that leave a share to every class."""
    labels = keras.ops.reshape(keras.ops.cast(labels, "int32"), (-1,))
    targets = keras.ops.one_hot(labels, {head.classes})
{call("return keras.losses.categorical_crossentropy", words)}
'''


def _smoothing(head: Head) -> Words:
    share = head.smoothing
    return [f"label_smoothing={number(share)}"] if share else []


def _loss(head: Head, own: Mapping[str, str]) -> str:
    """Return a loss as Keras takes it; ``own`` are the functions of the script."""
    name, smoothing = head.loss.name, _smoothing(head)
    logits = [] if head.absorbed is not None else ["from_logits=True"]
    if head.name in own:
        return own[head.name]
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
    }[name]


def _optimizer(spec: ScriptSpec) -> str:
    o = spec.optimizer
    words = ["LEARNING_RATE"]
    if isinstance(o, SGD):
        words += [f"momentum={number(o.momentum)}"] if o.momentum else []
        words += ["nesterov=True"] if o.nesterov else []
    if isinstance(o, RMSprop):
        # Keras' epsilon stands inside the root
        words += [f"rho={number(o.rho)}", f"epsilon={o.epsilon**2:g}"]
    if isinstance(o, Adam) and (o.beta1, o.beta2) != (0.9, 0.999):
        words += [f"beta_1={number(o.beta1)}", f"beta_2={number(o.beta2)}"]
    if isinstance(o, AdamW):
        words.append(f"weight_decay={number(o.weight_decay)}")
    if spec.recipe.clip_norm:
        words.append(f"global_clipnorm={number(spec.recipe.clip_norm)}")
    return f"keras.optimizers.{type(o).__name__}({', '.join(words)})"


def load_weights_text(spec: ScriptSpec) -> str:
    """Write how weights come from a file, or nothing."""
    if not spec.weights_file:
        return ""
    return '''def load_weights(model: keras.Model, path: Path) -> None:
    """Set the weights: each layer's arrays stand under its name, in Keras' order."""
    with np.load(path) as file:
        for layer in model.layers:
            names = [n for n in file.files if n.rpartition(".")[0] == layer.name]
            layer.set_weights([file[name] for name in names])
'''


def needs_math(spec: ScriptSpec) -> bool:
    """Return whether batches are counted."""
    return spec.has_schedule or bool(data.augmentation(spec))


def check(spec: ScriptSpec) -> None:
    """Refuse what Keras computes in another way.

    Raises
    ------
    UnsupportedLayerError
        For a last activation that is not the loss's own.
    RunError
        For an epsilon, or a decay with clipping, that Keras has elsewhere.
    """
    trained = [head.name for head in spec.heads]
    for name in spec.network.outputs:
        if name not in trained:
            raise RunError(
                "code: every output must have a loss for keras, whose fit takes labels "
                f"of all; got none for '{name}'. Leave the output out."
            )
    for head in spec.heads:
        last = head.output
        takes_logits = head.loss.name in ("cross_entropy", "binary_cross_entropy")
        is_squashing = isinstance(last.layer, nl.Sigmoid | nl.Softmax)
        if takes_logits and is_squashing and head.absorbed is None:
            raise spec.refuse(last, "Keras takes what stands before it for the logits")
    o = spec.optimizer
    epsilon = getattr(o, "epsilon", _EPSILON)
    if epsilon != _EPSILON:
        raise RunError(
            "code: epsilon must be left out for keras, whose own stands beside "
            f"another root; got epsilon={number(epsilon)}."
        )
    if spec.recipe.clip_norm and spec.weight_decay and not isinstance(o, AdamW):
        raise RunError(
            "code: weight_decay and clip_norm must not be given together for keras, "
            f"which clips the decay too; got {number(spec.weight_decay)} and "
            f"{number(spec.recipe.clip_norm)}. Take AdamW, or leave one out."
        )


def main_text(spec: ScriptSpec) -> str:
    """Write what the script does when it is run."""
    lines = [
        "def main() -> None:",
        '    """Train and test."""',
        "    options = arguments()",
        "    keras.utils.set_random_seed(options.seed)",
    ]
    if spec.recipe.dtype == "float64":
        lines.append('    keras.config.set_floatx("float64")')
    lines += scaffold.load_lines(spec)
    lines += [*scaffold.hold_out_lines(spec), *scaffold.column_lines(spec)]
    lines.append("    model = make_model()")
    if spec.weights_file:
        lines.append("    load_weights(model, WEIGHTS)")
    lines.append(f"    optimizer = {_optimizer(spec)}")
    if isinstance(spec.optimizer, AdamW):
        lines.append(
            "    optimizer.exclude_from_weight_decay("
            'var_names=["bias", "gamma", "beta"])'
        )
    lines.append(call("model.compile", ["optimizer=optimizer", *_compiled(spec)]))
    lines += _fit(spec)
    if spec.is_several:
        given = ["test_images", "test_labels", "verbose=0", "return_dict=True"]
        return "\n".join(
            [
                *lines,
                call("scores = model.evaluate", given),
                "    for name, value in scores.items():",
                '        print(f"test {name}: {value:.4g}")',
                "",
            ]
        )
    name = spec.head.score
    variable = "share" if name == "accuracy" else "error"
    lines += [
        f"    _, {variable} = model.evaluate(test_images, test_labels, verbose=0)",
        scaffold.said("test", name, variable),
        "",
    ]
    return "\n".join(lines)


def _compiled(spec: ScriptSpec) -> Words:
    """Return loss and metrics, of several outputs by name."""
    _, own = functional.loss_functions(spec, _own_loss, _OWN)
    heads = spec.heads
    if not spec.is_several:
        return [f"loss={_loss(heads[0], own)}", f"metrics=[{_metric(heads[0])}]"]
    parts = {
        "loss": {head.name: _loss(head, own) for head in heads},
        "loss_weights": {head.name: number(head.weight) for head in heads},
        "metrics": {head.name: f"[{_metric(head)}]" for head in heads},
    }
    words = []
    for word, entries in parts.items():
        rows = [f'            "{name}": {value},' for name, value in entries.items()]
        if rows:
            words.append("\n".join([f"{word}={{", *rows, "        }"]))
    return words


def _metric(head: Head) -> str:
    """Return the metric that judges the outputs by their meaning."""
    if head.meaning.kind in ("classes", "regression"):
        return f'"{head.score}"'
    return "accuracy" if _gives_logits(head) else '"binary_accuracy"'


def _gives_logits(head: Head) -> bool:
    """Return whether what the model gives of two classes or labels is a logit."""
    is_cut = head.meaning.kind in ("binary", "labels")
    return is_cut and head.meaning.is_logits


def accuracy_text(spec: ScriptSpec) -> str:
    """Write the metric that Keras has not: logits are cut at 0; or nothing."""
    if not any(map(_gives_logits, spec.heads)):
        return ""
    return '''def accuracy(labels: object, outputs: object) -> object:
    """Return which are right: of class 1 where the logit is above 0."""
    return keras.ops.cast(keras.ops.equal(outputs > 0, labels > 0.5), "float32")
'''


def constants_text(spec: ScriptSpec) -> str:
    """Return the hyperparameters, with what layers share."""
    lines = [scaffold.constants(spec).rstrip()]
    if spec.weight_decay and not isinstance(spec.optimizer, AdamW):
        half = number(spec.weight_decay / 2)
        lines += [
            "# L2 is half the decay, as the derivative of w * w is 2 * w",
            f"DECAY = keras.regularizers.L2({half})",
        ]
    if shared := shared_words(spec):
        pairs = [word.split("=", 1) for word in shared]
        entries = [f'"{key}": {value}' for key, value in pairs]
        line = f"KERNEL = {{{', '.join(entries)}}}"
        if len(line) > WIDTH:
            rows = "".join(f"    {entry},\n" for entry in entries)
            line = f"KERNEL = {{\n{rows}}}"
        lines.append(line)
    return "\n".join(lines)


def _fit(spec: ScriptSpec) -> list[str]:
    words = ["epochs=options.epochs", "verbose=2"]
    augments = bool(data.augmentation(spec))
    lines = []
    if augments:
        lines.append("    pictures = Pictures(images, labels, options.seed)")
        words = ["pictures", *words]
        count = "len(pictures)"
    else:
        words = ["images", "labels", "batch_size=BATCH_SIZE", *words]
        words += [] if spec.recipe.shuffle else ["shuffle=False"]
        count = f"math.ceil({functional.counted(spec)} / BATCH_SIZE)"
    if spec.recipe.validation_split:
        words.append("validation_data=(validation_images, validation_labels)")
    if spec.has_schedule:
        per_epoch = "steps_per_epoch" in scaffold.rate_call(spec, "")
        steps = count if per_epoch else f"options.epochs * {count}"
        words.append("callbacks=[LearningRate(steps)]")
        lines.append(f"    steps = {steps}")
    return [
        "    if options.epochs:",
        *(f"    {line}" for line in lines),
        call("model.fit", words, indent=8),
    ]
