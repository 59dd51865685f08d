"""HTML elements as values."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | Iterable[Child] | None"
_VOID = {"meta", "link", "input", "line", "path", "rect", "circle", "polygon"}


def el(name: str, /, *children: Child, **attributes: object) -> Markup:
    """Return an element.

    Parameters
    ----------
    name : str
    *children
        Text is escaped, `Markup` taken as it is, sequences opened, None left out.
    **attributes
        ``class_`` is class, ``aria_label`` is aria-label; True gives the bare name,
        None and False leave it out.

    Examples
    --------
    >>> el("p", "1 < 2", class_="note")
    '<p class="note">1 &lt; 2</p>'
    """
    listed = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(
            f"<{name}{listed}>"
            if name in ("meta", "link", "input")
            else f"<{name}{listed}/>"
        )
    return Markup(f"<{name}{listed}>{flatten(children)}</{name}>")


def scroll(table: Markup, label: str) -> Markup:
    """Return a table that scrolls within the page, by keyboard too."""
    return el(
        "div", table, class_="scroll", tabindex=0, role="region", aria_label=label
    )


def flatten(child: Child) -> Markup:
    """Return children one after the other as HTML."""
    if child is None:
        return Markup("")
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return Markup(escape(child, quote=False))
    return Markup("".join(flatten(one) for one in child))


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    name = "viewBox" if name == "viewbox" else name
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
