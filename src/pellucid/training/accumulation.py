"""Gradient accumulation: one update from the gradients of a batch's parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import is_sum, labels_of, loss_terms, split
from pellucid.engines.protocol import Arrays, Session, StepResult
from pellucid.errors import DataError
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer, OutputLosses, apply_update
from pellucid.training.early_stopping import weights_of

Array = npt.NDArray[Any]


class AccumulatingSession:
    """A session whose `train_step` goes through a batch in parts.

    An update is that of the whole batch: gradients are added up, each part's by what
    its examples weigh. Only batch norms see single parts. Between parts nothing
    but running statistics changes, so that a batch needs the memory of a part. The
    update itself is NumPy's, on any engine.

    Parameters
    ----------
    session : Session
        Of any network.
    network, loss, optimizer
        What it trains; the optimizer clips as the training does.
    parts : int
        How many; of a small batch, one for each example at most.

    Raises
    ------
    DataError
        If some losses of several outputs are sums over the batch and others means.
    """

    def __init__(
        self,
        session: Session,
        *,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        parts: int,
    ) -> None:
        self._session, self._network = session, network
        self._loss, self._optimizer, self._parts = loss, optimizer, parts
        self._terms = loss_terms(network, loss)
        sums = {is_sum(term.loss) for term in self._terms}
        if len(sums) > 1:
            raise DataError(
                "fit: accumulate must be 1 where some outputs' losses are sums over "
                "the batch and others are means; got "
                + ", ".join(f"{t.loss.name} of '{t.output}'" for t in self._terms)
                + "."
            )
        (self._is_sum,) = sums

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def train_step(
        self,
        images: Arrays,
        labels: Arrays,
        *,
        learning_rate: float,
        sample_weight: Arrays | None = None,
    ) -> StepResult:
        """Change weights, buffers and optimizer slots by one update."""
        session = self._session
        count = len(split("images", self._network.inputs, images)[0])
        first = int(session.state()["step"])
        sums: dict[str, Array] = {}
        loss, losses, outputs = 0.0, dict[str, float](), []
        weight = self._weight(sample_weight, count)
        total = float(weight.sum(dtype=np.float64))
        for few in np.array_split(np.arange(count), min(self._parts, count)):
            x, y = _take(images, few), _take(labels, few)
            share = float(weight[few].sum(dtype=np.float64)) / total
            if not share:
                outputs.append(session.forward(x, True, input_gradient=False)[0])
                continue
            mine = None if sample_weight is None else weight[few]
            part, gradients = session.gradients(x, y, sample_weight=mine)
            factor = 1.0 if self._is_sum else share
            loss += factor * part
            for name, gradient in gradients.items():
                scaled = np.asarray(factor, gradient.dtype) * gradient
                sums[name] = sums[name] + scaled if name in sums else scaled
            if isinstance(self._loss, OutputLosses):
                for name, value in self._losses(x, y, mine).items():
                    losses[name] = losses.get(name, 0.0) + factor * value
            # running statistics move, and the step with the next part's dropout masks
            outputs.append(session.forward(x, True, input_gradient=False)[0])
        self._update(sums, rate=learning_rate, step=first + 1)
        return StepResult(loss, _concatenate(outputs), losses)

    def _weight(self, given: Arrays | None, count: int) -> Array:
        """Return what each example weighs, in the losses of all outputs alike."""
        if not isinstance(given, tuple):
            return np.ones(count) if given is None else given
        found = [given[term.index] for term in self._terms]
        every = [np.ones(count) if one is None else one for one in found]
        if any(not np.array_equal(one, every[0]) for one in every):
            raise DataError(
                "fit: accumulate must be 1 where an example weighs differently in the "
                "losses of several outputs; got class_weight or sample_weight by "
                "output."
            )
        return every[0]

    def _losses(self, images: Arrays, labels: Any, weight: Any) -> dict[str, float]:
        """Return the loss of each output, in training mode, before the update."""
        nodes = self._session.activations(images, training=True)
        given = labels_of(self._network, labels)
        return {
            term.output: term.loss.value_and_grad(
                nodes[term.node], given[term.index], weight
            )[0]
            for term in self._terms
        }

    def _update(self, gradients: dict[str, Array], *, rate: float, step: int) -> None:
        state = self._session.state()
        optimizer = self._optimizer
        slots = {
            slot: {n: state[f"optimizer/{slot}/{n}"] for n in gradients}
            for slot in optimizer.slots
        }
        apply_update(
            optimizer, weights_of(state), gradients, slots, rate=rate, step=step
        )
        state["step"] = np.asarray(step, state["step"].dtype)
        self._session.load_state(state)


def _take(arrays: Any, few: Array) -> Any:
    if isinstance(arrays, tuple):
        return tuple(None if one is None else one[few] for one in arrays)
    return arrays[few]


def _concatenate(parts: list[Any]) -> Any:
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(one) for one in zip(*parts, strict=True))
    return np.concatenate(parts)
