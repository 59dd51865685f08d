"""This file compiles the protocol: open_inference.proto to open_inference.binpb.

Usage: python -m pellucid.serving.rpc.compile_protocol

It needs grpcio-tools; who serves needs the compiled file alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pellucid.errors import MissingExtraError

SOURCE = Path(__file__).with_name("open_inference.proto")
COMPILED = SOURCE.with_suffix(".binpb")


def compiled() -> bytes:
    """Return the protocol's descriptors as bytes, a FileDescriptorSet.

    Raises
    ------
    MissingExtraError
        If grpcio-tools is not installed.
    """
    try:
        from grpc_tools import protoc
    except ImportError as error:
        raise MissingExtraError(
            f"compile: needs a package that cannot be imported; got {error}. Run: pip "
            "install grpcio-tools."
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "protocol"
        place = f"--proto_path={SOURCE.parent}"
        arguments = ["protoc", place, f"--descriptor_set_out={path}", SOURCE.name]
        if protoc.main(arguments):
            raise ValueError(
                f"compile: {SOURCE.name} must be a protocol; got one that protoc "
                "refuses."
            )
        return path.read_bytes()


if __name__ == "__main__":
    COMPILED.write_bytes(compiled())
