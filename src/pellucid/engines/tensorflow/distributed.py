"""Process group by TF_CONFIG: MultiWorkerMirroredStrategy.

The strategy connects the processes and adds up; weights are plain variables in each
process, equal because all begin equal and take the same updates.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pellucid.engines.distributed import (
    ALONE,
    Array,
    ProcessGroup,
    lost_peer_error,
)
from pellucid.engines.launchers import refuse_other_launchers
from pellucid.engines.tensorflow.imports import quiet, tf
from pellucid.errors import EngineError

_VARIABLE = "TF_CONFIG"


def world() -> ProcessGroup:
    """Return the world that TF_CONFIG describes; alone where there is none.

    Raises
    ------
    EngineError
        If TF_CONFIG is damaged, or another launcher started several processes.
    """
    refuse_other_launchers("tensorflow")
    tasks, rank = _cluster(os.environ.get(_VARIABLE, ""))
    return ALONE if tasks < 2 else _join(rank, tasks)


def _cluster(text: str) -> tuple[int, int]:
    """Return how many processes there are, and which of them this one is."""
    if not text:
        return 1, 0
    try:
        document = json.loads(text)
        cluster, task = document["cluster"], document["task"]
        places = [(kind, i) for kind in ("chief", "worker")
                  for i in range(len(cluster.get(kind, ())))]  # fmt: skip
        return len(places), places.index((task["type"], int(task["index"])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            "engine 'tensorflow': TF_CONFIG must be JSON with a cluster of workers and "
            f"a task; got {text!r} ({error})."
        ) from error


@functools.cache
def _join(rank: int, size: int) -> ProcessGroup:
    with quiet(), peer_errors():
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if strategy.num_replicas_in_sync != size:
        raise EngineError(
            "engine 'tensorflow': each process must train on one device; got "
            f"{strategy.num_replicas_in_sync} devices in {size} processes. Let each "
            "see one, by CUDA_VISIBLE_DEVICES."
        )
    return TensorflowProcessGroup(strategy, rank, size)


class TensorflowProcessGroup:
    """The processes of a TF_CONFIG cluster."""

    is_restarted = False

    def __init__(self, strategy: Any, rank: int, size: int) -> None:
        self._strategy, self.rank, self.size = strategy, rank, size
        self._sum = functools.cache(self._make_sum)

    def run(self, function: Callable[..., Any], signature: Any) -> Any:
        """Return the function as the strategy runs it, traced."""
        return tf.function(
            lambda *arguments: self._strategy.run(function, arguments),
            input_signature=signature,
        )

    def sum(self, array: Array) -> Array:
        """Add up all processes' arrays in place, and return the array."""
        with peer_errors():
            total = self._sum(str(array.dtype))(tf.constant(array.ravel()))
        array[...] = total.numpy().reshape(array.shape)
        return array

    def _make_sum(self, dtype: str) -> Any:
        # an argument lies on no device yet, its identity on the strategy's
        signature = [tf.TensorSpec((None,), dtype)]
        return self.run(lambda x: sum_over_processes(tf.identity(x)), signature)


def sum_over_processes(tensors: Any) -> Any:
    """Return the sums over all processes, inside of `TensorflowProcessGroup.run`."""
    return tf.distribute.get_replica_context().all_reduce("SUM", tensors)


@contextmanager
def peer_errors() -> Iterator[None]:
    """Say so where the other processes are gone."""
    gone = tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError
    try:
        yield
    except (*gone, tf.errors.DeadlineExceededError, tf.errors.InternalError) as error:
        raise lost_peer_error(error) from error
