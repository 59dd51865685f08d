"""This file is what may share a phase: nothing that one task writes for all."""

from __future__ import annotations

import pytest

from pellucid.engines.compiled import cpu
from pellucid.engines.compiled.plan.lower import lowered, parameters_of
from pellucid.engines.compiled.plan.lowering import Options, Purpose
from pellucid.engines.compiled.plan.steps import At
from pellucid.network import Network, layers

CASES = {
    "pixels": lambda: [layers.Conv2D(6, kernel_size=3), layers.BatchNorm()],
    "features": lambda: [layers.Flatten(), layers.Dense(6), layers.BatchNorm()],
    "relu": lambda: [layers.BatchNorm(), layers.ReLU()],
    "twice": lambda: [layers.BatchNorm(), layers.BatchNorm()],
}


def phases(parts):
    x = image = layers.Input(6, 6, 2)
    for part in parts:
        x = part(x)
    network = Network(inputs=image, outputs=x)
    options, target = Options(), cpu.target()
    parameters = parameters_of(network, target, options)
    purpose = Purpose("pull", is_training=True)
    return lowered(network, parameters, target, options=options, purpose=purpose).phases


def shared(step):
    """Return the buffers a step names of which all tasks see the same one."""
    places = (a for a in step.arguments if isinstance(a, At))
    return {at.buffer for at in places if at.buffer.scope == "shared"}


@pytest.mark.parametrize("case", CASES)
def test_no_task_reads_what_the_first_task_of_its_phase_writes(case):
    for phase in phases(CASES[case]()):
        steps = [*phase.prologue, *phase.body]
        alone = {b for s in steps if s.is_first_only for b in shared(s)}
        others = {b for s in steps if not s.is_first_only for b in shared(s)}
        assert not alone & others, [b.name for b in alone & others]
