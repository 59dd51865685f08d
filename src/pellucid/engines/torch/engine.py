"""Entry of the engine on PyTorch: options in, sessions out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.framework_options import (
    Options,
    unknown_device_error,
    warn_if_untested,
)
from pellucid.engines.integer_networks import refuse_integers
from pellucid.engines.loss_input import check_objective
from pellucid.engines.own_layers import refuse_own
from pellucid.engines.protocol import State
from pellucid.engines.registry import reduce_engine
from pellucid.engines.state import unpack_state
from pellucid.engines.torch.distributed import own_device, world
from pellucid.engines.torch.session import TorchSession
from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer

TESTED = ("2.13",)


@dataclass(frozen=True)
class TorchEngine:
    """Builds sessions that run on PyTorch."""

    options: Options
    world: ProcessGroup = ALONE
    name: str = "torch"

    def build(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        dtype: str = "float32",
    ) -> TorchSession:
        """Return a session whose ``native`` is an `nn.Module`.

        Raises
        ------
        EngineError
            If dtype is not float32 or float64, or the state is not the network's.
        """
        self.options.check_dtype(dtype)
        refuse_integers("engine 'torch'", network)
        refuse_own("torch", network)
        check_objective("torch", loss, optimizer)
        parts = unpack_state(network, state, optimizer=optimizer, dtype=dtype)
        return TorchSession(
            network,
            parts,
            loss=loss,
            optimizer=optimizer,
            dtype=dtype,
            options=self.options,
            world=self.world,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_engine("torch", **self.options.to_arguments())


def make(**options: Any) -> TorchEngine:
    """Return the engine on PyTorch.

    Parameters
    ----------
    device : str, default "cpu"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    compile : bool, default False
        Whether `torch.compile` runs over the module.
    precision : {"float32", "bfloat16"}
        With bfloat16 the module runs under `torch.autocast`.

    Raises
    ------
    EngineError
        If an option is unknown, or the device is not there.
    """
    warn_if_untested("torch", torch.__version__, TESTED)
    try:
        parsed = Options(engine="torch", **options)
    except TypeError as error:
        raise EngineError(
            "engine 'torch': options must be device, compile and precision; "
            f"got {', '.join(options)}."
        ) from error
    try:
        torch.zeros(1, device=parsed.device).cpu()  # "meta" is there, and holds nothing
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise unknown_device_error("torch", parsed.device, reason) from error
    group = world(parsed.device)
    if group.size > 1:
        parsed = replace(parsed, device=own_device(parsed.device))
    return TorchEngine(parsed, group)
