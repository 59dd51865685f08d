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
from pellucid.objectives import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    Optimizer,
    RMSprop,
    update_factors,
)

#: key of a group: what the step's rate is multiplied by
RATE_FACTOR = "rate_factor"
#: slot → key in the state of `torch.optim`
SLOTS = {
    "velocity": "momentum_buffer",
    "mean_square": "square_avg",
    "square_sum": "sum",
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


def _nadam(groups: Any, o: NAdam, fused: bool) -> torch.optim.Optimizer:
    del fused  # there is no fused one
    betas, decay = (o.beta1, o.beta2), o.momentum_decay
    return torch.optim.NAdam(groups, betas=betas, eps=o.epsilon, momentum_decay=decay)


def _adagrad(groups: Any, o: Adagrad, fused: bool) -> torch.optim.Optimizer:
    del fused  # on processors only
    return torch.optim.Adagrad(groups, eps=o.epsilon)


_BUILDERS: dict[type[Optimizer], Callable[[Any, Any, bool], torch.optim.Optimizer]] = {
    SGD: _sgd,
    RMSprop: _rmsprop,
    Adam: _adam,
    AdamW: _adam,
    NAdam: _nadam,
    Adagrad: _adagrad,
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
    del network  # names say it all
    # every group is an update of its own: of weights that are updated alike, one
    alike: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        alike.setdefault(update_factors(optimizer, name), []).append(parameter)
    groups = [
        {"params": members, "weight_decay": decay, RATE_FACTOR: factor}
        for (factor, decay), members in alike.items()
    ]
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
    if isinstance(native, torch.optim.NAdam):
        product = _momentum_product(native, step)
        state["mu_product"] = torch.tensor(product, dtype=torch.float64)
    native.state[parameter] = state


def _momentum_product(native: torch.optim.NAdam, step: int) -> float:
    beta1, decay = native.defaults["betas"][0], native.defaults["momentum_decay"]
    ours = NAdam(beta1=beta1, momentum_decay=decay)
    return ours.momentum_products(step)[-1] if step else 1.0


def clip(gradients: Sequence[Tensor], clip_norm: float) -> None:
    """Scale gradients in place so that their common norm is at most clip_norm.

    `clip_grad_norm_` adds 1e-6 to the norm; the canonical rule does not.
    """
    norm = nn.utils.get_total_norm(gradients)
    scale = torch.where(norm > clip_norm, clip_norm / norm, torch.ones_like(norm))
    torch._foreach_mul_(list(gradients), scale)
