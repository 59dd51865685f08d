"""Write a network as a .pt2 file with `torch.export`, for any batch size."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.torch_module import build_module
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile

CARD = "pellucid_card.json"


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the archive. Images are (N, C, H, W)."""
    buffer = io.BytesIO()
    shapes = [file.network.shapes[name] for name in file.network.inputs]
    save(export_program(build_module(file), shapes), buffer, file)
    return {name: buffer.getvalue()}


def export_program(module: Any, shapes: Sequence[Shape]) -> Any:
    """Return an `ExportedProgram` of a module; shapes are those of its inputs, ours."""
    import torch

    like, batch = next(_tensors(module)), torch.export.Dim("batch")
    free: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    examples = []
    for shape in shapes:
        first = (shape[2], *shape[:2]) if len(shape) == 3 else shape
        example = torch.zeros(2, *first, dtype=like.dtype, device=like.device)
        free[example] = {0: batch}
        examples.append(example)
    return torch.export.export(module, tuple(examples), dynamic_shapes=free)


def _tensors(module: Any) -> Any:
    import torch

    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            yield tensor
    yield torch.zeros(0)


def save(program: Any, buffer: io.BytesIO, file: ModelFile | None) -> None:
    """Write a program, and a model's card beside it."""
    import torch

    extra = {} if file is None else {CARD: json.dumps(ModelMetadata.named(file))}
    torch.export.save(program, buffer, extra_files=extra)
