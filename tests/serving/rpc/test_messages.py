"""The protocol's messages: compiled from what is written, numbered as others do."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("grpc", reason="the extra [grpc] is not installed")

from pellucid.serving.rpc import compile_protocol, messages


def test_the_compiled_protocol_is_the_written_one() -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    assert (
        compile_protocol.compile_descriptors() == compile_protocol.COMPILED.read_bytes()
    )


def numbered(descriptor: Any) -> dict[str, Any]:
    """A message's fields by name, with number, type and whether there are many."""
    fields = {f.name: (f.number, f.type, f.is_repeated) for f in descriptor.fields}
    return {**fields, **{one.name: numbered(one) for one in descriptor.nested_types}}


def test_messages_are_numbered_as_triton_numbers_them() -> None:
    service = pytest.importorskip("tritonclient.grpc.service_pb2")
    theirs = service.DESCRIPTOR
    methods = theirs.services_by_name["GRPCInferenceService"].methods_by_name
    for name, kinds in messages.methods().items():
        their = methods[name]
        for ours, other in zip(
            kinds, (their.input_type, their.output_type), strict=True
        ):
            assert ours.DESCRIPTOR.full_name == other.full_name
            mine, known = numbered(ours.DESCRIPTOR), numbered(other)
            assert mine == {key: known[key] for key in mine}
