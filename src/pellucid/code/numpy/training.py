"""Updates and loops of a NumPy script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.code import data, functional, scaffold
from pellucid.code.functional import state_argument
from pellucid.code.numpy.forward import Lines, has_modes
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import number
from pellucid.objectives import SGD, Adam, AdamW, RMSprop


def update_text(spec: ScriptSpec) -> str:
    """Write the optimizer's step."""
    o = spec.optimizer
    schedule = spec.has_schedule
    rate = "rate" if schedule else "LEARNING_RATE"
    lines = [
        f"def update(w, grads, slots, step{', rate' if schedule else ''}):",
        f'    """Change the weights by one step of {type(o).__name__}; '
        'steps count from 1."""',
    ]
    if spec.recipe.clip_norm:
        clip = number(spec.recipe.clip_norm)
        lines += [
            "    norm = math.sqrt(sum(np.sum(g * g) for g in grads.values()))".replace(
                "math.sqrt", "np.sqrt"
            ),
            f"    shrink = min(1.0, {clip} / max(norm, 1e-30))",
        ]
    lines.append("    for name, g in grads.items():")
    if spec.recipe.clip_norm:
        lines.append("        g = g * shrink")
    if spec.weight_decay:
        decay = number(spec.weight_decay)
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


def train_text(spec: ScriptSpec) -> str:
    """Write the loop over epochs and batches."""
    state = state_argument(spec)
    rng = ", rng" if has_modes(spec) else ""
    schedule, counted = spec.has_schedule, functional.counted(spec)
    lines = [
        f"def train(w{state}, images, labels, epochs, rng):",
        '    """Train, and print the mean loss of each epoch."""',
        "    slots, step = {}, 0",
    ]
    if schedule:
        per_epoch = "per_epoch" in scaffold.rate_call(spec, "")
        count = f"-(-{counted} // BATCH_SIZE)"
        lines.append(
            f"    steps_per_epoch = {count}"
            if per_epoch
            else f"    steps = epochs * {count}"
        )
    order = f"rng.permutation({counted})"
    if not spec.recipe.shuffle:
        order = f"np.arange({counted})"
    lines += [
        "    for epoch in range(epochs):",
        f"        order, total = {order}, 0.0",
        f"        for start in range(0, {counted}, BATCH_SIZE):",
        "            chosen = order[start : start + BATCH_SIZE]",
    ]
    batch = functional.sliced(spec, "images", "chosen")
    if data.augmentation(spec):
        batch = "augment(images[chosen], rng)"
    head = "v" if spec.is_several else f'v["{spec.head.logits_node}"]'
    labels = functional.sliced(spec, "labels", "chosen")
    lines += [
        f"            v = forward(w{state}, {batch}{rng})",
        f"            loss, grad = loss_and_grad({head}, {labels})",
        "            step += 1",
    ]
    rate = ""
    if schedule:
        factor = scaffold.rate_call(spec, "step - 1")
        lines.append(f"            rate = LEARNING_RATE * {factor}")
        rate = ", rate"
    lines += [
        f"            update(w, backward(w, v, grad), slots, step{rate})",
        "            total += loss * len(chosen)",
        f'        print(f"epoch {{epoch + 1}}: loss {{total / {counted}:.4f}}")',
        "",
    ]
    if spec.loss.name == "half_squared_error_sum":
        lines[-3] = "            total += loss * len(images)"
    return "\n".join(lines)


def accuracy_text(spec: ScriptSpec) -> str:
    """Write the function that counts what is right."""
    state = state_argument(spec)
    if spec.is_several:
        rows = [
            f'        "{name}": np.concatenate([v["{node}"] for v in parts]),'
            for name, node in spec.output_nodes.items()
        ]
        body = [*functional.forward_parts(spec, "forward", 250), "    return {"]
        return functional.accuracy_text(spec, [*body, *rows, "    }"])
    head = f'"{spec.head.logits_node}"'
    body = [
        "    parts = [images[i : i + 250] for i in range(0, len(images), 250)]",
        f"    outputs = [forward(w{state}, x)[{head}] for x in parts]",
        "    return np.concatenate(outputs)",
    ]
    return functional.accuracy_text(spec, body)


def main_text(spec: ScriptSpec) -> str:
    """Write what the script does when it is run."""
    return functional.main_text(spec, takes_new=False)
