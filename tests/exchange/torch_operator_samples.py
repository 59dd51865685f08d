"""PyTorch's own samples of its operators, run on what pellucid reads from them.

``python torch_operator_samples.py [NAME …]`` prints, for each operator that is read,
how many of its samples passed, were refused or failed, and why.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pellucid.errors import PellucidError
from pellucid.exchange.pt2.archive import load_archive
from pellucid.exchange.pt2.operators import READERS
from pellucid.exchange.pt2.read import Graph
from pellucid.model import from_file

ENGINES = ("numpy", "compiled")
_TOLERANCE = 1e-5  # of the largest output


@dataclass(frozen=True)
class Verdict:
    """How a sample went: passed, refused or failed, and why."""

    outcome: str
    reason: str = ""


class Applied(torch.nn.Module):
    """An operator with all its arguments but the tensors that are inputs."""

    def __init__(self, operator: Any, sample: Any, entries: set[int]) -> None:
        super().__init__()
        given = (sample.input, sample.args, sample.kwargs)
        self.leaves, self.spec = torch.utils._pytree.tree_flatten(given)
        self.operator, self.entries = operator, entries
        for i, leaf in enumerate(self.leaves):
            if isinstance(leaf, torch.Tensor) and i not in entries:
                self.register_buffer(f"given{i}", leaf.clone())

    def forward(self, *inputs: torch.Tensor) -> Any:
        values, leaves = iter(inputs), list(self.leaves)
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, torch.Tensor):
                leaves[i] = (
                    next(values) if i in self.entries else getattr(self, f"given{i}")
                )
        x, args, kwargs = torch.utils._pytree.tree_unflatten(leaves, self.spec)
        return self.operator(x, *args, **kwargs)


@cache
def operators() -> dict[str, Any]:
    """Return PyTorch's records of operators that are read, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db

    return {
        f"{info.name}.{info.variant_test_name}".rstrip("."): info
        for info in op_db
        if info.name.rpartition(".")[2] in READERS
    }


def samples(name: str) -> Iterator[Any]:
    """Yield the samples of an operator whose input is a batch of float32."""
    for sample in operators()[name].sample_inputs("cpu", torch.float32):
        x = sample.input
        is_batch = isinstance(x, torch.Tensor) and x.ndim > 1 and x.numel()
        if is_batch and x.dtype == torch.float32:
            yield sample


def verdict(name: str, sample: Any) -> Verdict:
    """Read a sample with its other tensors as constants, else as inputs, and run it."""
    operator = operators()[name].op
    given = (sample.input, sample.args, sample.kwargs)
    leaves = torch.utils._pytree.tree_leaves(given)
    tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    found = Verdict("refused")
    for entries in ([tensors[0]], tensors):
        inputs = [leaves[i].detach().clone() for i in entries]
        found = _run(Applied(operator, sample, set(entries)), inputs)
        if found.outcome != "refused":
            break
    return found


def _run(module: Any, inputs: list[torch.Tensor]) -> Verdict:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = module(*(x.clone() for x in inputs))
            program = torch.export.export(module, tuple(x.clone() for x in inputs))
        except Exception as error:  # noqa: BLE001 - of what PyTorch itself refuses
            return Verdict("refused", f"torch.export: {str(error)[:200]}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sample.pt2"
            try:
                torch.export.save(program, path)
                graph = Graph(load_archive(path))
                file = graph.file("sample")
            except (PellucidError, NotImplementedError) as error:
                return Verdict("refused", str(error))
    expected = torch.utils._pytree.tree_leaves(made)
    x = {name: y.numpy() for name, y in zip(graph.entries, inputs, strict=True)}
    for engine in ENGINES:
        images = graph.ports.images(file, x)
        outputs = from_file(file, engine=engine).predict(images)
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        for y, end, wanted in zip(several, graph.outputs, expected, strict=True):
            problem = _difference(end.to_foreign(y), wanted.float().numpy())
            if problem:
                return Verdict("failed", f"{engine}: {problem}")
    return Verdict("passed")


def _difference(found: Any, wanted: Any) -> str:
    """Return in words how two arrays differ; nothing where they agree."""
    if found.shape != wanted.shape:
        return f"shape {found.shape} for {wanted.shape}"
    finite = np.isfinite(wanted)
    if not np.array_equal(found[~finite], wanted[~finite], equal_nan=True):
        return "infinities, or what is no number, elsewhere"
    apart = np.abs(found - wanted, where=finite, out=np.zeros_like(wanted)).max()
    scale = np.abs(wanted, where=finite, out=np.zeros_like(wanted)).max()
    return f"{apart:.1e} of {scale:.1e}" if apart > _TOLERANCE * scale + 1e-8 else ""


def _main(names: list[str]) -> int:
    total: Counter[str] = Counter()
    for name in names or sorted(operators()):
        verdicts = [verdict(name, sample) for sample in samples(name)]
        counts = Counter(one.outcome for one in verdicts)
        total += counts
        print(f"{name}: {dict(counts)}", flush=True)
        for reason in {v.reason for v in verdicts if v.outcome != "passed"}:
            print(f"    {reason[:200]}")
    print(dict(total))
    return int(total["failed"] > 0)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
