"""Write a network as a .pt2 file with `torch.export`, for any batch size."""

from __future__ import annotations

import io
import json
from typing import Any

from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.torch_module import build_module
from pellucid.runs import ModelFile

CARD = "pellucid_card.json"


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the archive. Images are (N, C, H, W)."""
    buffer = io.BytesIO()
    save(export_program(build_module(file), file.network.input_shape), buffer, file)
    return {name: buffer.getvalue()}


def export_program(module: Any, shape: tuple[int, ...]) -> Any:
    """Return an `ExportedProgram` of a module; shape is an example's, ours."""
    import torch

    first = (shape[2], *shape[:2]) if len(shape) == 3 else shape
    like = next(_tensors(module))
    example = torch.zeros(2, *first, dtype=like.dtype, device=like.device)
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    shapes[example] = {0: torch.export.Dim("batch")}
    return torch.export.export(module, (example,), dynamic_shapes=shapes)


def _tensors(module: Any) -> Any:
    import torch

    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            yield tensor
    yield torch.zeros(0)


def save(program: Any, buffer: io.BytesIO, file: ModelFile | None) -> None:
    """Write a program, and a model's card beside it."""
    import torch

    extra = {} if file is None else {CARD: json.dumps(ModelMetadata.of(file).to_json())}
    torch.export.save(program, buffer, extra_files=extra)
