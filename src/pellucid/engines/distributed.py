"""Processes that train one model together, as an engine sees them.

A job is started by a launcher (torchrun, mpiexec, a cluster's scheduler), which tells
every process its rank and how many there are. An engine that is made under its
launcher joins the job and says so by its ``world``; any other engine is alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pellucid.errors import EngineError, PellucidError, RunError, UnsupportedLayerError
from pellucid.network import Network
from pellucid.network.layers import BatchNorm

Array = npt.NDArray[Any]


class ProcessGroup(Protocol):
    """The processes of a job. All of them call `sum` in the same order."""

    @property
    def rank(self) -> int:
        """This process's number, from 0; the first one writes."""
        ...

    @property
    def size(self) -> int:
        """How many processes there are."""
        ...

    @property
    def is_restarted(self) -> bool:
        """Whether the launcher started the job again after a process died."""
        ...

    def sum(self, array: Array) -> Array:
        """Add up all processes' arrays in place, and return the array.

        Raises
        ------
        EngineError
            If another process has ended.
        """
        ...


class BatchShard(NamedTuple):
    """What a process holds of the batch that all train on.

    start : int
        The index of its first example in the global batch.
    total : float
        What the weights of all examples of the global batch add up to; where they
        have none, the number of examples.
    """

    start: int
    total: float


@dataclass(frozen=True, slots=True)
class Alone:
    """A world of one process."""

    rank: int = 0
    size: int = 1
    is_restarted: bool = False

    def sum(self, array: Array) -> Array:
        """Return the array."""
        return array


ALONE = Alone()


def world_of(engine: object) -> ProcessGroup:
    """Return the world that an engine has joined; alone where it says nothing."""
    world: ProcessGroup = getattr(engine, "world", ALONE)
    return world


def lost_peer_error(error: BaseException) -> EngineError:
    """Return the error for a process whose companions are gone."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return EngineError(
        "train: every process of the job must go on to the end; got a lost "
        f"connection ({reason}). Start the job again with --resume."
    )


def broadcast_from_first(world: ProcessGroup, make: Callable[[], bytes]) -> bytes:
    """Let the first process make something, and return it to all.

    Raises
    ------
    PellucidError
        In every process, if the first one failed by one.
    """
    failure: PellucidError | None = None
    message = b""
    if world.rank == 0:
        try:
            message = b"+" + make()
        except PellucidError as error:
            failure, message = error, b"-" + str(error).encode()
    message = _broadcast(world, message)
    if failure is not None:
        raise failure
    if message[:1] == b"-":
        raise RunError(message[1:].decode())
    return message[1:]


def _broadcast(world: ProcessGroup, message: bytes) -> bytes:
    """Return the first process's bytes: the sum of them and of zeros."""
    size = int(world.sum(np.array([len(message)], np.int64))[0])
    words = np.zeros(-(-size // 4), np.int32)
    if world.rank == 0:
        words.view(np.uint8)[:size] = np.frombuffer(message, np.uint8)
    return world.sum(words).tobytes()[:size]


def refuse_batch_norm(engine: str, network: Network) -> None:
    """Refuse a network whose batch norms would see one process's examples only.

    Raises
    ------
    UnsupportedLayerError
        If a batch norm trains.
    """
    for node in network.nodes:
        if isinstance(node.layer, BatchNorm) and node.layer.trainable:
            raise UnsupportedLayerError(
                f"engine '{engine}': layers must be ones that several processes "
                f"compute exactly as one does; got {node.layer.who}, whose statistics "
                "are of the whole batch. Take engine='torch', which adds them up."
            )
