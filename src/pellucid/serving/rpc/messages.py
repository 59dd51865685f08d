"""Protocol's messages, made from its compiled description.

They live in a pool of their own, for clients in the same process may bring messages
of the same names.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

from pellucid.serving.rpc.compile_protocol import COMPILED

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"


def _pool() -> descriptor_pool.DescriptorPool:
    files = descriptor_pb2.FileDescriptorSet.FromString(COMPILED.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


POOL = _pool()


def message(name: str) -> Any:
    """Return a message's class by its name."""
    found = POOL.FindMessageTypeByName(f"{PACKAGE}.{name}")
    return message_factory.GetMessageClass(found)


def methods() -> dict[str, tuple[Any, Any]]:
    """Return the service's methods: what each takes and gives."""
    service = POOL.FindServiceByName(SERVICE)
    return {
        method.name: (
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
        )
        for method in service.methods
    }
