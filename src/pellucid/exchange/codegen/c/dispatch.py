"""C kernels for several kinds of vectors, of which the processor's own is chosen.

Their text is written once: each name with an @ gets the kind's ending, ``LEVEL`` is the
kind's number and ``TARGET`` stands before each function. With a compiler that was told
of SSE2 alone, as by default on x86, the other kinds are compiled as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: whether others are compiled beside the kind that the compiler was told of, BASE
_ASKED = """
#if BASE == 1 && defined(__SSE2__) && __STDC_HOSTED__ \\
    && !defined(PELLUCID_NO_DISPATCH) \\
    && (defined(__clang__) ? __clang_major__ >= 9 : __GNUC__ >= 9)
#define DISPATCH 1
#else
#define DISPATCH 0
#endif
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """The kinds of vectors that kernels are written for.

    Attributes
    ----------
    base : str
        C that defines BASE as the level of what the compiler was told of: 1 is the
        least that has vectors, 0 has none.
    others : dict of str to (int, str)
        Ending of names → level and instructions, the widest first.
    prelude : str
        C before the kernels of each kind.
    macros : tuple of str
        What it and the kernels define.
    """

    base: str
    others: dict[str, tuple[int, str]]
    prelude: str
    macros: tuple[str, ...]


def code_of(kinds: Kinds, text: str, names: Sequence[str]) -> list[str]:
    """Return the kernels' text for each kind, and macros that choose those named."""
    whole = kinds.prelude + text
    code = [kinds.base + _ASKED + "\n#if DISPATCH"]
    for ending, (level, instructions) in kinds.others.items():
        code += [
            f"#define LEVEL {level}",
            f'#define TARGET __attribute__((target("{instructions}")))',
            whole.replace("@", f"_{ending}"),
            *(f"#undef {name}" for name in ("LEVEL", "TARGET", *kinds.macros)),
        ]
    code += ["#endif", "#define LEVEL BASE", "#define TARGET"]
    code += [whole.replace("@", "_base"), _choice(kinds)]
    return [*code, *(f"#define {name} CHOOSE({name})" for name in names)]


def _choice(kinds: Kinds) -> str:
    """Return the macro that chooses a kernel."""
    rows = ["#if DISPATCH", "#define CHOOSE(kernel) \\", "    ( \\"]
    for ending, (_, instructions) in kinds.others.items():
        checks = [f'__builtin_cpu_supports("{n}")' for n in instructions.split(",")]
        rows.append(f"     {' && '.join(checks)} ? kernel##_{ending} : \\")
    rows += ["     kernel##_base)", "#else", "#define CHOOSE(kernel) kernel##_base"]
    return "\n".join([*rows, "#endif"])
