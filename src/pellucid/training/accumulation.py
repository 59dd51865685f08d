"""Gradient accumulation: one update from the gradients of a batch's parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import is_sum
from pellucid.engines.protocol import Session, StepResult
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer, apply_update
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
        Of a network with one input and one output.
    network, loss, optimizer
        What it trains; the optimizer clips as the training does.
    parts : int
        How many; of a small batch, one for each example at most.
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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def train_step(
        self,
        images: Array,
        labels: Array,
        *,
        learning_rate: float,
        sample_weight: Array | None = None,
    ) -> StepResult:
        """Change weights, buffers and optimizer slots by one update."""
        session, count = self._session, len(images)
        first = int(session.state()["step"])
        sums: dict[str, Array] = {}
        loss, outputs = 0.0, []
        weight = np.ones(count) if sample_weight is None else sample_weight
        total = float(weight.sum(dtype=np.float64))
        for few in np.array_split(np.arange(count), min(self._parts, count)):
            x, y = images[few], labels[few]
            mine = None if sample_weight is None else sample_weight[few]
            share = float(weight[few].sum(dtype=np.float64)) / total
            if not share:
                outputs.append(session.forward(x, True, input_gradient=False)[0])
                continue
            part, gradients = session.gradients(x, y, sample_weight=mine)
            factor = 1.0 if is_sum(self._loss) else share
            loss += factor * part
            for name, gradient in gradients.items():
                scaled = np.asarray(factor, gradient.dtype) * gradient
                sums[name] = sums[name] + scaled if name in sums else scaled
            # running statistics move, and the step with the next part's dropout masks
            outputs.append(session.forward(x, True, input_gradient=False)[0])
        self._update(sums, rate=learning_rate, step=first + 1)
        return StepResult(loss, np.concatenate(outputs))

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
