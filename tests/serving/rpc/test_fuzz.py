"""Mutated messages of every call: refused with a code of the client's fault."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from serving_models import small_model

from pellucid.serving import Log, Settings, Source, create_app

grpc = pytest.importorskip("grpc")
listening = pytest.importorskip("pellucid.serving.rpc.grpc_server")
messages = pytest.importorskip("pellucid.serving.rpc.messages")

SHAPES = ([1, 8, 8, 1], [], [-1], [2**62] * 8, [1] * 100, [1], [2**40], [0, 8, 8, 1])
OURS = ("INTERNAL", "UNKNOWN")


def drawn(chance: random.Random) -> bytes:
    """Return an inference request, more or less."""
    request = messages.message("ModelInferRequest")(
        model_name=chance.choice(["pets", "pets", "²", ""]),
        model_version=chance.choice(["", "1", "²", "1" * 30]),
    )
    kinds = ["FP32", "FP64", "UINT8", "BYTES", "FP16", "X"]
    entry = request.inputs.add(name="input", datatype=chance.choice(kinds))
    entry.shape.extend(chance.choice(SHAPES))
    if chance.random() < 0.4:
        entry.contents.fp32_contents.extend([chance.choice([0, 1e38, 1e-9])] * 64)
    elif chance.random() < 0.5:
        entry.contents.uint_contents.extend([chance.choice([3, 256, 2**32 - 1])] * 64)
    if chance.random() < 0.4:
        request.raw_input_contents.append(chance.randbytes(chance.choice([0, 64, 256])))
    if chance.random() < 0.4:
        wanted = request.outputs.add(name="dense")
        wanted.parameters["classification"].int64_param = chance.choice([1, -1, 2**62])
    content = bytearray(request.SerializeToString())
    if chance.random() < 0.3:
        content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


async def _ask(count: int) -> list[tuple[str, str]]:
    settings = Settings(grpc_port=0)
    sources = [Source(name="pets", origin=small_model())]
    state = create_app(sources, settings=settings, log=Log("none")).state
    await state.start()
    task: Any = await listening.start(state)
    chance, codes = random.Random(4), []
    async with grpc.aio.insecure_channel(state.grpc_address) as channel:
        for _ in range(count):
            name = chance.choice(["ModelInfer"] * 5 + sorted(messages.methods()))
            call = channel.unary_unary(f"/{messages.SERVICE}/{name}")
            if name in ("RepositoryModelUnload", "ModelStreamInfer"):
                continue
            junk = chance.randbytes(chance.randint(0, 9))
            try:
                await call(drawn(chance) if name == "ModelInfer" else junk, timeout=30)
            except grpc.aio.AioRpcError as error:
                codes.append((error.code().name, str(error.details())))
    state.stopping.set()
    await task
    await state.stop()
    return codes


@pytest.mark.filterwarnings("ignore:Model. float images:UserWarning")
def test_no_mutated_message_brings_the_server_down() -> None:
    refused = asyncio.run(_ask(250))
    assert {"INVALID_ARGUMENT", "NOT_FOUND"} <= {code for code, _ in refused}
    for code, sentence in refused:
        assert code not in OURS, sentence
        assert " must " in sentence
