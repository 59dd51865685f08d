"""This file is what the processes of a training tell each other after each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Batches
from pellucid.engines.world import Part, World

if TYPE_CHECKING:
    from pellucid.training.interrupt import Interrupt
    from pellucid.training.trainer import Trainer

Array = npt.NDArray[Any]
_ELSEWHERE = "another process has ended it"


class Together:
    """A process's share of each batch, and the figures and wishes of all.

    Figures become those of the global batch, so that every process is at the same
    position with the same numbers. Ctrl-C and the wish to stop are agreed on with
    them: no process leaves a step that another has begun. Alone there is nothing to
    agree on, and a wish is heard at once.
    """

    def __init__(self, world: World, train: Batches) -> None:
        self.world, self._train = world, train
        self._is_alone = world.size == 1
        self._wishes = (False, False)

    def part(self, step: int, sample_weight: Array | None) -> dict[str, Any]:
        """Return the argument that tells a session of its share; none alone."""
        if self._is_alone:
            return {}
        start, count = self._train.place(step)
        total = float(count)
        if sample_weight is not None:
            own = np.array([sample_weight.sum()], np.float64)
            total = float(self.world.sum(own)[0])
        return {"part": Part(start, total)}

    def share(
        self,
        loss: float,
        figures: Mapping[str, float],
        examples: int,
        *,
        wishes: tuple[bool, bool],
    ) -> tuple[float, dict[str, float], int]:
        """Return the sums of loss, figures and examples over all processes.

        ``wishes`` says whether Ctrl-C was pressed, and whether to stop.
        """
        own = [loss, examples, *wishes, *figures.values()]
        total = self.world.sum(np.array(own, np.float64)).tolist()
        self._wishes = total[2] > 0, total[3] > 0
        return total[0], dict(zip(figures, total[4:], strict=True)), round(total[1])

    def is_pressed(self, interrupt: Interrupt) -> bool:
        """Whether all end at this step because of Ctrl-C in any."""
        return interrupt.is_pressed if self._is_alone else self._wishes[0]

    def is_stopped(self, trainer: Trainer) -> bool:
        """Whether all end at this step because one wished to, before it."""
        if self._is_alone:
            return trainer.stop_reason is not None
        if self._wishes[1] and trainer.stop_reason is None:
            trainer.stop(_ELSEWHERE)
        return self._wishes[1]

    def reason(self, own: str | None) -> str | None:
        """Return why all end at this epoch: this process's reason, or another's."""
        if self._is_alone or not self.world.sum(np.array([own is not None], np.int64)):
            return own
        return own or _ELSEWHERE
