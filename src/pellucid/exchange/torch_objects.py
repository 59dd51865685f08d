"""Read PyTorch objects: export them and read the exported archive."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange import probe
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.pt2.archive import load_archive
from pellucid.exchange.pt2.read import Graph
from pellucid.exchange.pt2.write import export_program
from pellucid.runs import ModelFile

Shapes = tuple[int, ...] | tuple[tuple[int, ...], ...]


def is_torch(source: Any) -> bool:
    """Return whether an object is an nn.Module or an ExportedProgram."""
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(source).__mro__}
    return bool(
        names
        & {
            "torch.export.exported_program.ExportedProgram",
            "torch.nn.modules.module.Module",
        }
    )


def read_object(source: Any, input_shape: Shapes | None) -> ModelFile:
    """Return the model that a module or an exported program is.

    Raises
    ------
    ExchangeError
        If a module comes without the shape of its input, cannot be exported, or
        holds what cannot be represented exactly.
    """
    import torch

    name = type(source).__name__
    if not isinstance(source, torch.nn.Module):
        return _read(source, name)
    shapes = _input_shapes(input_shape)
    if not any(len(shape) in (2, 4) for shape in shapes):
        return _read(_export(source, shapes), name)
    # (length, channels): most modules have the channels first, ours have them last
    first = [
        (shape[-1], *shape[:-1]) if len(shape) in (2, 4) else shape for shape in shapes
    ]
    try:
        program = _export(source, shapes)
    except ExchangeError:
        return _read(_export(source, first), name)
    try:
        file = _read(program, name)
    except ExchangeError as error:
        with contextlib.suppress(ExchangeError):
            return _read(_export(source, first), name)
        raise error
    entered = [file.network.shapes[entry] for entry in file.network.inputs]
    return file if entered == shapes else _read(_export(source, first), name)


def _export(module: Any, shapes: Sequence[tuple[int, ...]]) -> Any:
    """Return the exported program of a module, in eval mode."""
    try:
        with _in_eval_mode(module):
            return export_program(module, shapes)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ExchangeError(
            f"import: a module must be one that torch.export takes; got {reason}"
        ) from error


def _read(program: Any, name: str) -> ModelFile:
    """Read an exported program by its archive."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.pt2"
        torch.export.save(program, path)
        with translate_errors(Path("module"), "module"):
            graph = Graph(load_archive(path))
            file = graph.file(name)
            _check(program, graph, file)
    return file


def _input_shapes(given: Shapes | None) -> list[tuple[int, ...]]:
    """Return the shape of each input, where one may be given alone."""
    if given is None:
        raise ExchangeError(
            "import: a module must come with input_shape=(height, width, "
            "channels), or a shape for each input; got none."
        )
    is_one = all(isinstance(size, int) for size in given)
    shapes: list[Any] = [given] if is_one else list(given)
    if not all(isinstance(shape, tuple | list) for shape in shapes):
        raise ExchangeError(
            f"import: input_shape must be one shape, or a tuple of shapes; got {given}."
        )
    return [tuple(shape) for shape in shapes]


@contextlib.contextmanager
def _in_eval_mode(module: Any) -> Iterator[None]:
    """Evaluate a module of the caller's; it and PyTorch's generators stay as they were.

    Each part has its own mode: some may be frozen on purpose.
    """
    import torch

    modes = [(part, part.training) for part in module.modules()]
    with torch.random.fork_rng():
        try:
            module.eval()
            yield
        finally:
            for part, is_training in modes:
                part.training = is_training


def _check(program: Any, graph: Graph, file: ModelFile) -> None:
    """Probe the network against the exported program itself."""
    import torch

    if not probe.is_small(file):
        return
    x = graph.ports.draw(file)
    with torch.no_grad():
        made = program.module()(*map(torch.from_numpy, x.values()))
    outputs = torch.utils._pytree.tree_leaves(made)
    found = [y.numpy(force=True) for y in outputs]
    graph.ports.check(file, x, found, reference="PyTorch")
