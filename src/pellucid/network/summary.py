"""Summary table of a network, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from pellucid.network.layers import Layer, form_of, operation_of
from pellucid.network.receptive_field import extent

if TYPE_CHECKING:
    from pellucid.network.graph import Network

HEADER = ("node", "layer", "output shape", "receptive field", "parameters", "MACs")
_FIELD = HEADER.index("receptive field")
_NUMBERS = 2  # the last columns, aligned to the right


def rows(network: Network) -> Iterator[tuple[str, ...]]:
    """Yield a row per node: name, layer, output shape, receptive field, numbers.

    The receptive field is that of the middle element, within the picture.
    """
    for node in network.nodes:
        inputs = network.input_shapes(node)
        specs = node.layer.weights(*inputs)
        count = sum(prod(spec.shape) for spec in specs if spec.is_parameter)
        kind = _kind(node.layer)
        if node.weights_of is not None:  # counted there
            count, kind = 0, f"{kind}, weights of {node.weights_of}"
        yield (
            node.name,
            kind,
            "×".join(map(str, network.shapes[node.name])),
            "×".join(map(str, extent(network, node.name) or ())),
            f"{count:,}",
            f"{node.layer.multiply_adds(*inputs):,}",
        )


def _rows_in_blocks(network: Network) -> Iterator[tuple[str, ...]]:
    """Yield the rows, those of a block indented below a row of its own."""
    found = list(rows(network))
    above: tuple[str, ...] = ()
    for i, (node, row) in enumerate(zip(network.nodes, found, strict=True)):
        for depth, name in enumerate(node.blocks):
            if above[: depth + 1] != node.blocks[: depth + 1]:
                yield _block_row(network, found, i, depth, name)
        above = node.blocks
        yield (_INDENT * len(node.blocks) + row[0], *row[1:])


def _block_row(
    network: Network, found: list[tuple[str, ...]], start: int, depth: int, name: str
) -> tuple[str, ...]:
    """Return the row of a block: its last node's shape and field, and the sums."""
    inside = []
    for node, row in zip(network.nodes[start:], found[start:], strict=True):
        if node.blocks[depth : depth + 1] != (name,):
            break
        inside.append(row)
    sums = (
        f"{sum(int(row[column].replace(',', '')) for row in inside):,}"
        for column in (-2, -1)
    )
    last = inside[-1]
    return (_INDENT * depth + name, "block", *last[2:-_NUMBERS], *sums)


_INDENT = "  "


def _kind(layer: Layer) -> str:
    """Return what the table calls a layer; of quantized layers also their form."""
    kind, form = type(operation_of(layer)).__name__, form_of(layer)
    return f"{kind}, {form}" if form else kind


def _total(network: Network) -> tuple[str, ...]:
    frozen = sum(
        prod(w.shape)
        for w in network.weights
        if w.spec.is_parameter and not w.is_trainable
    )
    notes = {"frozen": frozen, "integer weights": network.integer_weight_count}
    note = ", ".join(f"{count:,} {name}" for name, count in notes.items() if count)
    count = f"{network.parameter_count:,}"
    return ("total", "", note, "", count, f"{network.multiply_adds:,}")


def _table(network: Network) -> list[tuple[str, ...]]:
    """Return header, a row per node, and the total; receptive fields only of images."""
    table = [HEADER, *_rows_in_blocks(network), _total(network)]
    if any(row[_FIELD] for row in table[1:]):
        return table
    return [row[:_FIELD] + row[_FIELD + 1 :] for row in table]


def text(network: Network) -> str:
    """Return the table as aligned text."""
    table = _table(network)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]

    def line(row: tuple[str, ...]) -> str:
        numbers = len(row) - _NUMBERS
        cells = (
            cell.ljust(width) if i < numbers else cell.rjust(width)
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
        numbers = len(cells) - _NUMBERS
        styled = (
            f'<{tag} style="text-align:{"left" if i < numbers else "right"}">'
            f"{escape.escape(cell).replace(_INDENT, '&nbsp;&nbsp;')}</{tag}>"
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(styled)}</tr>"

    header, *nodes, total = _table(network)
    body = "".join(row("td", cells) for cells in nodes)
    caption = escape.escape(network.name)
    return (
        f"<table><caption>{caption}</caption><thead>{row('th', header)}</thead>"
        f"<tbody>{body}</tbody><tfoot>{row('th', total)}</tfoot></table>"
    )
