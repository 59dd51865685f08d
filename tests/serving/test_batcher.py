"""Requests that wait together run together; none is lost."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from pellucid.errors import EngineError
from pellucid.serving.batcher import Batcher
from pellucid.serving.errors import RequestError
from pellucid.serving.settings import Batching


class Machine:
    """Doubles its input; can be held up, and says what it was given."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.started = threading.Event()
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, images: Any) -> Any:
        self.started.set()
        assert self.may_go.wait(10)
        self.batches.append(len(images))
        if (images < 0).any():
            raise EngineError("a worker must be alive; got a dead one.")
        return 2 * images


def column(*values: float) -> Any:
    return np.array(values)[:, None]


async def held_up(machine: Machine, batcher: Batcher) -> asyncio.Task[Any]:
    """Start one image, and return when the machine has it and stands still."""
    machine.may_go.clear()
    first = asyncio.ensure_future(batcher.submit(column(1), 10))
    await asyncio.to_thread(machine.started.wait, 10)
    return first


def test_what_waits_runs_at_once_and_each_gets_its_own() -> None:
    async def scenario() -> None:
        machine = Machine()
        batcher = Batcher(machine, Batching(size=8))
        first = await held_up(machine, batcher)
        others = [
            asyncio.ensure_future(batcher.submit(column(*range(i, 2 * i)), 10))
            for i in (2, 3, 4)
        ]
        await asyncio.sleep(0)
        assert batcher.waiting == 10
        machine.may_go.set()
        assert (await first).tolist() == [[2]]
        for i, other in zip((2, 3, 4), others, strict=True):
            assert (await other)[:, 0].tolist() == [2 * n for n in range(i, 2 * i)]
        # 2 and 3 fit into 8, 4 does not any more
        assert machine.batches == [1, 5, 4]
        assert batcher.waiting == 0
        await batcher.close()

    asyncio.run(scenario())


def test_a_delay_gathers_what_comes_within_it() -> None:
    async def scenario() -> None:
        machine = Machine()
        batcher = Batcher(machine, Batching(size=3, delay_s=5))
        jobs = [batcher.submit(column(i), 10) for i in range(3)]
        await asyncio.wait_for(asyncio.gather(*jobs), 4)  # full: no need to wait
        assert machine.batches == [3]
        await batcher.close()

    asyncio.run(scenario())


def test_too_many_are_refused_with_429() -> None:
    async def scenario() -> None:
        machine = Machine()
        batcher = Batcher(machine, Batching(queue=2))
        first = await held_up(machine, batcher)
        with pytest.raises(RequestError, match="at most 2 images must wait; got 1"):
            await batcher.submit(column(1, 2), 10)
        second = asyncio.ensure_future(batcher.submit(column(2), 10))
        await asyncio.sleep(0)
        with pytest.raises(RequestError) as refused:
            await batcher.submit(column(3), 10)
        assert refused.value.status == 429
        assert refused.value.headers == {"retry-after": "1"}
        machine.may_go.set()
        assert (await first, await second) == (column(2), column(4))
        await batcher.close()

    asyncio.run(scenario())


def test_who_waits_too_long_is_told_and_not_run() -> None:
    async def scenario() -> None:
        machine = Machine()
        batcher = Batcher(machine, Batching())
        first = await held_up(machine, batcher)
        with pytest.raises(
            RequestError, match=r"within 0\.01 s; got no answer"
        ) as late:
            await batcher.submit(column(2), 0.01)
        assert late.value.status == 504
        machine.may_go.set()
        await first
        await batcher.close()
        assert machine.batches == [1]

    asyncio.run(scenario())


def test_an_error_reaches_those_of_its_batch_alone() -> None:
    async def scenario() -> None:
        batcher = Batcher(Machine(), Batching(size=1))
        jobs = [batcher.submit(column(x), 10) for x in (1, -1, 3)]
        good, bad, other = await asyncio.gather(*jobs, return_exceptions=True)
        assert isinstance(bad, EngineError)
        assert (good, other) == (column(2), column(6))
        await batcher.close()

    asyncio.run(scenario())


def test_close_answers_what_was_taken_and_takes_no_more() -> None:
    async def scenario() -> None:
        machine = Machine()
        batcher = Batcher(machine, Batching(size=2))
        first = await held_up(machine, batcher)
        more = [asyncio.ensure_future(batcher.submit(column(i), 10)) for i in range(5)]
        await asyncio.sleep(0)
        ending = asyncio.ensure_future(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="got it unloading"):
            await batcher.submit(column(1), 10)
        machine.may_go.set()
        await ending
        assert (await first) == column(2)
        assert [float((await m)[0, 0]) for m in more] == [0, 2, 4, 6, 8]

    asyncio.run(scenario())
