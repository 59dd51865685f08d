"""Losses of a NumPy script."""

from __future__ import annotations

from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import number

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


def loss_text(spec: ScriptSpec) -> str:
    """Write the loss and its derivative."""
    smoothing = getattr(spec.loss, "label_smoothing", 0.0)
    classes = spec.network.output_shape[-1]
    targets = f"np.eye({classes}, dtype=z.dtype)[labels]"
    smoothed = ""
    if smoothing:
        keep, share = number(1 - smoothing), number(smoothing / classes)
        targets = f"{targets} * {keep} + {share}"
        smoothed = f" * {keep} + {number(smoothing / 2)}"
    text = _LOSSES[spec.loss.name]
    return text.replace("{targets}", targets).replace("{smoothed}", smoothed)
