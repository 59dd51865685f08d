"""Detection of other load on the machine."""

from __future__ import annotations

import hashlib
import threading
import time

from pellucid.machine import count_usable_cpus

#: a measurement is disturbed where the same work takes this much longer than at best
DISTURBED = 0.25
#: so long a slow calibration is tried again: threads of what was measured may spin for
#: a while before they sleep (OpenMP's 200 ms), and are no other load
_SETTLE_S = 0.5
_PAUSE_S = 0.05
_BLOCK = bytes(1 << 20)
_BLOCKS = 8  # about 5 ms


class Calibration:
    """A fixed piece of work on every processor, timed again and again.

    Its best time so far is what the machine does undisturbed. Each processor hashes
    the same bytes, in C and without Python's lock: where another process holds one of
    them, the whole takes longer.

    Parameters
    ----------
    threads : int, optional
        As many as there are usable processors where it is left out.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or count_usable_cpus()
        self.best_s = min(self._time_once() for _ in range(10))

    def slowdown(self) -> float:
        """Return how much longer the work takes now: 0.0 is as fast as ever.

        The better of two tries counts: a single interrupt is no disturbance. Where
        both are slow, it tries on for half a second: what lasts longer is a load.
        """
        end = time.perf_counter() + _SETTLE_S
        taken = min(self._time_once(), self._time_once())
        while taken > (1 + DISTURBED) * self.best_s and time.perf_counter() < end:
            time.sleep(_PAUSE_S)
            taken = min(taken, self._time_once())
        self.best_s = min(self.best_s, taken)
        return taken / self.best_s - 1

    def _time_once(self) -> float:
        helpers = [
            threading.Thread(target=_hash_blocks) for _ in range(self.threads - 1)
        ]
        begin = time.perf_counter()
        for helper in helpers:
            helper.start()
        _hash_blocks()
        for helper in helpers:
            helper.join()
        return time.perf_counter() - begin


def _hash_blocks() -> None:
    digest = hashlib.sha256()
    for _ in range(_BLOCKS):
        digest.update(_BLOCK)
