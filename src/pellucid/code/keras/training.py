"""Compile, fit and evaluate of a Keras script."""

from __future__ import annotations

from pellucid.code import data, scaffold
from pellucid.code.keras.layers import Words, shared_words
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import WIDTH, call, number
from pellucid.errors import RunError
from pellucid.network import layers as nl
from pellucid.objectives import SGD, Adam, AdamW, RMSprop

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
    """Return the loss as a function, where Keras has none of its own."""
    if spec.loss.name == "half_squared_error_sum":
        return '''def half_squared_error(labels: object, outputs: object) -> object:
    """Return half the sum of all squared errors."""
    return 0.5 * keras.ops.sum(keras.ops.square(outputs - labels))
'''
    if spec.loss.name != "cross_entropy" or not _smoothing(spec):
        return ""
    classes = spec.network.output_shape[-1]
    words = ["targets", "outputs", *_smoothing(spec)]
    if spec.absorbed is None:
        words.insert(2, "from_logits=True")
    return f'''def smoothed_cross_entropy(labels: object, outputs: object) -> object:
    """Return each loss against labels that leave a share to every class."""
    labels = keras.ops.reshape(keras.ops.cast(labels, "int32"), (-1,))
    targets = keras.ops.one_hot(labels, {classes})
{call("return keras.losses.categorical_crossentropy", words)}
'''


def _smoothing(spec: ScriptSpec) -> Words:
    share = getattr(spec.loss, "label_smoothing", 0.0)
    return [f"label_smoothing={number(share)}"] if share else []


def _loss(spec: ScriptSpec) -> str:
    name, smoothing = spec.loss.name, _smoothing(spec)
    logits = [] if spec.absorbed is not None else ["from_logits=True"]
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
    last = spec.network.node(spec.network.outputs[0])
    takes_logits = spec.loss.name in ("cross_entropy", "binary_cross_entropy")
    is_squashing = isinstance(last.layer, nl.Sigmoid | nl.Softmax)
    if takes_logits and is_squashing and spec.absorbed is None:
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
    compiled = [f"loss={_loss(spec)}", f"metrics=[{_metric(spec)}]"]
    lines.append(call("model.compile", ["optimizer=optimizer", *compiled]))
    lines += _fit(spec)
    name = scaffold.score(spec)
    variable = "share" if name == "accuracy" else "error"
    lines += [
        f"    _, {variable} = model.evaluate(test_images, test_labels, verbose=0)",
        scaffold.said("test", name, variable),
        "",
    ]
    return "\n".join(lines)


def _metric(spec: ScriptSpec) -> str:
    """Return the metric that judges the outputs by their meaning."""
    if spec.meaning.kind in ("classes", "regression"):
        return f'"{scaffold.score(spec)}"'
    return "accuracy" if _gives_logits(spec) else '"binary_accuracy"'


def _gives_logits(spec: ScriptSpec) -> bool:
    """Return whether what the model gives of two classes or labels is a logit."""
    is_cut = spec.meaning.kind in ("binary", "labels")
    return is_cut and spec.meaning.is_logits


def accuracy_text(spec: ScriptSpec) -> str:
    """Write the metric that Keras has not: logits are cut at 0; or nothing."""
    if not _gives_logits(spec):
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
        count = "math.ceil(len(images) / BATCH_SIZE)"
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
