"""Write a network as an ExecuTorch program, a .pte file.

What XNNPACK computes is handed to it; the rest runs on ExecuTorch's portable kernels.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange.errors import export_error
from pellucid.exchange.torch_module import build_examples, build_module
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the program: one example a call, images (1, C, H, W).

    Raises
    ------
    ExchangeError
        If ExecuTorch does not take the network.
    """
    import torch

    module, examples = build_module(file), build_examples(file.network, batch=1)
    with _silence(), torch.no_grad():
        try:
            program = _lower_program(torch.export.export(module, examples))
        except ExchangeError:
            raise
        except Exception as error:  # its passes raise what they like
            reason = " ".join(str(error).split())[:200]
            raise export_error("ExecuTorch", file.network.name, reason) from error
    return {name: program}


def _lower_program(exported: Any) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
        XnnpackPartitioner,
    )
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    return bytes(edge.to_executorch().buffer)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep ExecuTorch's log and warnings off people's terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
