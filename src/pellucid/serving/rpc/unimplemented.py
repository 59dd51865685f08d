"""Unimplemented calls of Triton's protocol, with reasons."""

from __future__ import annotations

from typing import Any

import grpc

from pellucid.renamed import former_names
from pellucid.serving.rpc.messages import SERVICE

_MEMORY = "another process's memory is never read, so that no request reaches it"
_REASONS = {
    "SystemSharedMemoryStatus": _MEMORY,
    "SystemSharedMemoryRegister": _MEMORY,
    "SystemSharedMemoryUnregister": _MEMORY,
    "CudaSharedMemoryStatus": _MEMORY,
    "CudaSharedMemoryRegister": _MEMORY,
    "CudaSharedMemoryUnregister": _MEMORY,
    "TraceSetting": "there are no traces; times are in the statistics and at /metrics",
    "LogSettings": "how much is logged is said at the start, with --log",
}


class UnimplementedMethods(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Say UNIMPLEMENTED, with the reason, where others would answer."""

    def service(self, handler_call_details: Any) -> Any:
        """Return who refuses a call; None for a call of another service."""
        service, _, name = handler_call_details.method.strip("/").partition("/")
        if service != SERVICE:
            return None
        reason = _REASONS.get(name, "the protocol as it is known here has no such call")

        async def refuse(request: Any, context: Any) -> None:
            del request
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"serve: the call must be one that is answered; got {name[:80]!r}: "
                f"{reason}.",
            )

        return grpc.unary_unary_rpc_method_handler(refuse)


__getattr__ = former_names(__name__, {"Absent": "UnimplementedMethods"})
