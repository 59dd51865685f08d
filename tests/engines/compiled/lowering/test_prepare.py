"""Tasks of one phase run at once: none may read what another of them writes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from goldens.plans import TARGETS, purposes

import pellucid as pl
from pellucid.engines.compiled.lowering.context import Options
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.engines.compiled.program.program_ir import BufferRef

NETWORKS = ("mnist-keras", "mnist-torch", "resnet20", "resnet18", "mobilenet-v2")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_shared_buffer_is_prepared_before_it_is_read(name: str, target: str) -> None:
    network, seen = pl.zoo(name), 0
    for options in (Options(), Options(winograd=False)):
        for purpose in purposes("cross_entropy").values():
            parameters = parameters_of(network, TARGETS[target], options)
            low = lower_network(
                network, parameters, TARGETS[target], options=options, purpose=purpose
            )
            ready: set[str] = set()
            for phase in (phase for phase in low.phases if phase.prepares):
                tasks = [
                    {
                        argument.buffer.name
                        for step in task.steps
                        for argument in step.arguments
                        if isinstance(argument, BufferRef)
                        and argument.buffer.scope == "shared"
                    }
                    - ready
                    for task in phase.tasks
                ]
                together = Counter(name for names in tasks for name in names)
                assert [n for n, count in together.items() if count > 1] == []
                ready.update(together)
                seen += len(tasks)
    assert seen


def test_the_first_prediction_of_new_weights_is_that_of_one_worker() -> None:
    network = pl.Sequential(
        pl.Input(13, 13, 32),
        pl.Conv2D(64, kernel_size=3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(4),
    )
    images = np.random.default_rng(0).standard_normal((8, 13, 13, 32)).astype("f4")
    models = {
        threads: pl.Model(
            network, engine=pl.engines.compiled(winograd=False, threads=threads)
        )
        for threads in (1, 2)
    }
    for seed in range(30):
        weights = network.initial_weights(seed)
        found = []
        for model in models.values():
            model.load_weights(weights)
            found.append(model.activations(images)["conv2d"])
        np.testing.assert_allclose(found[1], found[0], atol=1e-5)
