"""This file is one output of a normalisation, in inference."""

from __future__ import annotations

import math
from typing import Any

from pellucid.explain.layers.sums import number
from pellucid.explain.values import Calculation, Parameter, Site, Step, Term


def batch_norm(site: Site) -> Calculation:
    """``y = γ · (x − μ) / √(variance + ε) + β`` by the running statistics."""
    layer: Any = site.node.layer
    c = site.at[-1]
    x = float(site.x[site.at])
    mean = float(site.weights["running_mean"][c])
    variance = float(site.weights["running_variance"][c])
    sigma = math.sqrt(variance + layer.epsilon)
    x_hat = (x - mean) / sigma
    scale = float(site.weights["scale"][c])
    term = Term(source=site.source, at=site.at, x=x, value=x_hat, slope=scale / sigma)
    root = f"√({number(variance)} + {number(layer.epsilon)})"
    return Calculation(
        equation="y = scale · (x − running_mean) / √(running_variance + ε) + offset",
        terms=(term,),
        steps=(
            Step("running mean", f"{site.node.name}.running_mean[{c}]", mean),
            Step("σ", root, sigma),
            Step("x̂", f"({number(x)} − {number(mean)}) / {number(sigma)}", x_hat),
            *_scaled(site, x_hat),
        ),
        parameters=_parameters(site, x_hat),
    )


def layer_norm(site: Site) -> Calculation:
    """``y = γ · (x − μ) / √(variance + ε) + β`` over the last axis."""
    layer: Any = site.node.layer
    *lead, k = site.at
    row = [float(x) for x in site.x[tuple(lead)]]
    count = len(row)
    mean = math.fsum(row) / count
    variance = math.fsum((x - mean) ** 2 for x in row) / count
    sigma = math.sqrt(variance + layer.epsilon)
    hats = [(x - mean) / sigma for x in row]
    scale = float(site.weights["scale"][k])
    terms = tuple(
        Term(
            source=site.source,
            at=(*lead, m),
            x=row[m],
            value=hats[m],
            slope=scale
            * (float(m == k) - 1 / count - hats[k] * hats[m] / count)
            / sigma,
            note="this one" if m == k else "",
        )
        for m in range(count)
    )
    root = f"√({number(variance)} + {number(layer.epsilon)})"
    return Calculation(
        equation="y[k] = scale[k] · (x[k] − mean) / √(variance + ε) + offset[k]",
        terms=terms,
        steps=(
            Step("mean", f"of {count} numbers", mean),
            Step("variance", f"mean of (x − {number(mean)})²", variance),
            Step("σ", root, sigma),
            Step(
                "x̂", f"({number(row[k])} − {number(mean)}) / {number(sigma)}", hats[k]
            ),
            *_scaled(site, hats[k]),
        ),
        parameters=_parameters(site, hats[k]),
    )


def local_response_norm(site: Site) -> Calculation:
    """``y = x · s^−beta`` with ``s = bias + alpha / size · Σ x²`` over neighbours."""
    layer: Any = site.node.layer
    *lead, k = site.at
    row = [float(x) for x in site.x[tuple(lead)]]
    reach = layer.reach(len(row))
    near = range(max(k - reach, 0), min(k + reach + 1, len(row)))
    share = layer.alpha / layer.size
    squares = math.fsum(row[m] ** 2 for m in near)
    s = layer.bias + share * squares
    factor = s**-layer.beta
    terms = tuple(
        Term(
            source=site.source,
            at=(*lead, m),
            x=row[m],
            value=share * row[m] ** 2,
            slope=factor
            * (float(m == k) - 2 * share * layer.beta * row[k] * row[m] / s),
            note="this one" if m == k else "",
        )
        for m in near
    )
    strength = f"{number(layer.bias)} + {number(layer.alpha)} / {layer.size}"
    return Calculation(
        equation="y[k] = x[k] · (bias + alpha / size · Σ x²)^−beta",
        terms=terms,
        steps=(
            Step("Σ x²", f"of {len(near)} channels, {near[0]} … {near[-1]}", squares),
            Step("s", f"{strength} · {number(squares)}", s),
            Step("s^−beta", f"{number(s)}^−{number(layer.beta)}", factor),
            Step("y", f"{number(row[k])} · {number(factor)}", row[k] * factor),
        ),
    )


def _scaled(site: Site, x_hat: float) -> tuple[Step, ...]:
    c = site.at[-1]
    scale, offset = (float(site.weights[role][c]) for role in ("scale", "offset"))
    formula = f"{number(scale)} · {number(x_hat)} + {number(offset)}"
    return (Step("y", formula, scale * x_hat + offset),)


def _parameters(site: Site, x_hat: float) -> tuple[Parameter, ...]:
    c = site.at[-1]
    slopes = {"scale": x_hat, "offset": 1.0}
    return tuple(
        Parameter(role=role, at=(c,), value=float(site.weights[role][c]), slope=slope)
        for role, slope in slopes.items()
    )
