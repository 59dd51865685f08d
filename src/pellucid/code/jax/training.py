"""Loss, optimizer and loops of a JAX script."""

from __future__ import annotations

from pellucid.code import data, functional, scaffold
from pellucid.code.functional import is_random, state_argument
from pellucid.code.heads import Head
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import call, number
from pellucid.code.weights import has_buffers
from pellucid.objectives import SGD, Adam, AdamW, RMSprop


def optimizer_text(spec: ScriptSpec) -> str:
    """Write the optimizer as a chain of optax."""
    o = spec.optimizer
    rate = "1.0" if spec.has_schedule else "LEARNING_RATE"
    words = [rate]
    decay = spec.weight_decay
    mask = "mask=is_decaying"
    if isinstance(o, SGD):
        words += [f"momentum={number(o.momentum)}"] if o.momentum else []
        words += ["nesterov=True"] if o.nesterov else []
    if isinstance(o, RMSprop):
        words += [f"decay={number(o.rho)}", f"eps={number(o.epsilon)}"]
        words += ["eps_in_sqrt=False"]
    if isinstance(o, Adam) and (o.beta1, o.beta2) != (0.9, 0.999):
        words += [f"b1={number(o.beta1)}", f"b2={number(o.beta2)}"]
    if isinstance(o, Adam) and o.epsilon != 1e-8:
        words.append(f"eps={number(o.epsilon)}")
    if isinstance(o, AdamW):
        words += [f"weight_decay={number(decay)}", mask]
    kind = type(o).__name__.lower()
    parts = [f"optax.{kind}({', '.join(words)})"]
    if decay and not isinstance(o, AdamW):
        parts.insert(0, f"optax.add_decayed_weights({number(decay)}, {mask})")
    if spec.recipe.clip_norm:
        clip = number(spec.recipe.clip_norm)
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


def loss_text(spec: ScriptSpec) -> str:
    """Write the loss as a function of the weights."""
    words = ["w", "statistics"] if has_buffers(spec) else ["w"]
    words += ["x", "labels"] + (["key"] if is_random(spec) else [])
    given = ["w", "statistics", "x"] if has_buffers(spec) else ["w", "x"]
    given += ["changed"] if has_buffers(spec) else []
    given += ["key=key"] if is_random(spec) else []
    lines = [
        f"def loss_function({', '.join(words)}):",
        '    """Return the loss'
        f'{" and the new running statistics" if has_buffers(spec) else ""}."""',
    ]
    lines += ["    changed = {}"] if has_buffers(spec) else []
    lines.append(f"    z = forward({', '.join(given)})")
    texts: list[str] = []
    if spec.is_several:
        texts, names = functional.loss_functions(spec, _function)
        terms = []
        for head in spec.heads:
            key = f'"{head.name}"'
            times = f"{number(head.weight)} * " if head.weight != 1 else ""
            terms.append(f"{times}{names[head.name]}(z[{key}], labels[{key}])")
        value = [*functional.sum_lines("loss", terms), "loss"]
    else:
        value = _value(spec.head)
    lines += value[:-1]
    last = f"{value[-1]}, changed" if has_buffers(spec) else value[-1]
    return "\n\n".join([*texts, "\n".join([*lines, f"    return {last}", ""])])


def _function(head: Head) -> str:
    """Return the function of one loss, with {name} for its name."""
    *lines, value = _value(head)
    rows = ["def {name}(z, labels):", '    """Return the loss of an output."""']
    return "\n".join([*rows, *lines, f"    return {value}", ""])


def _value(head: Head) -> list[str]:
    """Return the lines before the last, and the loss as an expression."""
    smoothing, name = head.smoothing, head.loss.name
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


def step_text(spec: ScriptSpec) -> str:
    """Write the compiled step."""
    buffers, rate = has_buffers(spec), spec.has_schedule
    words = ["w", "statistics"] if buffers else ["w"]
    given = [*words, "x", "labels"] + (["key"] if is_random(spec) else [])
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


def train_text(spec: ScriptSpec) -> str:
    """Write the loop over epochs and batches."""
    buffers, counted = has_buffers(spec), functional.counted(spec)
    state = ", statistics" if buffers else ""
    lines = [
        f"def train(w{state}, images, labels, epochs, rng):",
        '    """Train, and print the mean loss of each epoch."""',
        "    state = OPTIMIZER.init(w)",
    ]
    if is_random(spec):
        lines.append("    keys = jax.random.key(int(rng.integers(2**31)))")
    if is_random(spec) or spec.has_schedule:
        lines.append("    step = 0")
    if spec.has_schedule:
        count = f"-(-{counted} // BATCH_SIZE)"
        per_epoch = "per_epoch" in scaffold.rate_call(spec, "")
        lines.append(
            f"    steps_per_epoch = {count}"
            if per_epoch
            else f"    steps = epochs * {count}"
        )
    order = f"rng.permutation({counted})"
    if not spec.recipe.shuffle:
        order = f"np.arange({counted})"
    batch = functional.sliced(spec, "images", "chosen")
    if data.augmentation(spec):
        batch = "augment(images[chosen], rng)"
    given = ["w", "state", *(["statistics"] if buffers else []), "x"]
    given.append(functional.sliced(spec, "labels", "chosen"))
    if is_random(spec):
        given.append("jax.random.fold_in(keys, step)")
    if spec.has_schedule:
        given.append("rate")
    lines += [
        "    for epoch in range(epochs):",
        f"        order, total = {order}, 0.0",
        f"        for start in range(0, {counted}, BATCH_SIZE):",
        "            chosen = order[start : start + BATCH_SIZE]",
        f"            x = {batch}",
    ]
    if spec.has_schedule:
        factor = scaffold.rate_call(spec, "step")
        lines.append(f"            rate = LEARNING_RATE * {factor}")
    results = ["w", "state", *(["statistics"] if buffers else []), "loss"]
    lines.append(call(f"{', '.join(results)} = train_step", given, indent=12))
    if is_random(spec) or spec.has_schedule:
        lines.append("            step += 1")
    is_sum = spec.loss.name == "half_squared_error_sum"
    lines += [
        f"            total += float(loss) * len({'images' if is_sum else 'chosen'})",
        f'        print(f"epoch {{epoch + 1}}: loss {{total / {counted}:.4f}}")',
        f"    return w{state}",
        "",
    ]
    return "\n".join(lines)


def accuracy_text(spec: ScriptSpec) -> str:
    """Write the function that counts what is right."""
    state = state_argument(spec)
    if spec.is_several:
        each = "np.concatenate([part[name] for part in parts])"
        body = [
            "    predict = jax.jit(forward)",
            *functional.forward_parts(spec, "predict", 1000),
            f"    return {{name: {each} for name in parts[0]}}",
        ]
        return functional.accuracy_text(spec, body)
    body = [
        "    predict = jax.jit(forward)",
        "    parts = [images[i : i + 1000] for i in range(0, len(images), 1000)]",
        f"    return np.concatenate([predict(w{state}, x) for x in parts])",
    ]
    return functional.accuracy_text(spec, body)


def main_text(spec: ScriptSpec) -> str:
    """Write what the script does when it is run."""
    return functional.main_text(spec, takes_new=True)
