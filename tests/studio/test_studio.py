"""Trainings that are begun, stopped and ended at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from serving_models import small_model

from pellucid.errors import PellucidError
from pellucid.serving import Log, RequestError, create_app
from pellucid.studio import SharedModel, Studio
from pellucid.studio.live_training import LiveTraining, TrainingRequest

WISH = TrainingRequest(
    network="xor-one-hidden",
    data="xor",
    engines=["numpy"],
    optimizer="sgd",
    epochs=1000,
    images=4,
    batch_size=1,
)


def made() -> Studio:
    app = create_app([], bench=SharedModel(small_model(), "x"), log=Log("none"))
    studio: Studio = app.studio
    return studio


def alive() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "lesson"]


def test_of_trainings_begun_at_once_one_goes_on_and_stop_stops_it() -> None:
    async def work() -> None:
        studio = made()
        await asyncio.gather(*(studio.begin(WISH) for _ in range(5)))
        assert studio.count == 5
        assert len(alive()) <= 1
        # stop comes while another is about to begin: that one is meant
        await asyncio.gather(studio.begin(WISH), studio.stop())
        assert alive() == []
        await asyncio.gather(*(studio.begin(WISH) for _ in range(3)))
        await asyncio.to_thread(studio.end)
        assert alive() == []
        with pytest.raises(RequestError, match="before the server stops"):
            await studio.begin(WISH)
        assert alive() == []

    asyncio.run(work())


def test_a_wish_that_does_not_fit_ends_nothing() -> None:
    async def work() -> None:
        studio = made()
        await studio.begin(WISH)
        lesson = studio.current()
        with pytest.raises(PellucidError, match="network must be one of"):
            await studio.begin(WISH.model_copy(update={"network": "x"}))
        assert studio.current() is lesson
        assert not lesson.gate._is_ending
        await studio.stop()

    asyncio.run(work())


def test_a_thread_that_cannot_start_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start
    begun: list[Any] = []

    def fail_later(thread: threading.Thread) -> None:
        if thread.name == "lesson":
            begun.append(thread)
            if len(begun) == 2:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail_later)
    two = WISH.model_copy(update={"engines": ["numpy", "numpy"]})
    with pytest.raises(RuntimeError, match="can't start new thread"):
        LiveTraining(two, SharedModel(small_model(), "x"), two.recipe())
    assert len(begun) == 2
    assert alive() == []


def test_a_network_that_a_few_bytes_make_huge_is_not_trained() -> None:
    network = {
        "schema_version": 1,
        "name": "x",
        "nodes": [
            {"name": "input", "layer": "Input", "inputs": [], "shape": [2]},
            {"name": "d", "layer": "Dense", "inputs": ["input"], "units": 10**9},
        ],
        "outputs": ["d"],
    }
    wish = WISH.model_copy(update={"network": network})
    with pytest.raises(PellucidError, match="must have at most 134,217,728 parameters"):
        wish.recipe()
