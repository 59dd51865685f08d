"""Sizes of an input that a file leaves free, and that are named at import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from pellucid.errors import ExchangeError
from pellucid.network.layers import Shape

#: what the axes of an example are called, by their number
_WORDS = {
    1: ("length",),
    2: ("length", "channels"),
    3: ("height", "width", "channels"),
    4: ("depth", "height", "width", "channels"),
}
Shapes = Shape | tuple[Shape, ...]  # of the only input, or of each
Sizes = Sequence[int | None]  # of one example in a file; None where it is free


def close_sizes(
    name: str, sizes: Sizes, wanted: Shape | None, *, is_first: bool = False
) -> Shape:
    """Return one example's shape in the file, with free sizes as they are wanted.

    Parameters
    ----------
    name : str
        Of the input, for the error.
    sizes : sequence of int or None
        As the file has them, without the batch.
    wanted : tuple of int, optional
        Our shape: (height, width, channels), or (height, width) where the file has
        the channels.
    is_first : bool
        Whether the file has the channels first: images are (C, H, W).

    Raises
    ------
    ExchangeError
        If a size is free and none is named, or the file fixes another.
    """
    own = _turn(sizes) if is_first else tuple(sizes)
    if wanted is None:
        if None in own:
            _ask(name, own)
        closed = tuple(int(size or 0) for size in own)
    else:
        closed = _close(name, own, wanted)
    return (closed[-1], *closed[:-1]) if is_first else closed


def shapes_by_input(
    names: Sequence[str], wanted: Shapes | None
) -> dict[str, Shape | None]:
    """Return which shape is wanted of each input.

    Parameters
    ----------
    names : sequence of str
        The inputs, in the file's order.
    wanted : tuple of int, or tuple of tuples, optional
        The shape of the only input, or one for each.

    Raises
    ------
    ExchangeError
        If there are not as many shapes as inputs.
    """
    if wanted is None:
        return dict.fromkeys(names)
    is_one = all(isinstance(size, int) for size in wanted)
    shapes: list[Any] = [wanted] if is_one else list(wanted)
    if len(shapes) != len(names) or not all(
        isinstance(s, tuple | list) for s in shapes
    ):
        raise ExchangeError(
            "import: input_shape must be a shape for each of the file's inputs, "
            f"{', '.join(names)}; got {wanted}."
        )
    return {name: tuple(s) for name, s in zip(names, shapes, strict=True)}


def require_one_input(names: Sequence[str], wanted: Shapes | None) -> None:
    """Refuse a shape where it would not say which of several inputs it is of.

    Raises
    ------
    ExchangeError
        If there is one, and several inputs.
    """
    if wanted is not None and len(names) > 1:
        raise ExchangeError(
            "import: input_shape must be given for a file of one input; "
            f"got {len(names)}: {', '.join(names)}."
        )


def fits(sizes: Sizes, wanted: Shape) -> bool:
    """Return whether a shape is one that sizes of the same order leave open."""
    return len(sizes) == len(wanted) and all(
        size in (None, own) for size, own in zip(sizes, wanted, strict=True)
    )


def fits_first(sizes: Sizes, wanted: Shape | None) -> bool | None:
    """Return whether images are (C, H, W) by what is wanted; None if that is open."""
    if wanted is None or len(sizes) != 3:
        return None
    if len(wanted) == 2:
        first, last = fits(sizes[1:], wanted), fits(sizes[:2], wanted)
    else:
        first, last = fits(_turn(sizes), wanted), fits(sizes, wanted)
    return None if first == last else first


def _turn(sizes: Sizes) -> tuple[int | None, ...]:
    channels, *image = sizes
    return (*image, channels)


def _close(name: str, own: Sizes, wanted: Shape) -> Shape:
    if len(wanted) == len(own) - 1 and own[-1] is not None:
        wanted = (*wanted, own[-1])
    if len(wanted) != len(own) or min(wanted) < 1 or not fits(own, wanted):
        raise ExchangeError(
            f"import: input_shape must fit the input '{name}', which is {_show(own)}; "
            f"got {_show(wanted)}."
        )
    return tuple(int(size) for size in wanted)


def _ask(name: str, own: Sizes) -> NoReturn:
    words = _WORDS.get(len(own), tuple(f"size{i}" for i in range(1, len(own) + 1)))
    wanted = ", ".join(
        word if size is None else str(size)
        for word, size in zip(words, own, strict=True)
    )
    count = len(own) - 1 if len(own) == 3 and own[-1] is not None else len(own)
    option = ",".join(words[:count]).upper()
    comma = "," if len(own) == 1 else ""
    raise ExchangeError(
        f"import: the sizes of input '{name}' must be named, for the file leaves them "
        f"free; got {_show(own)}. Give --input-size {option} "
        f"(input_shape=({wanted}{comma}))."
    )


def _show(sizes: Sizes) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in sizes) + ")"
