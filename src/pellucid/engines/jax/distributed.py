"""Process group by `jax.distributed`.

Each process computes its share's derivatives on its own device; one program over all
processes adds them up.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pellucid.engines.distributed import (
    ALONE,
    Array,
    ProcessGroup,
    lost_peer_error,
)
from pellucid.engines.launchers import refuse_other_launchers
from pellucid.errors import EngineError

#: JAX's own variable for the address, and its siblings' names for the numbers
_ADDRESS, _SIZE, _RANK = (
    "JAX_COORDINATOR_ADDRESS",
    "JAX_NUM_PROCESSES",
    "JAX_PROCESS_ID",
)
_LAST_WAIT_S = 60  # for companions, at the end
_EXIT_CODE = 2  # of a process that has lost them


def world() -> ProcessGroup:
    """Return the world that the environment describes; alone where there is none.

    Raises
    ------
    EngineError
        If the description is incomplete, or another launcher started several
        processes.
    """
    refuse_other_launchers("jax", _SIZE)
    if os.environ.get(_SIZE, "1") == "1":
        return ALONE
    return _join()


@functools.cache
def _join() -> ProcessGroup:
    try:
        arguments: dict[str, Any] = {
            "coordinator_address": os.environ[_ADDRESS],
            "num_processes": int(os.environ[_SIZE]),
            "process_id": int(os.environ[_RANK]),
        }
    except (KeyError, ValueError) as error:
        raise EngineError(
            f"engine 'jax': {_ADDRESS}, {_SIZE} and {_RANK} must all be set; got "
            f"{error}."
        ) from error
    jax.config.update(  # type: ignore[no-untyped-call]
        "jax_cpu_collectives_implementation", "gloo"
    )
    with peer_errors():
        jax.distributed.initialize(**arguments, shutdown_timeout_seconds=_LAST_WAIT_S)
    atexit.register(_leave)  # after JAX's own, so it comes before it
    return JaxProcessGroup()


def _leave() -> None:
    """End at once where companions are gone.

    JAX would wait for them in its shutdown, and then abort with a stack trace.
    """
    if _Companions.are_lost:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_EXIT_CODE)


class JaxProcessGroup:
    """The processes of a `jax.distributed` job, with one device each."""

    is_restarted = False

    def __init__(self) -> None:
        self.rank, self.size = jax.process_index(), jax.process_count()
        devices = [
            next(d for d in jax.devices() if d.process_index == rank)
            for rank in range(self.size)
        ]
        mesh = Mesh(np.array(devices), ("process",))
        self._apart = NamedSharding(mesh, PartitionSpec("process"))  # type: ignore[no-untyped-call]
        everywhere = NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]
        self._sum = jax.jit(lambda x: x.sum(axis=0), out_shardings=everywhere)

    def sum_over_processes(self, vector: Any) -> Any:
        """Return the sum of all processes' vectors, as an array of this process."""
        with peer_errors():
            shape = (self.size, *vector.shape)
            rows = jax.make_array_from_single_device_arrays(
                shape, self._apart, [jax.device_put(vector[None], self._own)]
            )
            return self._sum(rows).addressable_data(0)

    @property
    def _own(self) -> Any:
        return self._apart.mesh.devices[self.rank]

    def sum(self, array: Array) -> Array:
        """Add up all processes' arrays in place, and return the array."""
        with jax.enable_x64(True):
            array[...] = np.asarray(self.sum_over_processes(array))
        return array


class _Companions:
    """What is known of the other processes."""

    are_lost = False


@contextmanager
def peer_errors() -> Iterator[None]:
    """Say so where the other processes are gone."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        # what gloo says comes as a ValueError
        if isinstance(error, ValueError) and "gloo" not in str(error).lower():
            raise
        _Companions.are_lost = True
        raise lost_peer_error(error) from error
