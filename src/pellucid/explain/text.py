"""Arithmetic and gradients as text that can be checked by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pellucid.explain.derivative import Derivative, Share
from pellucid.explain.layers.sums import show
from pellucid.explain.values import Arithmetic, Position, Term

_FEW = 12  # terms in a list
_FEW_WINDOWS = 4  # channels of a convolution
_WINDOW_LAYERS = ("Conv2D", "ConvTranspose2D")


def arithmetic_text(shown: Arithmetic, *, shows_all: bool = False) -> str:
    """Return the calculation as text.

    Parameters
    ----------
    shown : Arithmetic
        What `arithmetic` returned.
    shows_all : bool
        Whether every term is written; else the largest, and the sum of the others.

    Returns
    -------
    str
        Several lines.
    """
    return "\n".join(_arithmetic_lines(shown, shows_all))


def _arithmetic_lines(shown: Arithmetic, shows_all: bool) -> Iterator[str]:
    yield f"{shown.layer} {format_element(shown.node, shown.at)}"
    yield f"  {shown.equation}"
    yield ""
    if shown.layer in _WINDOW_LAYERS:
        yield from _convolution_windows(
            shown.terms, None if shows_all else _FEW_WINDOWS
        )
    elif len(shown.terms) > 1 or shown.terms[0].note:
        yield from _list_terms(shown.terms, None if shows_all else _FEW)
    else:
        term = shown.terms[0]
        yield f"  x = {format_element(term.source, term.at)} = {show(term.x)}"
        yield ""
    width = max(len("engine"), *(len(step.name) for step in shown.steps))
    for step in shown.steps:
        yield f"  {step.name:{width}}  = {step.formula} = {show(step.value)}"
    yield f"  {'engine':{width}}  = {show(shown.activation)}"
    for follower in shown.then:
        yield ""
        yield from _arithmetic_lines(follower, shows_all)


def format_element(name: str, at: Position | None) -> str:
    """Return ``conv2d[5,7,3]``."""
    if at == ():
        return name
    return "padding" if at is None else f"{name}[{','.join(map(str, at))}]"


def _list_terms(terms: Sequence[Term], most: int | None) -> Iterator[str]:
    """Write terms one below the other: the largest first, the others' sum last."""
    chosen = list(terms)
    is_cut = most is not None and len(terms) > most
    if is_cut:
        chosen.sort(key=lambda term: -abs(term.value))
    shown = chosen[:most] if is_cut else chosen
    width = max(len(format_element(t.source, t.at)) for t in shown)
    for term in shown:
        product = (
            ""
            if term.weight is None
            else f" · {term.weight:>11.6g} = {term.value:>11.6g}"
        )
        if term.weight is None and term.value != term.x:
            product = f" → {term.value:>11.6g}"
        note = f"   {term.note}" if term.note else ""
        name = format_element(term.source, term.at)
        yield f"  {name:{width}} {term.x:>11.6g}{product}{note}"
    if is_cut:
        rest = chosen[len(shown) :]
        together = sum(term.value for term in rest)
        yield f"  … {len(rest)} smaller ones, sum {show(together)}"
    yield ""


def _convolution_windows(terms: Sequence[Term], most: int | None) -> Iterator[str]:
    """Write window, weights and products side by side, a block for each channel."""
    channels: dict[int, list[Term]] = {}
    for term in terms:
        channels.setdefault(term.weight_at[2] if term.weight_at else 0, []).append(term)
    order = sorted(channels, key=lambda c: -abs(sum(t.value for t in channels[c])))
    is_cut = most is not None and len(order) > most
    for channel in order[:most] if is_cut else sorted(order):
        yield from _convolution_window(channel, channels[channel])
    if is_cut:
        rest = order[most:]
        together = sum(term.value for c in rest for term in channels[c])
        yield f"  … {len(rest)} other channels, sum {show(together)}"
        yield ""


def _convolution_window(channel: int, terms: Sequence[Term]) -> Iterator[str]:
    rows: dict[int, list[Term]] = {}
    for term in terms:
        rows.setdefault(term.weight_at[0] if term.weight_at else 0, []).append(term)
    columns = max(map(len, rows.values()))
    width = 9 * columns
    inside = [term.at for term in terms if term.at is not None]
    corner = f"from {format_element('', inside[0])}" if inside else "padding"
    source = terms[0].source
    yield (
        f"  {f'{source} {corner}':>{width}}   "
        f"{f'weight[:,:,{channel}]':>{width}}   {'products':>{width}}"
    )
    for row in rows.values():
        x, w, products = (
            "".join(f"{value + 0.0:9.4f}" for value in values)
            for values in (
                [t.x for t in row],
                [t.weight or 0.0 for t in row],
                [t.value for t in row],
            )
        )
        yield f"  {x:{width}} · {w:{width}} = {products:{width}}".rstrip()
    total = sum(term.value for term in terms)
    yield f"  sum of this channel: {show(total)}"
    yield ""


def derivative_text(shown: Derivative, *, shows_all: bool = False) -> str:
    """Return a derivative as text; as in `arithmetic_text`.

    Parameters
    ----------
    shown : Derivative
        What `derivative` returned.
    shows_all : bool
        Whether every term is written; else the largest, and the sum of the others.

    Returns
    -------
    str
        Several lines.
    """
    lines = [
        f"{shown.of} = {show(shown.of_value)}",
        f"  gradient at {format_element(shown.node, shown.at)}: "
        f"{show(shown.reaches)}"
        + (f", through {', '.join(shown.comes_from)}" if shown.comes_from else ""),
        "",
        "  inputs: this gradient × the local derivative",
        *_list_shares(shown.inputs, None if shows_all else _FEW),
    ]
    if shown.parameters:
        lines += [
            "",
            "  weights: this gradient × the local derivative",
            *_list_shares(shown.parameters, None if shows_all else _FEW),
        ]
    return "\n".join(lines)


def _list_shares(shares: Sequence[Share], most: int | None) -> Iterator[str]:
    chosen = list(shares)
    is_cut = most is not None and len(shares) > most
    if is_cut:
        chosen.sort(key=lambda share: -abs(share.value))
    shown = chosen[:most] if is_cut else chosen
    if not shown:
        yield "  (padding only)"
        return
    width = max(len(format_element(s.name, s.at)) for s in shown)
    yield f"  {'':{width}} {'derivative':>11}   {'product':>11}   {'total':>11}"
    for share in shown:
        total = "frozen" if share.total is None else f"{share.total:.6g}"
        name = format_element(share.name, share.at)
        yield (
            f"  {name:{width}} {share.slope + 0.0:>11.6g}   "
            f"{share.value + 0.0:>11.6g}   {total:>11}"
        )
    if is_cut:
        yield f"  … {len(chosen) - len(shown)} smaller ones"
