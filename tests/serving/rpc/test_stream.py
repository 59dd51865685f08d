"""A stream of requests: run together, answered in order, ended with the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("grpc", reason="the extra [grpc] is not installed")

from pellucid.serving.rpc.stream import in_order


async def endless(count: int) -> AsyncIterator[int]:
    """Give some requests, then stay open."""
    for n in range(count):
        yield n
    await asyncio.Event().wait()


def test_requests_run_together_and_are_answered_in_order() -> None:
    async def scenario() -> None:
        everybody = asyncio.Barrier(3)

        async def answer(request: int) -> int:
            await everybody.wait()  # nobody goes on alone
            await asyncio.sleep(0.02 * (3 - request))  # the first is the slowest
            return request

        async def three() -> AsyncIterator[int]:
            for n in range(3):
                yield n

        found = [x async for x in in_order(three(), answer, asyncio.Event())]
        assert found == [0, 1, 2]

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_stream_that_stays_open_ends_when_the_server_stops() -> None:
    async def scenario() -> None:
        stopping, may_end = asyncio.Event(), asyncio.Event()

        async def answer(request: int) -> int:
            await may_end.wait()
            return request

        async def read() -> list[int]:
            return [x async for x in in_order(endless(5), answer, stopping)]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        stopping.set()
        await asyncio.sleep(0.05)
        assert not reading.done()  # what was taken is answered
        may_end.set()
        assert await reading == [0, 1, 2, 3, 4]

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_client_that_goes_leaves_nothing_running() -> None:
    async def scenario() -> None:
        async def answer(request: int) -> int:
            if request:
                await asyncio.Event().wait()
            return request

        async for _ in (stream := in_order(endless(200), answer, asyncio.Event())):
            break
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
