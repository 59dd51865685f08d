"""The model on the bench: who waits for whom, and what a twin knows."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
from serving_models import small_model

import pellucid as pl
from pellucid.studio import SharedModel


def test_a_question_aside_holds_nobody_up() -> None:
    bench = SharedModel(small_model(), "pets")
    may_end = threading.Event()

    def slow(model: pl.Model) -> bool:
        del model
        return may_end.wait(20)

    async def scenario() -> None:
        aside = asyncio.create_task(bench.ask_aside(slow))
        name = await asyncio.wait_for(bench.ask(lambda model: model.network.name), 10)
        assert name == bench.model.network.name
        assert not aside.done()
        may_end.set()
        assert await aside

    asyncio.run(scenario())


def test_a_twin_has_the_weights_that_are_shown(images: Any) -> None:
    bench = SharedModel(small_model(0), "pets")

    def aside() -> Any:
        return asyncio.run(bench.ask_aside(lambda model: model.predict(images)))

    np.testing.assert_array_equal(aside(), small_model(0).predict(images))
    bench.learn(small_model(1).weights, steps=5)
    np.testing.assert_array_equal(aside(), small_model(1).predict(images))
    bench.show(small_model(2), "others")
    np.testing.assert_array_equal(aside(), small_model(2).predict(images))


def test_a_twin_runs_on_the_same_engine_and_apart() -> None:
    bench = SharedModel(small_model(), "pets")
    twin = asyncio.run(bench.ask_aside(lambda model: model))
    assert twin is not bench.model
    assert twin.engine.name == bench.model.engine.name
    assert twin.preprocessing == bench.model.preprocessing
    assert twin.classes == bench.model.classes
