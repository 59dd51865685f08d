"""Synchronization of training processes after each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Batches
from pellucid.engines.distributed import BatchShard, ProcessGroup

if TYPE_CHECKING:
    from pellucid.training.interrupt import Interrupt

Array = npt.NDArray[Any]
_ELSEWHERE = "another process has ended it"


class DistributedSync:
    """A process's share of each batch, and the figures and wishes of all.

    Figures become those of the global batch, so that every process is at the same
    position with the same numbers. Ctrl-C is agreed on with them: no process leaves a
    step that another has begun. The wish of a callback is known after the step, and
    takes a message of its own; where no callback can have one, none is sent. Alone
    there is nothing to agree on.
    """

    def __init__(self, world: ProcessGroup, train: Batches) -> None:
        self.world, self._train = world, train
        self._is_alone = world.size == 1
        self._is_pressed = self._asks = False

    def begin(self, *, may_stop: bool) -> None:
        """Agree on whether any process has a callback that may end a training."""
        self._asks = not self._is_alone and self._any(may_stop)

    def total(self, step: int, sample_weight: Any) -> float:
        """Return what all examples of the batch weigh: 1 each if nothing is said.

        Where each output has weights of its own, what the largest of them weigh.
        """
        if isinstance(sample_weight, tuple):
            return max(self.total(step, weight) for weight in sample_weight)
        if sample_weight is None:
            return float(self._train.place(step)[1])
        own = np.array([sample_weight.sum(dtype=np.float64)])
        return float(self.world.sum(own)[0])

    def part(self, step: int, total: float) -> dict[str, Any]:
        """Return the argument that tells a session of its share; none alone."""
        if self._is_alone:
            return {}
        return {"part": BatchShard(self._train.place(step)[0], total)}

    def share(
        self,
        loss: float,
        figures: Mapping[str, float],
        examples: int,
        *,
        is_pressed: bool,
    ) -> tuple[float, dict[str, float], int]:
        """Return the sums of loss, figures and examples over all processes.

        ``is_pressed`` says whether Ctrl-C was pressed.
        """
        own = [loss, examples, is_pressed, *figures.values()]
        total = self.world.sum(np.array(own, np.float64)).tolist()
        self._is_pressed = total[2] > 0
        return total[0], dict(zip(figures, total[3:], strict=True)), round(total[1])

    def is_pressed(self, interrupt: Interrupt) -> bool:
        """Whether all end at this step because of Ctrl-C in any."""
        return interrupt.is_pressed if self._is_alone else self._is_pressed

    def reason_in_step(self, own: str | None) -> str | None:
        """Return why all end at this step: this process's reason, or another's."""
        return self.reason(own) if self._asks else own

    def reason(self, own: str | None) -> str | None:
        """Return why all end here: this process's reason, or another's."""
        if self._is_alone or not self._any(own is not None):
            return own
        return own or _ELSEWHERE

    def _any(self, own: bool) -> bool:
        """Whether it is so in any process."""
        return bool(self.world.sum(np.array([own], np.int64))[0])
