"""Compile the protocol: open_inference.proto to open_inference.binpb.

Usage: python -m pellucid.serving.rpc.compile_protocol

It needs grpcio-tools; who serves needs the compiled file alone.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from pellucid.errors import MissingExtraError

SOURCE = Path(__file__).with_name("open_inference.proto")
COMPILED = SOURCE.with_suffix(".binpb")


def compile_descriptors() -> bytes:
    """Return the protocol's descriptors as bytes, a FileDescriptorSet.

    Raises
    ------
    MissingExtraError
        If grpcio-tools is not installed.
    """
    if importlib.util.find_spec("grpc_tools") is None:
        raise MissingExtraError(
            "compile: needs a package that is not installed; got no grpc_tools. Run: "
            "pip install grpcio-tools."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "protocol"
        place = f"--proto_path={SOURCE.parent}"
        arguments = [place, f"--descriptor_set_out={path}", SOURCE.name]
        # a process of its own: protoc does not live beside TensorFlow's protobuf
        command = [sys.executable, "-m", "grpc_tools.protoc", *arguments]
        if subprocess.run(command, check=False).returncode:
            raise ValueError(
                f"compile: {SOURCE.name} must be a protocol; got one that protoc "
                "refuses."
            )
        return path.read_bytes()


if __name__ == "__main__":
    COMPILED.write_bytes(compile_descriptors())
