"""The function of generated code that takes bytes: where it reads, what is said."""

from __future__ import annotations

from pellucid.network import Preprocessing


def pixel_place(how: Preprocessing, shape: tuple[int, ...]) -> str:
    """Return, as C and JavaScript, which byte becomes number ``i`` of the input."""
    if how.channel_order == "rgb":
        return "i"
    count = shape[-1]
    return f"i - i % {count} + {count - 1} - i % {count}"


def describe_pixels(prefix: str, how: Preprocessing) -> str:
    """Return the line of a header on the function, or why there is none."""
    if not how.is_known:
        return "   how bytes 0 ... 255 become the input is not known"
    function = f"{prefix}_predict_pixels"
    return f"   {function}  the same from bytes 0 ... 255, scaled as in training"
