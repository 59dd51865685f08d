"""Loss, optimizer and loops of a PyTorch script."""

from __future__ import annotations

from pellucid.code import data, scaffold
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import WIDTH, call, number
from pellucid.objectives import SGD, Adam, AdamW, Optimizer, RMSprop

_LOSSES = {
    "cross_entropy": "nn.CrossEntropyLoss({smoothing})",
    "binary_cross_entropy": "nn.BCEWithLogitsLoss()",
    "mse": "nn.MSELoss()",
}


def _loss(spec: ScriptSpec) -> tuple[str, str]:
    """Return the line that makes the loss (or none), and the call of it."""
    loss = spec.loss
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


def train_text(spec: ScriptSpec) -> str:
    """Write the loop over epochs and batches."""
    makes_loss, loss = _loss(spec)
    schedule = spec.has_schedule
    lines = [
        "def train(",
        "    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int",
        ") -> None:",
        '    """Train, and print the mean loss of each epoch."""',
    ]
    shuffle = "True" if spec.recipe.shuffle else "False"
    lines += [
        "    dataset = TensorDataset(images, labels)",
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
        "        for x, y in loader:",
    ]
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
        "            total += loss.item() * len(x)",
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
    kind, name = spec.meaning.kind, scaffold.score(spec)
    if kind == "classes":
        values = "(outputs.argmax(dim=1) == labels)"
    elif kind == "regression":
        values = "(outputs - labels).abs()"
    else:
        values = f"((outputs > {spec.border}) == (labels > 0.5))"
    return "\n".join(
        [
            "@torch.no_grad()",
            *_signature(name),
            f'    """{scaffold.SCORES[name]}"""',
            "    model.eval()",
            "    outputs = torch.cat([model(x) for x in images.split(1000)])",
            f"    return {values}.double().mean().item()",
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
    training = "    train(model, tensor(images), tensor(labels), options.epochs)"
    if scaffold.needs_steps(spec):  # a schedule over no steps has no length
        lines += ["    if options.epochs:", f"    {training}"]
    else:
        lines.append(training)
    tested = "model, tensor({images}), tensor({labels})"
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
    return f"{tensor}\n\n" + "\n".join(lines)
