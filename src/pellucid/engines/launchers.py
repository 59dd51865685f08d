"""Launchers of distributed jobs: the environment that a process is told its rank by.

See ``docs/many-machines.md``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from pellucid.errors import EngineError

#: launcher → the variable that holds the number of processes
_SIZES = {
    "torchrun": "WORLD_SIZE",
    "mpiexec": "PMI_SIZE",
    "mpiexec of Open MPI": "OMPI_COMM_WORLD_SIZE",
    "jax.distributed": "JAX_NUM_PROCESSES",
}


def torchrun_environment(workers: Sequence[str], rank: int) -> dict[str, str]:
    """Return the variables that torchrun sets; ``workers`` are ``host:port``."""
    host, _, port = workers[0].rpartition(":")
    return {
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "WORLD_SIZE": str(len(workers)),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
    }


def tensorflow_environment(workers: Sequence[str], rank: int) -> dict[str, str]:
    """Return ``TF_CONFIG`` of one worker; ``workers`` are ``host:port``."""
    task = {"type": "worker", "index": rank}
    config = {"cluster": {"worker": list(workers)}, "task": task}
    return {"TF_CONFIG": json.dumps(config)}


def jax_environment(workers: Sequence[str], rank: int) -> dict[str, str]:
    """Return the variables of `jax.distributed`; ``workers`` are ``host:port``."""
    return {
        "JAX_COORDINATOR_ADDRESS": workers[0],
        "JAX_NUM_PROCESSES": str(len(workers)),
        "JAX_PROCESS_ID": str(rank),
    }


def refuse_other_launchers(
    engine: str, *mine: str, environment: Mapping[str, str] = os.environ
) -> None:
    """Refuse a job whose launcher does not belong to the engine.

    Every process would train the whole model for itself, and write the same run.

    Raises
    ------
    EngineError
        If another launcher's variable says that there are several processes.
    """
    for launcher, variable in _SIZES.items():
        size = environment.get(variable, "1")
        if size != "1" and variable not in mine:
            raise EngineError(
                f"engine '{engine}': a job of several processes must be started by "
                f"the engine's own launcher; got {variable}={size} of {launcher}. "
                "See docs/many-machines.md."
            )
