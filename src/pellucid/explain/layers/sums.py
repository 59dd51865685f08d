"""Weighted sums: terms and bias added up."""

from __future__ import annotations

import math

from pellucid.explain.values import Calculation, ElementContext, Parameter, Step, Term


def show(value: float) -> str:
    """Return a number as formulas show it."""
    return f"{value:.6g}"


def show_share(value: float) -> str:
    """Return a number of which a logarithm is taken: near 1 with more digits.

    Six digits of its distance from 1 are shown, so that readers find the logarithm.
    """
    distance = abs(value - 1)
    if not 0 < distance < 0.01:
        return show(value)
    return f"{value:.{min(15, 6 + math.ceil(-math.log10(distance)))}g}"


def show_factor(value: float) -> str:
    """Return a number as a product shows it: in brackets where it is negative."""
    return f"({show(value)})" if value < 0 else show(value)


def weighted_term(source: str, at: tuple[int, ...], x: float, weight: float) -> Term:
    """Return a term of a sum with a fixed factor."""
    return Term(
        source=source, at=at, x=x, weight=weight, value=x * weight, slope=weight
    )


def sum_terms(
    element: ElementContext, equation: str, terms: list[Term], *, has_bias: bool = False
) -> Calculation:
    """Return the calculation that adds the terms' values and the bias."""
    total = math.fsum(term.value for term in terms)
    name = "sum of products" if terms and terms[0].weight is not None else "sum"
    steps = [Step(name, f"Σ of {len(terms)}", total)]
    parameters: tuple[Parameter, ...] = ()
    if has_bias:
        at = (element.at[-1],)
        bias = float(element.weights["bias"][at])
        parameters = (Parameter(role="bias", at=at, value=bias, slope=1.0),)
        steps.append(Step("bias", f"{element.node.name}.bias[{at[0]}]", bias))
        sign = "−" if bias < 0 else "+"
        formula = f"{show(total)} {sign} {show(abs(bias))}"
        steps.append(Step("y", formula, total + bias))
    else:
        steps.append(Step("y", show(total), total))
    return Calculation(
        equation=equation,
        terms=tuple(terms),
        steps=tuple(steps),
        parameters=parameters,
    )
