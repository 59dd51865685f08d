"""Summary table of a network, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.network.graph import Network

HEADER = ("node", "layer", "output shape", "parameters", "MACs")
_LEFT = 3  # columns of words; the others are numbers, aligned to the right


def rows(network: Network) -> Iterator[tuple[str, ...]]:
    """Yield a row per node: name, layer, output shape, parameters, MACs."""
    for node in network.nodes:
        inputs = network.input_shapes(node)
        specs = node.layer.weights(*inputs)
        count = sum(prod(spec.shape) for spec in specs if spec.is_parameter)
        kind = type(node.layer).__name__
        if node.weights_of is not None:  # counted there
            count, kind = 0, f"{kind}, weights of {node.weights_of}"
        yield (
            node.name,
            kind,
            "×".join(map(str, network.shapes[node.name])),
            f"{count:,}",
            f"{node.layer.multiply_adds(*inputs):,}",
        )


def _total(network: Network) -> tuple[str, ...]:
    frozen = sum(
        prod(w.shape)
        for w in network.weights
        if w.spec.is_parameter and not w.is_trainable
    )
    note = f"{frozen:,} frozen" if frozen else ""
    count = f"{network.parameter_count:,}"
    return ("total", "", note, count, f"{network.multiply_adds:,}")


def text(network: Network) -> str:
    """Return the table as aligned text."""
    table = [HEADER, *rows(network), _total(network)]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADER))]

    def line(row: tuple[str, ...]) -> str:
        cells = (
            cell.ljust(width) if i < _LEFT else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [line(row) for row in table]
    body = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    return "\n".join([f"Network '{network.name}'", *body])


def html(network: Network) -> str:
    """Return the table as HTML, for notebooks."""
    import html as escape

    def row(tag: str, cells: tuple[str, ...]) -> str:
        styled = (
            f'<{tag} style="text-align:{"left" if i < _LEFT else "right"}">'
            f"{escape.escape(cell)}</{tag}>"
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(styled)}</tr>"

    body = "".join(row("td", cells) for cells in rows(network))
    caption = escape.escape(network.name)
    return (
        f"<table><caption>{caption}</caption><thead>{row('th', HEADER)}</thead>"
        f"<tbody>{body}</tbody><tfoot>{row('th', _total(network))}</tfoot></table>"
    )
