"""Kernels that the zoo's networks run on, and how often: one line for each plan.

Run as a program, it records them anew: after a change that is meant to choose others.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from goldens.plans import TARGETS

import pellucid as pl
from pellucid.engines.compiled.lowering.context import (
    LoweringContext,
    Options,
    Purpose,
)
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.network import ZOO
from pellucid.network.architectures import ARCHITECTURES
from pellucid.objectives import Adam, as_loss

FILE = Path(__file__).with_name("kernels.json")
NAMES = (*ZOO, *sorted(ARCHITECTURES))


def purposes(network: pl.Network) -> dict[str, Purpose]:
    is_classes = len(network.outputs) == 1 and len(network.output_shape) == 1
    loss = as_loss("cross_entropy" if is_classes else "mse")
    return {
        "predict": Purpose("predict", is_training=False),
        "train": Purpose("train", is_training=True, loss=loss, optimizer=Adam(1e-3)),
    }


def names(
    zoo: Iterable[str] = NAMES, targets: Iterable[str] = TARGETS
) -> Iterator[tuple[str, str]]:
    """Give (plan, kernels with the number of their calls) of networks and targets."""
    for name in zoo:
        network, options = pl.zoo(name), Options()
        for key in targets:
            target = TARGETS[key]
            parameters = parameters_of(network, target, options)
            for title, purpose in purposes(network).items():
                low = lower_network(
                    network, parameters, target, options=options, purpose=purpose
                )
                yield f"{name} {title} {key}", _line(low)


def _line(low: LoweringContext) -> str:
    calls = Counter(step.kernel.name for phase in low.phases for step in phase.steps())
    return " ".join(f"{kernel}:{n}" for kernel, n in sorted(calls.items()))


if __name__ == "__main__":
    FILE.write_text(json.dumps(dict(names()), indent=1) + "\n")
