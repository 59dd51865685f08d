"""Entry of the engine on JAX: options in, sessions out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.framework_options import (
    Options,
    unknown_device_error,
    warn_if_untested,
)
from pellucid.engines.integer_networks import refuse_integers
from pellucid.engines.jax.distributed import world
from pellucid.engines.jax.session import JaxSession
from pellucid.engines.loss_input import check_objective
from pellucid.engines.own_layers import refuse_own
from pellucid.engines.protocol import State
from pellucid.engines.registry import reduce_engine
from pellucid.engines.state import unpack_state
from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer

TESTED = ("0.10",)


@dataclass(frozen=True)
class JaxEngine:
    """Builds sessions that run on JAX."""

    options: Options
    device: jax.Device
    world: ProcessGroup = ALONE
    name: str = "jax"

    def build(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        dtype: str = "float32",
    ) -> JaxSession:
        """Return a session whose ``native`` is a pure function and its weights.

        Raises
        ------
        EngineError
            If dtype is not float32 or float64, or the state is not the network's.
        """
        self.options.check_dtype(dtype)
        refuse_integers("engine 'jax'", network)
        refuse_own("jax", network)
        check_objective("jax", loss, optimizer)
        parts = unpack_state(network, state, optimizer=optimizer, dtype=dtype)
        return JaxSession(
            network,
            parts,
            loss=loss,
            optimizer=optimizer,
            dtype=dtype,
            is_mixed=self.options.is_mixed,
            device=self.device,
            world=self.world,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_engine("jax", **self.options.to_arguments())


def make(**options: Any) -> JaxEngine:
    """Return the engine on JAX.

    Parameters
    ----------
    device : str, default "cpu"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"tpu"``.
    compile : bool, default False
        Taken for its siblings' sake: XLA compiles in any case.
    precision : {"float32", "bfloat16"}
        With bfloat16 activations and the weights they meet are rounded to it.

    Raises
    ------
    EngineError
        If an option is unknown, or the device is not there.
    """
    warn_if_untested("jax", jax.__version__, TESTED)
    try:
        parsed = Options(engine="jax", **options)
    except TypeError as error:
        raise EngineError(
            "engine 'jax': options must be device, compile and precision; "
            f"got {', '.join(options)}."
        ) from error
    group = world()  # before JAX looks for devices
    return JaxEngine(parsed, _device(parsed.device), group)


def _device(name: str) -> jax.Device:
    platform, _, index = name.partition(":")
    try:
        found = jax.local_devices(backend=platform)
    except RuntimeError as error:
        raise unknown_device_error("jax", name, str(error).splitlines()[0]) from error
    if int(index or 0) >= len(found):
        listed = ", ".join(f"{platform}:{i}" for i in range(len(found)))
        raise unknown_device_error("jax", name, f"it has {listed}.")
    return found[int(index or 0)]
