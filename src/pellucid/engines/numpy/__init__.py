"""The engine that is meant to be read: every layer's equation and derivative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pellucid.engines import mpi
from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.integer_networks import refuse_training
from pellucid.engines.numpy.session import NumpySession
from pellucid.engines.protocol import Engine, State
from pellucid.engines.registry import reduce_engine
from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer


@dataclass(frozen=True)
class NumpyEngine:
    """Builds sessions that run on NumPy, in float32 or float64."""

    name: str = "numpy"
    world: ProcessGroup = ALONE

    def build(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        dtype: str = "float32",
    ) -> NumpySession:
        """Return a session of that network with that state."""
        if dtype not in ("float32", "float64"):
            raise EngineError(
                "engine 'numpy': dtype must be one of float32, float64; "
                f"got dtype={dtype!r}."
            )
        if optimizer is not None:
            refuse_training("numpy", network)
        return NumpySession(
            network,
            state=state,
            loss=loss,
            optimizer=optimizer,
            dtype=dtype,
            world=self.world,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_engine("numpy")


def make() -> Engine:
    """Return the engine; it has no options. Under mpiexec it joins the job."""
    return NumpyEngine(world=mpi.world("numpy"))


__all__ = ["NumpyEngine", "NumpySession", "make"]
