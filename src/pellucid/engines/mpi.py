"""Process group under mpiexec, for the engines without a framework.

MPI itself is mpi4py's and the system's; here it adds up arrays.
"""

from __future__ import annotations

import atexit
import functools
import os
import time
from typing import Any

from pellucid.engines.distributed import (
    ALONE,
    Array,
    ProcessGroup,
    lost_peer_error,
)
from pellucid.engines.launchers import refuse_other_launchers
from pellucid.errors import EngineUnavailableError

#: what MPICH and its kin, and Open MPI, set for each process
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
_LAST_WAIT_S = 10.0  # for companions that may have failed


def world(engine: str) -> ProcessGroup:
    """Return the world that mpiexec made; alone where there is none.

    Raises
    ------
    EngineError
        If another launcher started several processes.
    EngineUnavailableError
        If mpi4py cannot be imported.
    """
    refuse_other_launchers(engine, *_SIZES)
    if all(os.environ.get(name, "1") == "1" for name in _SIZES):
        return ALONE
    return _join()


@functools.cache
def _join() -> ProcessGroup:
    try:
        import mpi4py

        mpi4py.rc.finalize = False  # see `_leave`
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise EngineUnavailableError(
            "mpiexec: processes need mpi4py and an MPI library to meet; "
            f"got {error}. Run: pip install 'pellucid[mpi]'."
        ) from error
    MPI.COMM_WORLD.Set_errhandler(MPI.ERRORS_RETURN)
    atexit.register(_leave, MPI)
    return MpiProcessGroup(MPI)


def _leave(mpi: Any) -> None:
    """End MPI together.

    ``MPI_Finalize`` would wait for companions for ever. Where one does not come, this
    process goes without, and mpiexec ends the job.
    """
    request = mpi.COMM_WORLD.Ibarrier()
    end = time.monotonic() + _LAST_WAIT_S
    while not request.Test():
        if time.monotonic() > end:
            return
        time.sleep(0.01)
    mpi.Finalize()


class MpiProcessGroup:
    """The processes of an mpiexec job."""

    is_restarted = False

    def __init__(self, mpi: Any) -> None:
        self._mpi = mpi
        self.rank: int = mpi.COMM_WORLD.Get_rank()
        self.size: int = mpi.COMM_WORLD.Get_size()

    def sum(self, array: Array) -> Array:
        """Add up all processes' arrays in place, and return the array."""
        try:
            self._mpi.COMM_WORLD.Allreduce(self._mpi.IN_PLACE, array)
        except self._mpi.Exception as error:
            raise lost_peer_error(error) from error
        return array
