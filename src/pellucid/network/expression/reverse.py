"""Reverse mode: the gradient of a tape's last value, as more instructions of it.

What is the same for all positions or channels is kept as one number until it meets
something that is not.
"""

from __future__ import annotations

from pellucid.network.expression.derivative import SLOPES
from pellucid.network.expression.nodes import CONDITIONS, variable
from pellucid.network.expression.tape import Tape

_U, _Y = variable("u"), variable("y")


def add_gradients(tape: Tape, loss: int) -> list[tuple[int, int, int]]:
    """Add the gradient with respect to ``output``.

    Returns
    -------
    list of (int, int, int)
        First channel, last channel + 1, and the instruction that makes their gradient.
    """
    last = len(tape.instructions)
    is_active = _active(tape)
    grads: dict[int, int] = {loss: tape.constant(1.0)}
    for i in reversed(range(last)):
        if i not in grads or not is_active[i]:
            continue
        for argument, grad in _pull_back(tape, i, grads[i], is_active):
            known = grads.get(argument)
            grads[argument] = (
                grad if known is None else tape.elementwise("add", known, grad)
            )
    found = []
    for i in range(last):
        made = tape.instructions[i]
        if made.operator == "leaf" and made.value[0] == "output" and i in grads:
            found.append((*made.value[1:], grads[i]))
    return found


def _active(tape: Tape) -> list[bool]:
    """Return which instructions depend on the output."""
    found: list[bool] = []
    for made in tape.instructions:
        if made.operator == "leaf":
            found.append(made.value[0] == "output")
        elif made.operator in ("constant_of", "largest_channel", *CONDITIONS):
            found.append(False)
        else:
            found.append(any(found[a] for a in made.arguments))
    return found


def _pull_back(
    tape: Tape, i: int, grad: int, is_active: list[bool]
) -> list[tuple[int, int]]:
    """Return the gradient's share of each active argument."""
    made = tape.instructions[i]
    if made.operator in ("sum", "sum_channels", "sum_positions"):
        return [(made.arguments[0], grad)]  # spread over what was summed
    found = []
    for place, argument in enumerate(made.arguments):
        if is_active[argument]:
            share = _share(tape, i, grad, place)
            kept = tape.extent(argument)
            found.append((argument, tape.sum_to(share, made.extent, kept)))
    return found


def _share(tape: Tape, i: int, grad: int, place: int) -> int:
    """Return grad · ∂y/∂argument, elementwise."""
    made, do = tape.instructions[i], tape.elementwise
    zero = tape.constant(0.0)
    match made.operator, made.arguments:
        case "add", _:
            return grad
        case "subtract", _:
            return grad if place == 0 else do("negative", grad)
        case "multiply", (u, v):
            return do("multiply", grad, v if place == 0 else u)
        case "divide", (u, v):
            share = do("divide", grad, v)
            if place == 0:
                return share
            return do("negative", do("multiply", share, do("divide", u, v)))
        case "power", (u, n):
            exponent = tape.number(n) or 0.0
            slope = do("power", u, tape.constant(exponent - 1))
            return do("multiply", grad, do("multiply", n, slope))
        case "negative", _:
            return do("negative", grad)
        case "where", (condition, _, _):
            return do(
                "where", condition, *((grad, zero) if place == 1 else (zero, grad))
            )
        case (("maximum" | "minimum"), (u, v)):
            mine, other = (u, v) if place == 0 else (v, u)
            if made.operator == "minimum":
                mine, other = other, mine
            half = do("multiply", tape.constant(0.5), grad)
            equal = do("where", do("greater", other, mine), zero, half)
            return do("where", do("greater", mine, other), grad, equal)
        case "clip", (u, low, high):
            inner = do("where", do("greater_equal", high, u), grad, zero)
            return do("where", do("greater_equal", u, low), inner, zero)
        case operator, (u,):
            slope = tape.inline(SLOPES[operator](_U, _Y), {"u": u, "y": i})
            return do("multiply", grad, slope)
    raise AssertionError(made.operator)
