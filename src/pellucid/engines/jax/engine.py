"""Entry of the engine on JAX: options in, sessions out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax

from pellucid.engines.framework_engine import FrameworkEngine, read_options
from pellucid.engines.framework_options import unknown_device_error
from pellucid.engines.jax.distributed import world
from pellucid.engines.jax.session import JaxSession
from pellucid.engines.state import UnpackedState
from pellucid.network import Network

TESTED = ("0.10",)


@dataclass(frozen=True)
class JaxEngine(FrameworkEngine[JaxSession]):
    """Builds sessions that run on JAX."""

    device: jax.Device | None = None
    name: ClassVar[str] = "jax"

    def open_session(
        self, network: Network, parts: UnpackedState, **given: Any
    ) -> JaxSession:
        """Return a session whose ``native`` is a pure function and its weights."""
        return JaxSession(
            network,
            parts,
            is_mixed=self.options.is_mixed,
            device=self.device,
            world=self.world,
            **given,
        )


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
    parsed = read_options("jax", jax.__version__, TESTED, options)
    group = world()  # before JAX looks for devices
    return JaxEngine(parsed, group, _device(parsed.device))


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
