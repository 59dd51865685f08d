"""Write a network as TorchScript, for programs that still load it.

PyTorch calls TorchScript deprecated; `pt2` is what it says to take instead.
"""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.torch_module import build_examples, build_module
from pellucid.runs import ModelFile

CARD = "pellucid_card.json"


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the archive. Images are (N, C, H, W), any batch size."""
    import torch

    module, examples = build_module(file), build_examples(file.network, batch=2)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # its deprecation is said in the docs
        trace: Any = torch.jit.trace
        traced = trace(module, examples, check_trace=False)
        extra = {CARD: json.dumps(ModelMetadata.of(file).to_json())}
        torch.jit.save(traced, buffer, _extra_files=extra)
    return {name: buffer.getvalue()}
