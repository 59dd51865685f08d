"""Tape: the instructions of a tensor expression, each once, with their shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pellucid.errors import NetworkError
from pellucid.network.expression.evaluate import compute_constant, fold
from pellucid.network.expression.nodes import CONDITIONS, Expression, constant


@dataclass(frozen=True, slots=True)
class Extent:
    """What an instruction makes of one example: (P or 1 positions, channels)."""

    is_per_position: bool
    channels: int


ONE_NUMBER = Extent(False, 1)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation.

    ``arguments`` are numbers of earlier instructions. ``value`` is a constant's number,
    or a leaf's (name, first channel, last channel + 1).
    """

    operator: str
    arguments: tuple[int, ...]
    value: Any
    extent: Extent


@dataclass(slots=True)
class Tape:
    """Instructions in order of computation; equal ones are one."""

    positions: int
    instructions: list[Instruction] = field(default_factory=list)
    _known: dict[Instruction, int] = field(default_factory=dict)

    def extent(self, i: int) -> Extent:
        """Return what an instruction makes."""
        return self.instructions[i].extent

    def _add(self, made: Instruction) -> int:
        if made not in self._known:
            self._known[made] = len(self.instructions)
            self.instructions.append(made)
        return self._known[made]

    def constant(self, number: float) -> int:
        """Add a constant."""
        return self._add(Instruction("constant", (), float(number), ONE_NUMBER))

    def leaf(self, name: str, start: int, stop: int) -> int:
        """Add channels of a tensor that is given."""
        extent = Extent(True, stop - start)
        return self._add(Instruction("leaf", (), (name, start, stop), extent))

    def number(self, i: int) -> float | None:
        """Return a constant's number; None of anything else."""
        made = self.instructions[i]
        return made.value if made.operator == "constant" else None

    def elementwise(self, operator: str, *arguments: int) -> int:
        """Add an operation on elements, whose arguments are spread to one shape.

        Raises
        ------
        NetworkError
            If numbers of channels differ and neither is 1.
        """
        shorter = self._simplified(operator, arguments)
        if shorter is not None:
            return shorter
        extents = [self.extent(a) for a in arguments]
        widths = {e.channels for e in extents} - {1}
        if len(widths) > 1:
            raise NetworkError(
                f"the channels of {operator} must be equally many, or one; got "
                f"{' and '.join(str(e.channels) for e in extents)}."
            )
        whole = Extent(any(e.is_per_position for e in extents), max({1, *widths}))
        return self._add(Instruction(operator, arguments, None, whole))

    def _simplified(self, operator: str, arguments: tuple[int, ...]) -> int | None:
        numbers = [self.number(a) for a in arguments]
        if operator == "constant_of" and numbers[0] is not None:
            return arguments[0]
        if None not in numbers and operator not in CONDITIONS and operator != "where":
            given = tuple(constant(number) for number in numbers)
            return self.constant(compute_constant(Expression(operator, given)))
        match operator, numbers:
            case ("add", [0.0, _]) | ("multiply", [1.0, _]):
                return arguments[1]
            case ("add" | "subtract", [_, 0.0]) | ("multiply" | "divide", [_, 1.0]):
                return arguments[0]
            case ("multiply", [0.0, _]) | ("multiply", [_, 0.0]):
                return self.constant(0.0)
        return None

    def sum(self, i: int, *, positions: bool, channels: bool) -> int:
        """Add a sum over positions, channels or both, as far as there are several."""
        extent = self.extent(i)
        over_positions = positions and extent.is_per_position
        over_channels = channels and extent.channels > 1
        kept = Extent(
            extent.is_per_position and not over_positions,
            1 if over_channels else extent.channels,
        )
        operator = {
            (True, True): "sum",
            (True, False): "sum_positions",
            (False, True): "sum_channels",
        }.get((over_positions, over_channels))
        if operator is None:
            return i
        return self._add(Instruction(operator, (i,), None, kept))

    def count(self, i: int, *, positions: bool, channels: bool) -> int:
        """Return over how many elements such a sum goes."""
        extent = self.extent(i)
        count = self.positions if positions and extent.is_per_position else 1
        return count * (extent.channels if channels else 1)

    def largest_channel(self, i: int) -> int:
        """Add the largest channel of each position."""
        extent = self.extent(i)
        if extent.channels == 1:
            return i
        kept = Extent(extent.is_per_position, 1)
        return self._add(Instruction("largest_channel", (i,), None, kept))

    def sum_to(self, i: int, whole: Extent, kept: Extent) -> int:
        """Add the sum of a value spread over ``whole`` down to ``kept``."""
        own = self.extent(i)
        positions = whole.is_per_position and not kept.is_per_position
        channels = whole.channels > 1 and kept.channels == 1
        made = self.sum(i, positions=positions, channels=channels)
        times = self.positions if positions and not own.is_per_position else 1
        times *= whole.channels if channels and own.channels == 1 else 1
        return self.elementwise("multiply", self.constant(times), made)

    def inline(self, expression: Expression, variables: dict[str, int]) -> int:
        """Add an expression of elements, whose variables are instructions."""
        return fold(
            expression,
            lambda leaf: (
                variables[leaf.value]
                if leaf.operator == "variable"
                else self.constant(leaf.value)
            ),
            lambda node, given: self.elementwise(node.operator, *given),
        )
