"""One output of a normalization layer at inference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.explain.layers.sums import show
from pellucid.explain.values import Calculation, ElementContext, Parameter, Step, Term


def batch_norm(element: ElementContext) -> Calculation:
    """``y = γ · (x − μ) / √(variance + ε) + β`` by the running statistics."""
    layer: Any = element.node.layer
    c = element.at[-1]
    x = float(element.x[element.at])
    mean = float(element.weights["running_mean"][c])
    variance = float(element.weights["running_variance"][c])
    sigma = math.sqrt(variance + layer.epsilon)
    x_hat = (x - mean) / sigma
    scale = float(element.weights["scale"][c])
    term = Term(
        source=element.source, at=element.at, x=x, value=x_hat, slope=scale / sigma
    )
    root = f"√({show(variance)} + {show(layer.epsilon)})"
    return Calculation(
        equation="y = scale · (x − running_mean) / √(running_variance + ε) + offset",
        terms=(term,),
        steps=(
            Step("running mean", f"{element.node.name}.running_mean[{c}]", mean),
            Step("σ", root, sigma),
            Step(
                "x̂",
                f"({show(x)} − {show(mean)}) / {show(sigma)}",
                x_hat,
            ),
            *_scale_and_shift(element, x_hat),
        ),
        parameters=_parameters(element, x_hat),
    )


def layer_norm(element: ElementContext) -> Calculation:
    """``y = γ · (x − μ) / √(variance + ε) + β`` over the last axis."""
    *lead, _ = element.at
    count = element.x.shape[-1]
    return _normalize(
        element,
        [(*lead, m) for m in range(count)],
        counted=f"of {count} numbers",
        equation="y[k] = scale[k] · (x[k] − mean) / √(variance + ε) + offset[k]",
    )


def per_image_norm(element: ElementContext) -> Calculation:
    """``y = γ · (x − μ) / √(variance + ε) + β`` over a group of channels."""
    layer: Any = element.node.layer
    c = element.at[-1]
    size = element.x.shape[-1] // layer.groups_of(element.x.shape[-1])
    first = c - c % size
    places = [
        tuple(int(n) for n in at)
        for at in np.ndindex(*element.x.shape)
        if first <= at[-1] < first + size
    ]
    channels = f"channels {first} … {first + size - 1}" if size > 1 else f"channel {c}"
    return _normalize(
        element,
        places,
        counted=f"of {len(places)} elements, {channels}",
        equation="y = scale[c] · (x − mean) / √(variance + ε) + offset[c]",
    )


def _normalize(
    element: ElementContext,
    places: list[tuple[int, ...]],
    *,
    counted: str,
    equation: str,
) -> Calculation:
    """Return the calculation of an element by the statistics of some places."""
    layer: Any = element.node.layer
    values = [float(element.x[at]) for at in places]
    count = len(values)
    mean = math.fsum(values) / count
    variance = math.fsum((x - mean) ** 2 for x in values) / count
    sigma = math.sqrt(variance + layer.epsilon)
    hats = [(x - mean) / sigma for x in values]
    k = places.index(tuple(element.at))
    scale = float(element.weights["scale"][element.at[-1]])
    terms = tuple(
        Term(
            source=element.source,
            at=at,
            x=x,
            value=hat,
            slope=scale * (float(m == k) - 1 / count - hats[k] * hat / count) / sigma,
            note="this one" if m == k else "",
        )
        for m, (at, x, hat) in enumerate(zip(places, values, hats, strict=True))
    )
    root = f"√({show(variance)} + {show(layer.epsilon)})"
    return Calculation(
        equation=equation,
        terms=terms,
        steps=(
            Step("mean", counted, mean),
            Step("variance", f"mean of (x − {show(mean)})²", variance),
            Step("σ", root, sigma),
            Step("x̂", f"({show(values[k])} − {show(mean)}) / {show(sigma)}", hats[k]),
            *_scale_and_shift(element, hats[k]),
        ),
        parameters=_parameters(element, hats[k]),
    )


def l2_normalize(element: ElementContext) -> Calculation:
    """``y = x / max(‖x‖, ε)`` over the last axis."""
    layer: Any = element.node.layer
    *lead, k = element.at
    row = [float(x) for x in element.x[tuple(lead)]]
    squares = math.fsum(x * x for x in row)
    length = math.sqrt(squares)
    divisor = max(length, layer.epsilon)
    y = [x / divisor for x in row]
    along = float(length > layer.epsilon)
    terms = tuple(
        Term(
            source=element.source,
            at=(*lead, m),
            x=row[m],
            value=row[m] ** 2,
            slope=(float(m == k) - along * y[k] * y[m]) / divisor,
            note="this one" if m == k else "",
        )
        for m in range(len(row))
    )
    return Calculation(
        equation="y[k] = x[k] / max(√(Σ x²), ε)",
        terms=terms,
        steps=(
            Step("Σ x²", f"of {len(row)} channels", squares),
            Step("‖x‖", f"√({show(squares)})", length),
            Step("y", f"{show(row[k])} / {show(divisor)}", y[k]),
        ),
    )


def local_response_norm(element: ElementContext) -> Calculation:
    """``y = x · s^−beta`` with ``s = bias + alpha / size · Σ x²`` over neighbours."""
    layer: Any = element.node.layer
    *lead, k = element.at
    row = [float(x) for x in element.x[tuple(lead)]]
    reach = layer.reach(len(row))
    near = range(max(k - reach, 0), min(k + reach + 1, len(row)))
    share = layer.alpha / layer.size
    squares = math.fsum(row[m] ** 2 for m in near)
    s = layer.bias + share * squares
    factor = s**-layer.beta
    terms = tuple(
        Term(
            source=element.source,
            at=(*lead, m),
            x=row[m],
            value=share * row[m] ** 2,
            slope=factor
            * (float(m == k) - 2 * share * layer.beta * row[k] * row[m] / s),
            note="this one" if m == k else "",
        )
        for m in near
    )
    strength = f"{show(layer.bias)} + {show(layer.alpha)} / {layer.size}"
    return Calculation(
        equation="y[k] = x[k] · (bias + alpha / size · Σ x²)^−beta",
        terms=terms,
        steps=(
            Step("Σ x²", f"of {len(near)} channels, {near[0]} … {near[-1]}", squares),
            Step("s", f"{strength} · {show(squares)}", s),
            Step("s^−beta", f"{show(s)}^−{show(layer.beta)}", factor),
            Step(
                "y",
                f"{show(row[k])} · {show(factor)}",
                row[k] * factor,
            ),
        ),
    )


def _scale_and_shift(element: ElementContext, x_hat: float) -> tuple[Step, ...]:
    c = element.at[-1]
    scale, offset = (float(element.weights[role][c]) for role in ("scale", "offset"))
    formula = f"{show(scale)} · {show(x_hat)} + {show(offset)}"
    return (Step("y", formula, scale * x_hat + offset),)


def _parameters(element: ElementContext, x_hat: float) -> tuple[Parameter, ...]:
    c = element.at[-1]
    slopes = {"scale": x_hat, "offset": 1.0}
    return tuple(
        Parameter(
            role=role, at=(c,), value=float(element.weights[role][c]), slope=slope
        )
        for role, slope in slopes.items()
    )
