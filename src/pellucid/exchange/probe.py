"""Check an imported network against its file on a random input, before it is accepted.

A reader proves each operator on its own; the probe proves the whole: every output of
a few random examples must be what a reference gives. Borders cannot hide an error, as
the input has the file's own size, and rounding cannot pass for one, as what float32
loses is measured in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import join, split
from pellucid.engines.protocol import Arrays
from pellucid.engines.registry import as_engine
from pellucid.errors import ExchangeError
from pellucid.exchange.graph.tensor import Tensor
from pellucid.network import layers as pl
from pellucid.network.quantization import RANGES, Quantization
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
Layout = Callable[[Array], Array]
LIMIT = 10**10  # multiply-adds for one example, above which none is run
_PER_ELEMENT = 20  # multiply-adds that an element of a value counts for, in memory
_SEVERAL = 10**9  # … and above which one example must do
_TOLERANCE = 1e-4  # of the largest output
#: … and of integers whose rounding a runtime may choose: some steps
_STEPS = 0.05
_SIGMOID = 5e-7  # that runtimes' sigmoids are off by, which tells where all are near 0
_ROUNDING = 30  # times our own float32 error that a reference may be off


def is_small(file: ModelFile, limit: int = LIMIT) -> bool:
    """Return whether running one example costs less than a limit."""
    network = file.network
    elements = sum(int(np.prod(shape)) for shape in network.shapes.values())
    return network.multiply_adds <= limit and elements <= limit // _PER_ELEMENT


def examples(file: ModelFile) -> int:
    """Return how many examples a probe has, where the file leaves that open."""
    layers = (node.layer for node in file.network.nodes)
    if any(isinstance(layer, pl.Hybrid) and layer.form == "uint8" for layer in layers):
        return 1  # of several, ONNX takes the range of all
    return 2 if is_small(file, _SEVERAL) else 1


def draw(shape: tuple[int, ...], dtype: str = "float32") -> Array:
    """Return the random input of a probe: neither symmetric nor within [0, 1]."""
    random = np.random.default_rng(20)
    return random.normal(0.3, 1.5, shape).astype(dtype)


def check(
    file: ModelFile,
    images: Arrays,
    expected: Array,
    *,
    reference: str,
    layout: Layout = np.asarray,
    index: int = 0,
) -> None:
    """Compare a network with what its file gives for the same images.

    Parameters
    ----------
    file : ModelFile
        What was read.
    images : array, shape (N, *input shape), or tuple of those
        In pellucid's layout.
    expected : array, shape (N, …)
        What the file's own runtime gives, in the file's layout.
    reference : str
        The runtime's name, for the error.
    layout : callable
        Returns outputs of pellucid's layout in the file's.
    index : int
        Which of several outputs it is.

    Raises
    ------
    ExchangeError
        If one output differs by more than rounding.
    """
    problem = difference(file, images, expected, layout, index=index)
    if problem is not None:
        outputs = file.network.outputs
        which = f" at output '{outputs[index]}'" if len(outputs) > 1 else ""
        problem = f"{problem}{which}"
        raise ExchangeError(
            f"import: network '{file.network.name}' must give the outputs of its file "
            f"in {reference}; got {problem}. Please report the file."
        )


def _whole(shape: tuple[int, ...], own: Quantization) -> Array:
    low, high = RANGES[own.dtype]
    random = np.random.default_rng(20)
    return random.integers(low, high + 1, shape, dtype=own.dtype)


def _real(x: Array, own: Quantization | None) -> Array:
    if own is None:
        return x
    steps: Array = x.astype(np.float32) - np.float32(own.zero_point)
    return steps * np.float32(own.scale)


@dataclass(frozen=True, slots=True)
class Ports:
    """Inputs and outputs of a file, as it lays them out, and its batch.

    Parameters
    ----------
    entries : mapping of str to Tensor
        What the file calls an input → the node that it is.
    outputs : sequence of Tensor
        In the network's order.
    batch : int, optional
        The number of examples that the file fixes.
    quantized : mapping of str to Quantization
        Of inputs that the file takes as integers.
    """

    entries: Mapping[str, Tensor]
    outputs: Sequence[Tensor]
    batch: int | None
    quantized: Mapping[str, Quantization] = field(default_factory=dict)

    def draw(self, file: ModelFile) -> dict[str, Array]:
        """Return random inputs in the file's layout."""
        count, made = self.batch or examples(file), {}
        for name, entry in self.entries.items():
            axes = zip(entry.axes, entry.foreign_shape, strict=True)
            shape = tuple(count if axis == 0 else n for axis, n in axes)
            own = self.quantized.get(name)
            made[name] = draw(shape, file.dtype) if own is None else _whole(shape, own)
        return made

    def images(self, file: ModelFile, x: Mapping[str, Array]) -> Any:
        """Return inputs of the file's layout as the network takes them."""
        pairs = (
            (entry, _real(x[name], self.quantized.get(name)))
            for name, entry in self.entries.items()
        )
        by_node = {entry.node: entry.from_foreign(array) for entry, array in pairs}
        return join([by_node[name] for name in file.network.inputs])

    def check(
        self,
        file: ModelFile,
        x: Mapping[str, Array],
        found: Sequence[Array],
        *,
        reference: str,
    ) -> None:
        """Compare every output with what the file gives; see `check`."""
        images = self.images(file, x)
        for i, (y, output) in enumerate(zip(found, self.outputs, strict=True)):
            layout = output.to_foreign
            check(file, images, y, reference=reference, layout=layout, index=i)


def difference(
    file: ModelFile,
    images: Arrays,
    expected: Array,
    layout: Layout = np.asarray,
    *,
    index: int = 0,
) -> str | None:
    """Return in words how outputs differ from what is expected; None if they agree."""
    with np.errstate(all="ignore"):
        got = layout(_predict(file, images, file.dtype)[index])
        if got.shape != expected.shape:
            return f"outputs of shape {got.shape[1:]} for {expected.shape[1:]}"
        both = np.isfinite(got) & np.isfinite(expected)
        if not np.array_equal(both, np.isfinite(got) | np.isfinite(expected)):
            return "a finite number in one place alone"
        error = np.max(np.abs(got - expected)[both], initial=0.0)
        scale = np.max(np.abs(expected)[both], initial=0.0)
        end = file.network.node(file.network.outputs[index]).layer
        floor = _SIGMOID if isinstance(end, pl.Sigmoid) else 0.0
        if error <= max(_tolerance(file) * scale, floor):
            return None
        exact = layout(_predict(file, images, "float64")[index])
        own = np.max(np.abs(got - exact)[both], initial=0.0)
        if np.max(np.abs(expected - exact)[both], initial=0.0) <= _ROUNDING * own:
            return None
    return f"a difference of {error:.2g} where outputs reach {scale:.2g}"


def _tolerance(file: ModelFile) -> float:
    """Return what part of the largest output an output may be off by."""
    layers = (node.layer for node in file.network.nodes)
    is_rounded = any(
        (isinstance(layer, pl.Quantized) and layer.arithmetic == "real")
        or isinstance(layer, pl.Hybrid)
        for layer in layers
    )
    return _STEPS if is_rounded else _TOLERANCE


def _predict(file: ModelFile, images: Arrays, dtype: str) -> tuple[Array, ...]:
    """Return the outputs of the numpy engine."""
    network = file.network
    state = {f"weights/{name}": array for name, array in file.weights.items()}
    session = as_engine("numpy").build(file.network, state=state, dtype=dtype)
    given = split("images", network.inputs, images)
    output = session.predict(join([array.astype(dtype) for array in given]))
    return split("output", network.outputs, output)
