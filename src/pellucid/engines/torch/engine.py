"""Entry of the engine on PyTorch: options in, sessions out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from pellucid.engines.framework_engine import FrameworkEngine, read_options
from pellucid.engines.framework_options import unknown_device_error
from pellucid.engines.state import UnpackedState
from pellucid.engines.torch.distributed import own_device, world
from pellucid.engines.torch.session import TorchSession
from pellucid.network import Network

TESTED = ("2.13",)


class TorchEngine(FrameworkEngine[TorchSession]):
    """Builds sessions that run on PyTorch."""

    name = "torch"

    def open_session(
        self, network: Network, parts: UnpackedState, **given: Any
    ) -> TorchSession:
        """Return a session whose ``native`` is an `nn.Module`."""
        return TorchSession(
            network, parts, options=self.options, world=self.world, **given
        )


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
    parsed = read_options("torch", torch.__version__, TESTED, options)
    try:
        torch.zeros(1, device=parsed.device).cpu()  # "meta" is there, and holds nothing
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise unknown_device_error("torch", parsed.device, reason) from error
    group = world(parsed.device)
    if group.size > 1:
        parsed = replace(parsed, device=own_device(parsed.device))
    return TorchEngine(parsed, group)
