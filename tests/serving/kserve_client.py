"""Asks a server as KServe's client does; it runs where kserve is installed.

Usage: kserve_client.py HTTP_ADDRESS GRPC_ADDRESS

It prints what each way of asking gave, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)

IMAGES = np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 8, 8, 1)


def asked(*, is_binary: bool) -> InferRequest:
    """A request with numbers as bytes, or one by one."""
    given = InferInput("input", list(IMAGES.shape), "FP32")
    given.set_data_from_numpy(IMAGES, binary_data=is_binary)
    return InferRequest("pets", [given], request_id="seven")


def numbers(response: Any) -> list[list[float]]:
    """The output's numbers."""
    assert response.id == "seven"
    found: list[list[float]] = response.outputs[0].as_numpy().tolist()
    return found


async def by_rest(url: str) -> dict[str, Any]:
    """Every question of the REST client."""
    second = InferenceRESTClient(RESTConfig(protocol="v2", retries=1))
    first = InferenceRESTClient(RESTConfig(protocol="v1", retries=1))
    found: dict[str, Any] = {
        "live": await second.is_server_live(url),
        "ready": await second.is_server_ready(url),
        "model ready": await second.is_model_ready(url, "pets"),
    }
    for kind in (False, True):
        answer = await second.infer(url, asked(is_binary=kind), model_name="pets")
        found["binary" if kind else "json"] = numbers(answer)
    instances = {"instances": IMAGES.tolist()}
    answer = await first.infer(url, instances, model_name="pets")
    found["v1"] = answer["predictions"]
    try:
        await second.infer(url, asked(is_binary=True), model_name="nobody")
    except httpx.HTTPStatusError as error:
        found["refusal"] = str(error)
    return found


async def by_grpc(address: str) -> dict[str, Any]:
    """Every question of the gRPC client."""
    client = InferenceGRPCClient(address, retries=2)
    found: dict[str, Any] = {
        "live": await client.is_server_live(),
        "ready": await client.is_server_ready(),
        "model ready": await client.is_model_ready("pets"),
    }
    for kind in (False, True):
        request = asked(is_binary=kind)
        found["binary" if kind else "typed"] = numbers(await client.infer(request))
    request = asked(is_binary=True)
    request.model_name = "nobody"
    try:
        await client.infer(request)
    except Exception as error:  # noqa: BLE001 - its kind is the client's affair
        found["refusal"] = str(error)
    await client.close()
    return found


async def main(url: str, address: str) -> None:
    """Ask both ways and print."""
    print(json.dumps({"rest": await by_rest(url), "grpc": await by_grpc(address)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
