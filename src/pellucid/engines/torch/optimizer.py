"""Optimizers: `torch.optim`, set up so that updates are canonical.

PyTorch's SGD (velocity free of the rate), Adam and AdamW (epsilon beside the
corrected root) and RMSprop (epsilon outside the root) compute the canonical updates
as they are. What it would do otherwise: decay biases and norms too (hence two groups),
and clip with 1e-6 added to the norm (hence our own `clip`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.network import Network
from pellucid.objectives import SGD, Adam, AdamW, Optimizer, RMSprop

#: slot → key in the state of `torch.optim`
SLOTS = {
    "velocity": "momentum_buffer",
    "mean_square": "square_avg",
    "first_moment": "exp_avg",
    "second_moment": "exp_avg_sq",
}


def _sgd(groups: Any, o: SGD, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        groups, momentum=o.momentum, nesterov=o.nesterov, fused=fused
    )


def _rmsprop(groups: Any, o: RMSprop, fused: bool) -> torch.optim.Optimizer:
    del fused  # there is no fused one
    return torch.optim.RMSprop(groups, alpha=o.rho, eps=o.epsilon)


def _adam(groups: Any, o: Adam, fused: bool) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if isinstance(o, AdamW) else torch.optim.Adam
    return kind(groups, betas=(o.beta1, o.beta2), eps=o.epsilon, fused=fused)


_BUILDERS: dict[type[Optimizer], Callable[[Any, Any, bool], torch.optim.Optimizer]] = {
    SGD: _sgd,
    RMSprop: _rmsprop,
    Adam: _adam,
    AdamW: _adam,
}


def make_optimizer(
    optimizer: Optimizer, network: Network, parameters: Mapping[str, nn.Parameter]
) -> torch.optim.Optimizer:
    """Return the optimizer of PyTorch that computes the canonical update.

    Parameters
    ----------
    optimizer : Optimizer
    network : Network
    parameters : mapping of weight name to Parameter
        Those that train.
    """
    decay: float = getattr(optimizer, "weight_decay", 0.0)
    # every group is an update of its own: where nothing decays, one is enough
    decays = {weight.name for weight in network.parameters if decay and weight.decays}
    groups = [
        {
            "params": [p for name, p in parameters.items() if (name in decays) is yes],
            "weight_decay": decay if yes else 0.0,
        }
        for yes in (True, False)
    ]
    groups = [group for group in groups if group["params"]]
    devices = {p.device.type for p in parameters.values()}
    return _BUILDERS[type(optimizer)](groups, optimizer, devices <= {"cpu", "cuda"})


def fill_slots(
    native: torch.optim.Optimizer,
    parameter: nn.Parameter,
    slots: Mapping[str, Tensor],
    *,
    step: int,
) -> None:
    """Set what a parameter's slots hold; they take on its memory format."""
    state: dict[str, Tensor] = {}
    for slot, value in slots.items():
        state[SLOTS[slot]] = torch.zeros_like(parameter.detach()).copy_(value)
    if not isinstance(native, torch.optim.SGD):
        state["step"] = torch.tensor(float(step))
    native.state[parameter] = state


def clip(gradients: Sequence[Tensor], clip_norm: float) -> None:
    """Scale gradients in place so that their common norm is at most clip_norm.

    `clip_grad_norm_` adds 1e-6 to the norm; the canonical rule does not.
    """
    norm = nn.utils.get_total_norm(gradients)
    scale = torch.where(norm > clip_norm, clip_norm / norm, torch.ones_like(norm))
    torch._foreach_mul_(list(gradients), scale)
