"""A module cut in two: what needs all of LLVM's passes, and what needs few.

Most of a large network's code are register tiles and transforms, long runs of vector
instructions in which the loop passes of a full pipeline find nothing to do and spend
two thirds of the time to compile. They get seven passes, in a module of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection

#: the first line of a module that needs the few alone
_MARK = "; written out\n"
_NAME = re.compile(r'@"?([\w.]+)"?\(')
_DECLARED = re.compile(r"(?m)^declare .*$")
_ARGUMENT = re.compile(r'(?<=[\w*)]) %"[^"]+"')


def is_written_out(text: str) -> bool:
    """Return whether a module is the first part of `cut`, for which few passes do."""
    return text.startswith(_MARK)


def cut(text: str, names: Collection[str]) -> tuple[str, str]:
    """Cut a module in two: the functions that are named, and the others.

    Each part declares what the other defines; what is called from the other part
    becomes visible. Where no function is named, the first part is empty.
    `is_written_out` knows the first part again.
    """
    if not names:
        return "", text
    elsewhere = "\n".join(_DECLARED.findall(text)) + "\n"
    head, *functions = re.split(r"(?m)^(?=define )", _DECLARED.sub("", text))
    parts: list[list[str]] = [[], []]
    declared: list[list[str]] = [[], []]
    for function in functions:
        found = _NAME.search(function)
        place = 0 if found and found[1] in names else 1
        shown = function.replace("define internal", "define", 1)
        signature = shown[: shown.index("\n{")]
        parts[place].append(shown)
        declared[1 - place].append("declare" + _ARGUMENT.sub("", signature[6:]))
    first, second = (
        (_MARK, "")[i]
        + head
        + elsewhere
        + "\n".join(declared[i])
        + "\n"
        + "".join(parts[i])
        for i in (0, 1)
    )
    return first, second
