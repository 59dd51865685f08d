"""Evaluation: loss and metrics over data, in inference mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Batches
from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.loss_input import loss_node
from pellucid.engines.protocol import Session
from pellucid.network import Network
from pellucid.objectives import Loss
from pellucid.objectives.metrics import Metric

Array = npt.NDArray[Any]


def evaluate(
    network: Network,
    session: Session,
    batches: Batches,
    *,
    loss: Loss | None,
    metrics: Mapping[str, Metric],
    on_batch: Callable[[int, Array, Array], None] | None = None,
    world: ProcessGroup = ALONE,
) -> dict[str, float]:
    """Return the loss (if there is one) and metrics, each a mean over all examples.

    ``on_batch`` is handed the number of examples done, the output and the labels. In
    a world of several processes the batches are this one's part, the result that of
    all.

    Parameters
    ----------
    network : Network
        What is evaluated.
    session : Session
        It predicts.
    batches : Batches
        One epoch of them is read, in order.
    loss : Loss or None
        None: only metrics.
    metrics : mapping of str to function
        As `select_metrics` returns.
    on_batch : callable, optional
        ``on_batch(examples done, output, labels)`` after each batch.
    world : ProcessGroup
        Where batches are shared among processes; sums are added over all.

    Returns
    -------
    dict of str to float
        ``loss`` in nats, and each metric.
    """
    sums = dict.fromkeys((["loss"] if loss else []) + list(metrics), 0.0)
    count = 0
    for batch in batches.epoch(0):
        if not len(batch.images):  # a part of a small batch may be empty
            continue
        output, logits = forward(network, session, batch.images, loss)
        n = len(batch.images)
        if loss is not None:
            value, _ = loss.value_and_grad(logits, batch.labels)
            is_sum = loss.name == "half_squared_error_sum"
            sums["loss"] += value if is_sum else value * n
        for name, metric in metrics.items():
            sums[name] += float(metric(output, batch.labels).sum())
        count += n
        if on_batch:
            on_batch(count, output, batch.labels)
    *totals, count = world.sum(np.array([*sums.values(), count], np.float64)).tolist()
    is_sum = loss is not None and loss.name == "half_squared_error_sum"
    return {
        name: total if name == "loss" and is_sum else total / count
        for name, total in zip(sums, totals, strict=True)
    }


def forward(
    network: Network, session: Session, images: Array, loss: Loss | None
) -> tuple[Array, Array]:
    """Return the output, and what the loss is computed from.

    The logarithm of a softmax's output is as good as its logits (they differ by a
    constant per example); a sigmoid's near 1 is not, so its input is asked for.
    """
    if loss is None or loss_node(network, loss) == network.outputs[0]:
        output = session.predict(images)
        return output, output
    if loss.absorbs == "Softmax":
        output = session.predict(images)
        return output, np.log(np.maximum(output, np.finfo(output.dtype).tiny))
    nodes = session.activations(images)
    return nodes[network.outputs[0]], nodes[loss_node(network, loss)]
