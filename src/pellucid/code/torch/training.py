"""Loss, optimizer and loops of a PyTorch script."""

from __future__ import annotations

from pellucid.code import data, scaffold
from pellucid.code.heads import SCORES
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import WIDTH, call, number, wrap_entry
from pellucid.objectives import SGD, Adam, AdamW, Optimizer, RMSprop

_LOSSES = {
    "cross_entropy": "nn.CrossEntropyLoss({smoothing})",
    "binary_cross_entropy": "nn.BCEWithLogitsLoss()",
    "mse": "nn.MSELoss()",
}
_FUNCTIONS = {
    "cross_entropy": "cross_entropy",
    "binary_cross_entropy": "binary_cross_entropy_with_logits",
    "mse": "mse_loss",
}


def _loss(spec: ScriptSpec) -> tuple[str, str]:
    """Return the line that makes the loss (or none), and the call of it."""
    if spec.is_several:
        return "", "loss_function(model(*x), dict(zip(labels, y, strict=True)))"
    loss, smoothing = spec.head.loss, spec.head.smoothing
    if loss.name not in _LOSSES:
        return "", "0.5 * (model(x) - y).square().sum()"
    word = f"label_smoothing={number(smoothing)}" if smoothing else ""
    if smoothing and loss.name != "cross_entropy":
        word = ""
        return "", (
            "nn.functional.binary_cross_entropy_with_logits("
            f"model(x), y * {1 - smoothing:g} + {smoothing / 2:g})"
        )
    made = _LOSSES[loss.name].format(smoothing=word)
    return f"    loss_function = {made}\n", "loss_function(model(x), y)"


