"""Graph IR: a foreign graph between its reader and the network builder.

A reader translates its file into `Operator`s on named values; the passes rewrite
them; `emit` builds the network. Operators that passes understand have a kind of this
list, with NumPy's meaning on the file's own layout:

* of one value: ``relu sigmoid tanh erf erfc exp log sqrt rsqrt reciprocal negate
  softplus identity``, ``clip`` (low, high), ``hard_sigmoid`` (alpha, beta);
* of two: ``add subtract multiply divide power maximum minimum squared_difference``;
* reductions ``mean`` and ``sum`` (axes, keepdims);
* views: ``reshape`` (to the shape of its output; also squeeze, unsqueeze, flatten),
  ``transpose`` (perm), ``tile`` (repeats);
* ``matmul`` of a value and a weight (in, out);
* ``instance_norm`` of a value, scale and offset (epsilon);
* ``standardize`` of a constant by the statistics of each index of axis 1, scale and
  offset where it has them (epsilon, has_scale, has_offset).

Every other operator keeps its foreign name, and only its reader understands it. What
passes make is listed in `emit`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.tensor import Array
from pellucid.network.layers import Shape

_UPSTREAM, _DOWNSTREAM = 16, 24  # values that are looked at, at most
#: operators whose value is a polynomial of their inputs, roots included
ARITHMETIC = frozenset(
    {
        "add",
        "divide",
        "multiply",
        "negate",
        "power",
        "reciprocal",
        "rsqrt",
        "sqrt",
        "squared_difference",
        "subtract",
    }
)
VIEWS = frozenset({"reshape", "transpose", "tile"})


@dataclass(slots=True, kw_only=True, eq=False)
class Operator:
    """One operator: its kind, and the names of the values it reads and makes.

    An input that is left out has the empty name. ``foreign`` is the file's own
    operator, from which its reader makes a layer; None where a pass made it.
    """

    kind: str
    inputs: list[str]
    outputs: list[str]
    ref: OperatorRef
    attributes: dict[str, Any] = field(default_factory=dict)
    foreign: Any = None

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def become(self, kind: str, inputs: Iterable[str], **attributes: Any) -> None:
        """Turn into another operator that makes the same value."""
        self.kind, self.inputs, self.foreign = kind, list(inputs), None
        self.attributes = attributes


@dataclass(slots=True, kw_only=True, eq=False)
class Graph:
    """Operators in order; constants and shapes by the names of values.

    Shapes are the file's, with `BATCH` for a batch that it leaves open; a value whose
    shape is not known has none.
    """

    outputs: list[str]
    operators: list[Operator] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    makers: dict[str, Operator] = field(default_factory=dict)
    _readers: dict[str, list[Operator]] | None = None

    def add(self, operator: Operator) -> None:
        """Append an operator."""
        self.operators.append(operator)
        self.makers.update(dict.fromkeys(operator.outputs, operator))
        self._readers = None

    def insert_behind(self, before: Operator, operator: Operator) -> None:
        """Add an operator behind another."""
        self.operators.insert(self.operators.index(before) + 1, operator)
        self.makers.update(dict.fromkeys(operator.outputs, operator))
        self._readers = None

    def made_by(self, value: str, *kinds: str) -> Operator | None:
        """Return the operator that makes a value, if it is of one of these kinds."""
        operator = self.makers.get(value)
        return operator if operator is not None and operator.kind in kinds else None

    def readers(self, value: str) -> list[Operator]:
        """Return the operators that read a value."""
        if self._readers is None:
            self._readers = defaultdict(list)
            for operator in self.operators:
                for name in operator.inputs:
                    self._readers[name].append(operator)
        return self._readers.get(value, [])

    def count(self, value: str) -> int:
        """Return how often a value is read, as an output of the graph included."""
        return len(self.readers(value)) + self.outputs.count(value)

    def changed(self) -> None:
        """Say that inputs of operators were changed."""
        self._readers = None

    def replace(self, value: str, other: str) -> None:
        """Let every reader of a value read another."""
        for operator in self.readers(value):
            operator.inputs = [other if n == value else n for n in operator.inputs]
        self.outputs = [other if n == value else n for n in self.outputs]
        self._readers = None

    def number(self, value: str) -> float | None:
        """Return the one number that a constant is; None for any other value."""
        array = self.constants.get(value)
        if array is None or array.size != 1 or array.dtype.kind not in "fiub":
            return None
        return float(array.reshape(-1)[0])

    def remove_unread(self) -> None:
        """Drop operators whose values nobody reads."""
        wanted, kept = set(self.outputs), []
        for operator in reversed(self.operators):
            if wanted.intersection(operator.outputs):
                wanted.update(operator.inputs)
                kept.append(operator)
        self.operators = kept[::-1]
        self.makers = {name: op for op in self.operators for name in op.outputs}
        self._readers = None

    def upstream(self, value: str) -> Iterator[str]:
        """Give a value and those that arithmetic makes it of, nearest first."""
        queue, seen = [value], {value}
        while queue and len(seen) < _UPSTREAM:
            name = queue.pop(0)
            if name not in self.constants:
                yield name
            operator = self.made_by(name, *ARITHMETIC)
            for before in operator.inputs if operator is not None else ():
                if before not in seen:
                    seen.add(before)
                    queue.append(before)

    def downstream(self, value: str) -> Iterator[Operator]:
        """Give arithmetic that reads a value, and what reads that, nearest first."""
        queue, seen = [value], set[str]()
        while queue and len(seen) < _DOWNSTREAM:
            for operator in self.readers(queue.pop(0)):
                if operator.kind in ARITHMETIC and operator.output not in seen:
                    seen.add(operator.output)
                    queue.append(operator.output)
                    yield operator
