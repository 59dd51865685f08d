"""Process group under torchrun: `torch.distributed`."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from pellucid.engines.distributed import (
    ALONE,
    Array,
    ProcessGroup,
    lost_peer_error,
)
from pellucid.engines.launchers import refuse_other_launchers

#: what torchrun sets for each process (and a Slurm or Kubernetes script may set)
_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def world(device: str) -> ProcessGroup:
    """Return the world that torchrun made; alone where there is none.

    Raises
    ------
    EngineError
        If another launcher started several processes.
    """
    refuse_other_launchers("torch", "WORLD_SIZE")
    is_one = os.environ.get("WORLD_SIZE", "1") == "1"
    if is_one or any(name not in os.environ for name in _NEEDED):
        return ALONE
    return _join(torch.device(device).type)


def own_device(device: str) -> str:
    """Return the device of this process: each has a GPU of its own."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device


@functools.cache
def _join(kind: str) -> ProcessGroup:
    if kind == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not dist.is_initialized():
        store, rank, size = next(rendezvous("env://"))
        # after a restart the store still holds the addresses of those who died
        own = PrefixStore(f"pellucid/{_restarts()}", store)
        backend = "nccl" if kind == "cuda" else "gloo"
        dist.init_process_group(backend, store=own, rank=rank, world_size=size)
        atexit.register(dist.destroy_process_group)
    return TorchProcessGroup(kind)


def _restarts() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


class TorchProcessGroup:
    """The processes of a torchrun job."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.is_restarted = _restarts() > 0

    def sum(self, array: Array) -> Array:
        """Add up all processes' arrays in place, and return the array."""
        tensor = torch.from_numpy(array).to(self._device)
        with peer_errors():
            dist.all_reduce(tensor)
        if self._device != "cpu":
            array[...] = tensor.cpu().numpy()
        return array


class _Sum(torch.autograd.Function):
    """The sum over processes; its derivative is the sum of their derivatives."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        """Add up."""
        del ctx
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:
        """Add up: all processes' losses depend on this process's x."""
        del ctx
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


def sum_over_processes(x: Tensor) -> Tensor:
    """Return the sum of all processes' tensors, differentiable."""
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


@contextmanager
def peer_errors() -> Iterator[None]:
    """Say so where the other processes are gone."""
    try:
        yield
    except RuntimeError as error:
        raise _translated(error) from error


def _translated(error: RuntimeError) -> Exception:
    is_connection = isinstance(error, dist.DistError) or "gloo" in str(error).lower()
    return lost_peer_error(error) if is_connection else error