def _optimizer(spec: ScriptSpec) -> str:
    optimizer = spec.optimizer
    name, words = _keywords_of(optimizer)
    words = ["lr=LEARNING_RATE", *words]
    if not spec.weight_decay:
        return call(f"optimizer = torch.optim.{name}", ["model.parameters()", *words])
    return (
        "    # weights decay; biases and norms do not\n"
        "    parameters = list(model.parameters())\n"
        "    groups = [\n"
        '        {"params": [p for p in parameters if p.ndim > 1], '
        f'"weight_decay": {number(spec.weight_decay)}}},\n'
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


def loss_text(spec: ScriptSpec) -> str:
    """Write the weighted sum of several outputs' losses, or nothing."""
    if not spec.is_several:
        return ""
    rows = []
    for head in spec.heads:
        key, words = f'"{head.name}"', []
        z, labels = f"outputs[{key}]", f"labels[{key}]"
        times = f"{number(head.weight)} * " if head.weight != 1 else ""
        if head.loss.name == "half_squared_error_sum":
            half = f"{number(head.weight / 2)} * ({z} - {labels}).square().sum()"
            rows.append(f"        {half},")
            continue
        if head.smoothing and head.loss.name == "cross_entropy":
            words = [f"label_smoothing={number(head.smoothing)}"]
        elif head.smoothing:
            share = head.smoothing
            labels = f"{labels} * {number(1 - share)} + {number(share / 2)}"
        function = f"{times}nn.functional.{_FUNCTIONS[head.loss.name]}"
        rows.append(call(function, [z, labels, *words], indent=8, tail=","))
    return "\n".join(
        [
            "def loss_function(outputs: Tensors, labels: Tensors) -> torch.Tensor:",
            '    """Return the sum of the losses of all outputs."""',
            "    losses = [",
            *rows,
            "    ]",
            "    return torch.stack(losses).sum()",
            "",
        ]
    )


def train_text(spec: ScriptSpec) -> str:
    """Write the loop over epochs and batches."""
    makes_loss, loss = _loss(spec)
    schedule = spec.has_schedule
    kind = "Tensors" if spec.is_several else "torch.Tensor"
    words = ["model: nn.Module", f"images: {kind}", f"labels: {kind}", "epochs: int"]
    lines = [
        call("def train", words, indent=0, tail=" -> None:"),
        '    """Train, and print the mean loss of each epoch."""',
    ]
    shuffle = "True" if spec.recipe.shuffle else "False"
    lines += [
        "    dataset = TensorDataset(*images.values(), *labels.values())"
        if spec.is_several
        else "    dataset = TensorDataset(images, labels)",
        f"    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle={shuffle})",
        _optimizer(spec),
    ]
    if makes_loss:
        lines.append(makes_loss.rstrip())
    if schedule:
        lines += [
            "    steps_per_epoch = len(loader)",
            "    steps = epochs * steps_per_epoch",
            "    schedule = torch.optim.lr_scheduler.LambdaLR(",
            f"        optimizer, lambda step: {scaffold.rate_call(spec, 'step')}",
            "    )",
        ]
        if "steps_per_epoch" in scaffold.rate_call(spec, ""):
            lines.remove("    steps = epochs * steps_per_epoch")
        else:
            lines.remove("    steps_per_epoch = len(loader)")
            place = lines.index("    steps = epochs * steps_per_epoch")
            lines[place] = "    steps = epochs * len(loader)"
    if data.augmentation(spec):
        lines.append("    rng = np.random.default_rng(torch.initial_seed())")
    lines += [
        "    for epoch in range(epochs):",
        "        model.train()",
        "        total = 0.0",
        f"        for {'batch' if spec.is_several else 'x, y'} in loader:",
    ]
    if spec.is_several:
        split = "batch[: len(images)], batch[len(images) :]"
        lines.append(f"            x, y = {split}")
    if data.augmentation(spec):
        lines += [
            "            pictures = augment(x.permute(0, 2, 3, 1).numpy(), rng)",
            "            x = torch.from_numpy(pictures).permute(0, 3, 1, 2)",
        ]
    lines += [
        "            optimizer.zero_grad()",
        *_assigned(loss),
        "            loss.backward()",
    ]
    if spec.recipe.clip_norm:
        lines.append(
            "            nn.utils.clip_grad_norm_(model.parameters(), "
            f"{number(spec.recipe.clip_norm)})"
        )
    lines.append("            optimizer.step()")
    if schedule:
        lines.append("            schedule.step()")
    lines += [
        f"            total += loss.item() * len({'y[0]' if spec.is_several else 'x'})",
        '        print(f"epoch {epoch + 1}: loss {total / len(dataset):.4f}")',
        "",
    ]
    return "\n".join(lines)


def _assigned(loss: str) -> list[str]:
    """Return the lines that compute the loss, broken where the line is full."""
    line = f"            loss = {loss}"
    if len(line) <= WIDTH:
        return [line]
    head, _, inside = line.partition("(")
    return [f"{head}(", f"                {inside[:-1]}", "            )"]


def accuracy_text(spec: ScriptSpec) -> str:
    """Write the function that counts what is right."""
    if spec.is_several:
        return _scores_text(spec)
    name = spec.head.score
    values = spec.head.score_text("outputs", "labels", array="torch")
    if "==" in values:
        values = f"({values})"
    return "\n".join(
        [
            "@torch.no_grad()",
            *_signature(name),
            f'    """{SCORES[name]}"""',
            "    model.eval()",
            "    outputs = torch.cat([model(x) for x in images.split(1000)])",
            f"    return {values}.double().mean().item()",
            "",
        ]
    )


def _scores_text(spec: ScriptSpec) -> str:
    """Write the function that judges several outputs."""
    rows = []
    for head, name in zip(spec.heads, scaffold.score_names(spec), strict=True):
        key = f'"{head.name}"'
        value = head.score_text(f"z[{key}]", f"labels[{key}]", array="torch")
        rows.append(wrap_entry(f'"{name}"', value))
    words = ["model: nn.Module", "images: Tensors", "labels: Tensors"]
    return "\n".join(
        [
            "@torch.no_grad()",
            call("def scores", words, indent=0, tail=" -> dict[str, float]:"),
            '    """Return how good each output is."""',
            "    model.eval()",
            "    pieces = [x.split(1000) for x in images.values()]",
            "    parts = [model(*x) for x in zip(*pieces, strict=True)]",
            "    z = {name: torch.cat([part[name] for part in parts]) "
            "for name in parts[0]}",
            "    values = {",
            *rows,
            "    }",
            "    return {name: value.double().mean().item() "
            "for name, value in values.items()}",
            "",
        ]
    )


def _signature(name: str) -> list[str]:
    """Return the first line of a score's function, broken where it is full."""
    words = "model: nn.Module, images: torch.Tensor, labels: torch.Tensor"
    line = f"def {name}({words}) -> float:"
    return (
        [line]
        if len(line) <= WIDTH
        else [f"def {name}(", f"    {words}", ") -> float:"]
    )


def main_text(spec: ScriptSpec) -> str:
    """Write what the script does when it is run."""
    lines = [
        "def main() -> None:",
        '    """Train and test."""',
        "    options = arguments()",
        "    torch.manual_seed(options.seed)",
    ]
    if spec.recipe.dtype == "float64":
        lines.append("    torch.set_default_dtype(torch.float64)")
    lines += [*scaffold.load_lines(spec), *scaffold.hold_out_lines(spec)]
    lines += scaffold.column_lines(spec)
    lines.append("    model = make_model()")
    if spec.weights_file:
        lines.append("    model.load_state_dict(load_file(WEIGHTS))")
    to = "tensors" if spec.is_several else "tensor"
    training = f"    train(model, {to}(images), {to}(labels), options.epochs)"
    if scaffold.needs_steps(spec):  # a schedule over no steps has no length
        lines += ["    if options.epochs:", f"    {training}"]
    else:
        lines.append(training)
    tested = f"model, {to}({{images}}), {to}({{labels}})"
    lines += [*scaffold.score_lines(spec, tested), ""]
    layout = (
        "    # PyTorch wants channels before height and width\n"
        "    if array.ndim == 4:\n"
        "        array = array.transpose(0, 3, 1, 2)\n"
        if spec.is_image
        else ""
    )
    tensor = (
        "def tensor(array: np.ndarray) -> torch.Tensor:\n"
        '    """Return an array as PyTorch wants it."""\n'
        f"{layout}    return torch.from_numpy(np.ascontiguousarray(array))\n"
    )
    if spec.is_several:
        tensor += (
            "\n\ndef tensors(arrays: Arrays) -> Tensors:\n"
            '    """Return all arrays as PyTorch wants them."""\n'
            "    return {name: tensor(array) for name, array in arrays.items()}\n"
        )
    return f"{tensor}\n\n" + "\n".join(lines)
