"""Program that reads HDF5 on stdin and writes its arrays and texts to stdout.

The HDF5 library can be made to crash by damaged files. So it reads them in a process
that has nothing to lose, and that imports nothing of pellucid.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

RATIO = 200  # how often larger than the file its numbers may be
DEPTH, OBJECTS = 16, 100_000
MEMORY_BYTES = 4 * 2**30  # of address space, beside three times the file


class _Walk:
    """What is found: arrays, attributes, and what is wrong, each by its path."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.arrays: dict[str, Any] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.problems: dict[str, str] = {}
        self.count = 0

    def visit(self, group: Any, path: str, depth: int) -> None:
        """Take a group's attributes and all that hangs on it."""
        import h5py

        self.attributes[path] = {k: _plain(v) for k, v in group.attrs.items()}
        for name in group:
            self.count += 1
            inner = f"{path}/{name}" if path else str(name)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                self.problems[inner] = "a link"
            elif self.count > OBJECTS or depth > DEPTH:
                self.problems[inner] = "too many objects"
            elif isinstance(group[name], h5py.Group):
                self.visit(group[name], inner, depth + 1)
            else:
                self.take(group[name], inner)

    def take(self, dataset: Any, path: str) -> None:
        """Take a dataset's numbers, if they are floats, not too many, and here."""
        import numpy as np

        if dataset.is_virtual or dataset.external:
            self.problems[path] = "numbers in another file"
        elif dataset.dtype.kind != "f":
            self.problems[path] = f"numbers of type {dataset.dtype}"
        elif dataset.nbytes > self.left:
            self.problems[path] = f"{dataset.nbytes} bytes"
        else:
            self.left -= dataset.nbytes
            self.arrays[path] = np.asarray(dataset[()])


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _limit_memory(size: int) -> None:
    """Let a damaged file run into a wall instead of the machine."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def main() -> int:
    """Read stdin, write an .npz to stdout."""
    import h5py
    import numpy as np

    content = sys.stdin.buffer.read()
    _limit_memory(MEMORY_BYTES + 3 * len(content))
    walk = _Walk(RATIO * len(content))
    with h5py.File(io.BytesIO(content), "r") as store:
        walk.visit(store, "", 0)
    index = {
        "paths": list(walk.arrays),
        "attributes": walk.attributes,
        "problems": walk.problems,
    }
    arrays = {str(i): array for i, array in enumerate(walk.arrays.values())}
    text = np.frombuffer(json.dumps(index).encode(), np.uint8)
    np.savez(sys.stdout.buffer, index=text, **arrays)
    return 0


if __name__ == "__main__":
    sys.exit(main())
