"""Evaluation: loss and metrics over data, in inference mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Batches
from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.ports import (
    LossTerm,
    is_sum,
    join,
    labels_of,
    loss_terms,
    split,
)
from pellucid.engines.protocol import Arrays, Session
from pellucid.errors import NetworkError
from pellucid.network import Network
from pellucid.objectives import DatasetMetric, Loss, OutputLosses
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
    whole = {n: m for n, m in metrics.items() if isinstance(m, DatasetMetric)}
    if whole and world.size > 1:
        raise NetworkError(
            f"metrics: {', '.join(whole)} must be measured by one process, for the "
            f"whole dataset counts; got {world.size} processes."
        )
    order, metrics = tuple(metrics), {n: metrics[n] for n in metrics if n not in whole}
    kept: list[tuple[Any, Any]] = []
    terms = loss_terms(network, loss)
    sums = dict.fromkeys([*(t.output for t in terms), *map(_metric_key, metrics)], 0.0)
    count = 0
    for batch in batches.epoch(0):
        n = len(batch.indices)
        if not n:  # a part of a small batch may be empty
            continue
        output, values = forward(network, session, batch.images, loss)
        labels = labels_of(network, batch.labels)
        for term, z in zip(terms, values, strict=True):
            value, _ = term.loss.value_and_grad(z, labels[term.index])
            sums[term.output] += value if is_sum(term.loss) else value * n
        for name, metric in metrics.items():
            key = _metric_key(name)
            sums[key] += float(metric(output, batch.labels).sum())
        if whole:
            kept.append((output, batch.labels))
        count += n
        if on_batch:
            on_batch(count, output, batch.labels)
    *totals, count = world.sum(np.array([*sums.values(), count], np.float64)).tolist()
    found = dict(zip(sums, totals, strict=True))
    losses = {
        t.output: found[t.output] if is_sum(t.loss) else found[t.output] / count
        for t in terms
    }
    figures: dict[str, float] = {}
    if loss is not None:
        figures["loss"] = sum(term.weight * losses[term.output] for term in terms)
    if isinstance(loss, OutputLosses):
        figures |= {f"{output}_loss": value for output, value in losses.items()}
    measured = {name: found[_metric_key(name)] / count for name in metrics}
    if whole:
        outputs, all_labels = (np.concatenate(one) for one in zip(*kept, strict=True))
        measured |= {name: m(outputs, all_labels) for name, m in whole.items()}
    return figures | {name: measured[name] for name in order}


def _metric_key(name: str) -> str:
    """Return where a metric is added up; no output is called so."""
    return f"metric {name}"


def forward(
    network: Network, session: Session, images: Arrays, loss: Loss | None
) -> tuple[Any, list[Array]]:
    """Return the output, and what each term of the loss is computed from.

    The logarithm of a softmax's output is as good as its logits (they differ by a
    constant per example, which losses of one's own may see); a sigmoid's near 1 is
    not, so its input is asked for.
    """
    terms = loss_terms(network, loss)
    from_output = [
        t.node == t.output or (t.loss.absorbs == "Softmax" and t.loss.ignores_shift)
        for t in terms
    ]
    if all(from_output):
        output = session.predict(images)
        outputs = split("output", network.outputs, output)
        return output, [_head(term, outputs[term.index]) for term in terms]
    nodes = session.activations(images)
    output = join([nodes[name] for name in network.outputs])
    return output, [nodes[term.node] for term in terms]


def _head(term: LossTerm, output: Array) -> Array:
    """Return the loss's input from the output."""
    if term.node == term.output:
        return output
    logits: Array = np.log(np.maximum(output, np.finfo(output.dtype).tiny))
    return logits
