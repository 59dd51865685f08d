"""Tensor programs: a loss of one example and its gradient, as instructions.

An expression of ``output`` and ``target`` is resolved for their numbers of channels
and positions and differentiated in reverse. Engines run the instructions on arrays
(N, positions, channels); every value may have 1 instead of the positions or channels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.errors import NetworkError
from pellucid.network.expression.nodes import TENSOR_ARITY, TO_THE_END, Expression
from pellucid.network.expression.reverse import add_gradients
from pellucid.network.expression.tape import ONE_NUMBER, Instruction, Tape
from pellucid.network.expression.text import show_slice

Cut = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TensorProgram:
    """Instructions, where the loss stands, and the gradient of the output's channels.

    Attributes
    ----------
    instructions : tuple of Instruction
        In order of computation; the loss is one number for each example.
    loss : int
        The instruction that makes it.
    gradients : tuple of (int, int, int)
        First channel, last channel + 1, and the instruction that makes their
        gradient; where channels stand in several, the gradients add up.
    """

    instructions: tuple[Instruction, ...]
    loss: int
    gradients: tuple[tuple[int, int, int], ...]


@functools.lru_cache(maxsize=256)
def tensor_program(
    expression: Expression, positions: int, channels: tuple[tuple[str, int], ...]
) -> TensorProgram:
    """Return an expression's program for some numbers of positions and channels.

    Parameters
    ----------
    expression : Expression
        Of ``output`` and whatever else is given. What it leaves is averaged.
    positions : int
        Of each tensor.
    channels : tuple of (str, int)
        Of each tensor by name.

    Raises
    ------
    NetworkError
        If channels do not exist, or do not fit together.
    """
    tape = Tape(positions)
    made = _Resolver(tape, dict(channels)).visit(expression, None)
    loss = _mean(tape, made, positions=True, channels=True)
    gradients = add_gradients(tape, loss)
    return _needed(tape, loss, gradients)


def _needed(
    tape: Tape, loss: int, gradients: list[tuple[int, int, int]]
) -> TensorProgram:
    """Drop what neither the loss nor its gradient takes."""
    wanted = {loss, *(i for *_, i in gradients)}
    for i in reversed(range(len(tape.instructions))):
        if i in wanted:
            wanted.update(tape.instructions[i].arguments)
    place = {old: new for new, old in enumerate(sorted(wanted))}
    kept = tuple(
        Instruction(
            made.operator,
            tuple(place[a] for a in made.arguments),
            made.value,
            made.extent,
        )
        for made in (tape.instructions[i] for i in sorted(wanted))
    )
    ends = tuple((start, stop, place[i]) for start, stop, i in gradients)
    return TensorProgram(kept, place[loss], ends)


def _mean(tape: Tape, i: int, *, positions: bool, channels: bool) -> int:
    count = tape.count(i, positions=positions, channels=channels)
    total = tape.sum(i, positions=positions, channels=channels)
    return tape.elementwise("multiply", tape.constant(1 / count), total)


class _Resolver:
    """Adds an expression to a tape; slices are moved down to the tensors."""

    def __init__(self, tape: Tape, channels: Mapping[str, int]) -> None:
        self._tape = tape
        self._channels = channels
        self._widths: dict[Expression, int] = {}
        self._made: dict[tuple[Expression, Cut | None], int] = {}

    def visit(self, node: Expression, cut: Cut | None) -> int:
        key = node, cut
        if key not in self._made:
            self._made[key] = self._visit(node, cut)
        return self._made[key]

    def _visit(self, node: Expression, cut: Cut | None) -> int:
        tape, name, arguments = self._tape, node.operator, node.arguments
        if name == "constant":
            return tape.constant(node.value)
        if name == "variable":
            return tape.leaf(node.value, *(cut or (0, self._width(node))))
        if name in ("slice", "part"):
            start, stop = self._bounds(node)
            if cut is not None:
                start, stop = start + cut[0], start + cut[1]
            whole = (0, self._width(arguments[0]))
            inner = None if (start, stop) == whole else (start, stop)
            return self.visit(arguments[0], inner)
        if name == "constant_of":
            return tape.elementwise(name, self.visit(arguments[0], cut))
        if name in TENSOR_ARITY:
            return self._reduced(node, cut)
        given = [self.visit(a, None if self._width(a) == 1 else cut) for a in arguments]
        return tape.elementwise(name, *given)

    def _reduced(self, node: Expression, cut: Cut | None) -> int:
        tape, (argument,) = self._tape, node.arguments
        what, _, over = node.operator.partition("_")
        given = self.visit(argument, cut if over == "positions" else None)
        if what == "largest":
            return tape.largest_channel(given)
        axes = {"positions": over != "channels", "channels": over != "positions"}
        if what == "mean":
            return _mean(tape, given, **axes)
        return tape.sum(given, **axes)

    def _width(self, node: Expression) -> int:
        """Return how many channels an expression has."""
        if node not in self._widths:
            self._widths[node] = self._width_of(node)
        return self._widths[node]

    def _width_of(self, node: Expression) -> int:
        name = node.operator
        if name == "variable":
            return self._channels[node.value]
        if name in ("slice", "part"):
            start, stop = self._bounds(node)
            return stop - start
        keeps = ("constant_of", "mean_positions", "sum_positions")
        if name in TENSOR_ARITY and name not in keeps:
            return 1
        return max((self._width(a) for a in node.arguments), default=1)

    def _bounds(self, node: Expression) -> Cut:
        """Return first channel and last channel + 1 of a slice or part."""
        inner, *numbers = node.arguments
        width = self._width(inner)
        first, second = (int(number.value) for number in numbers)
        if node.operator == "part":
            if not 0 <= first < second or width % second:
                raise NetworkError(
                    f"the channels must be a multiple of {second} to be split "
                    f"into as many parts; got {width}."
                )
            each = width // second
            return first * each, (first + 1) * each
        start, stop, _ = slice(first, second).indices(width)
        is_inside = -width <= first < width and stop > start
        if not is_inside or (second < TO_THE_END and not -width <= second <= width):
            raise NetworkError(
                f"channels [..., {show_slice(node)}] must be among the {width} there "
                f"are; got {inner!r}."
            )
        return start, stop


def run(
    program: TensorProgram,
    operators: Mapping[str, Callable[..., Any]],
    leaves: Mapping[str, Any],
    constant: Callable[[float, Any], Any],
) -> list[Any]:
    """Run a program's instructions by a library's operators.

    Parameters
    ----------
    program : TensorProgram
    operators : mapping of str to callable
        What computes each operator; ``sum_channels``, ``sum_positions``, ``sum`` and
        ``largest_channel`` keep the axes they go over, with size 1.
    leaves : mapping of str to array, shape (N, positions, channels)
        The tensors by name.
    constant : callable
        What makes the library's constant of a number, given an array whose type it
        must have.

    Returns
    -------
    list of array
        What each instruction made.
    """
    like, done = leaves["output"], list[Any]()
    for made in program.instructions:
        if made.operator == "constant":
            done.append(constant(made.value, like))
        elif made.operator == "leaf":
            name, start, stop = made.value
            done.append(leaves[name][..., start:stop])
        elif made.operator == "constant_of":
            done.append(done[made.arguments[0]])
        else:
            done.append(operators[made.operator](*(done[i] for i in made.arguments)))
    return done


def is_number(program: TensorProgram, i: int) -> bool:
    """Whether an instruction makes one number for each example."""
    return program.instructions[i].extent == ONE_NUMBER
