"""Losses of a NumPy script."""

from __future__ import annotations

from pellucid.code.functional import loss_functions, sum_lines
from pellucid.code.heads import Head
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import number

_LOSSES = {
    "cross_entropy": '''def {name}(z, labels):
    """Return the mean cross-entropy in nats, and (softmax(z) - onehot) / N."""
    z = z - z.max(axis=1, keepdims=True)
    partition = np.exp(z).sum(axis=1, keepdims=True)
    targets = {targets}
    loss = np.sum(targets * (np.log(partition) - z)) / len(z)
    return loss, (np.exp(z) / partition - targets) / len(z)
''',
    "binary_cross_entropy": '''def {name}(z, labels):
    """Return the mean cross-entropy of logistic(z) in nats, and its derivative."""
    t = labels{smoothed}
    loss = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    return loss, (logistic(z) - t) / z.size
''',
    "mse": '''def {name}(z, labels):
    """Return the mean squared error, and its derivative."""
    return np.mean((z - labels) ** 2), 2 * (z - labels) / z.size
''',
    "half_squared_error_sum": '''def {name}(z, labels):
    """Return half the sum of all squared errors, and its derivative."""
    return 0.5 * np.sum((z - labels) ** 2), z - labels
''',
}


def loss_text(spec: ScriptSpec) -> str:
    """Write the loss and its derivative, of several outputs the sum of theirs."""
    if not spec.is_several:
        return _text(spec.head).replace("{name}", "loss_and_grad")
    texts, names = loss_functions(spec, _text)
    parts, sums = [], []
    grads: dict[str, list[str]] = {}
    for head in spec.heads:
        times = f"{number(head.weight)} * " if head.weight != 1 else ""
        key, node = f'"{head.name}"', f'"{head.logits_node}"'
        parts.append(f"        {key}: {names[head.name]}(v[{node}], labels[{key}]),")
        sums.append(f"{times}parts[{key}][0]")
        grads.setdefault(node, []).append(f"{times}parts[{key}][1]")
    rows = [f"        {node}: {' + '.join(terms)}," for node, terms in grads.items()]
    lines = [
        "def loss_and_grad(v, labels):",
        '    """Return the sum of the losses, and its derivatives by the logits."""',
        "    parts = {",
        *parts,
        "    }",
        *sum_lines("loss", sums),
        "    return loss, {",
        *rows,
        "    }",
    ]
    return "\n\n".join([*texts, "\n".join([*lines, ""])])


def _text(head: Head) -> str:
    """Return the function of one loss and its derivative, with {name} for its name."""
    targets = f"np.eye({head.classes}, dtype=z.dtype)[labels]"
    smoothed = ""
    if head.smoothing:
        keep, share = number(1 - head.smoothing), number(head.smoothing / head.classes)
        targets = f"{targets} * {keep} + {share}"
        smoothed = f" * {keep} + {number(head.smoothing / 2)}"
    text = _LOSSES[head.loss.name]
    return text.replace("{targets}", targets).replace("{smoothed}", smoothed)
