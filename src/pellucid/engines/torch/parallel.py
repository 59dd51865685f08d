"""Module that several processes train together, by PyTorch's own DDP."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pellucid.engines.distributed import ProcessGroup
from pellucid.engines.torch.distributed import peer_errors, sum_over_processes
from pellucid.engines.torch.layers import NetworkModule
from pellucid.engines.torch.modules import BatchNorm

Values = dict[str, Tensor]

_DDP = inspect.signature(DistributedDataParallel.__init__).parameters
#: the newer name of the option, where PyTorch has it: the older one warns then
_NO_BUFFERS: dict[str, Any] = {
    name: False
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in _DDP
}
if len(_NO_BUFFERS) > 1:
    del _NO_BUFFERS["broadcast_buffers"]


class Parallel:
    """`DistributedDataParallel` around the module, and what it takes to be exact.

    Parameters
    ----------
    module : NetworkModule
    run : callable
        What computes its values: ``module.values``, compiled or not.
    keep : tuple of str
        The nodes whose values a step needs.
    world : ProcessGroup
    has_unused : bool
        Whether some parameters stand behind no loss.
    """

    def __init__(
        self,
        module: NetworkModule,
        run: Callable[..., Values],
        keep: tuple[str, ...],
        world: ProcessGroup,
        *,
        has_unused: bool = False,
    ) -> None:
        self._size = world.size
        self._norms = [m for m in module.modules() if isinstance(m, BatchNorm)]
        with peer_errors():
            # the running statistics are the same everywhere, being the whole batch's
            self._module = DistributedDataParallel(
                _Kept(module, run, keep),
                find_unused_parameters=has_unused,
                **_NO_BUFFERS,
            )

    def values(self, images: tuple[Tensor, ...], masks: Values) -> Values:
        """Return the values of a share of the batch, in training mode."""
        for norm in self._norms:
            norm.sum_over_processes = sum_over_processes
        try:
            with peer_errors():
                values: Values = self._module(images, masks)
        finally:
            for norm in self._norms:
                norm.sum_over_processes = None
        return values

    def backward(self, loss: Tensor) -> None:
        """Leave the whole batch's derivatives in ``grad``; loss is a summand.

        DDP takes the mean of all processes' derivatives; the sum is wanted.
        """
        with peer_errors():
            (loss * self._size).backward()  # type: ignore[no-untyped-call]


class _Kept(nn.Module):
    """`NetworkModule.values` as a module, which is what DDP wraps."""

    def __init__(
        self,
        module: NetworkModule,
        run: Callable[..., Values],
        keep: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.module, self.run, self.keep = module, run, keep

    def forward(self, images: tuple[Tensor, ...], masks: Values) -> Values:
        return self.run(images, masks, keep=self.keep)
