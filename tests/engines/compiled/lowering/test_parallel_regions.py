"""What may share a phase: nothing that one task writes for all."""

from __future__ import annotations

import pytest

from pellucid.engines.compiled.codegen import cpu
from pellucid.engines.compiled.kernels.norm.batch_norm_fold import norm_fold
from pellucid.engines.compiled.lowering.context import Options, Purpose
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.engines.compiled.program.program_ir import BufferRef
from pellucid.network import Network, layers

PULL = Purpose("vjp", is_training=True)
CASES = {
    "pixels": lambda: [layers.Conv2D(6, kernel_size=3), layers.BatchNorm()],
    "features": lambda: [layers.Flatten(), layers.Dense(6), layers.BatchNorm()],
    "relu": lambda: [layers.BatchNorm(), layers.ReLU()],
    "winograd": lambda: [
        layers.Conv2D(16, kernel_size=3, padding=1),
        layers.BatchNorm(),
        layers.ReLU(),
        layers.Conv2D(16, kernel_size=3, padding=1),
        layers.BatchNorm(),
    ],
    "twice": lambda: [layers.BatchNorm(), layers.BatchNorm()],
}


def phases(parts, purpose=PULL):
    x = image = layers.Input(6, 6, 2)
    for part in parts:
        x = part(x)
    network = Network(inputs=image, outputs=x)
    options, target = Options(), cpu.target()
    parameters = parameters_of(network, target, options)
    return lower_network(
        network, parameters, target, options=options, purpose=purpose
    ).phases


def shared(step):
    """Return the buffers a step names of which all tasks see the same one."""
    places = (a for a in step.arguments if isinstance(a, BufferRef))
    return {at.buffer for at in places if at.buffer.scope == "shared"}


@pytest.mark.parametrize("case", CASES)
def test_tasks_that_prepare_weights_share_nothing_they_write(case):
    for purpose in (
        Purpose("vjp", is_training=True),
        Purpose("predict", is_training=False),
    ):
        for phase in phases(CASES[case](), purpose):
            if phase.prepares:
                named = [b for t in phase.tasks for s in t.steps for b in shared(s)]
                made = [b for b in named if b in written(phase)]
                assert len(made) == len(set(made)), [b.name for b in made]


def written(phase):
    """Return what a phase's tasks write: kernels name it after what they read."""
    last = {norm_fold: 2}
    steps = [s for task in phase.tasks for s in task.steps]
    places = [s.arguments[-last.get(s.kernel, 1) :] for s in steps]
    return {at.buffer for place in places for at in place}


@pytest.mark.parametrize("case", CASES)
def test_no_task_reads_what_the_first_task_of_its_phase_writes(case):
    for phase in phases(CASES[case]()):
        steps = [*phase.prologue, *phase.body]
        alone = {b for s in steps if s.is_first_only for b in shared(s)}
        others = {b for s in steps if not s.is_first_only for b in shared(s)}
        assert not alone & others, [b.name for b in alone & others]
