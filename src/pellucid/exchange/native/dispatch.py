"""Choose among code for several levels of x86-64 when a library is called.

The choice reads ``__cpu_model``, which GCC's and LLVM's runtime libraries fill and
which ``cc`` links: what processor and system have, both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import llvmlite.binding as llvm

from pellucid.exchange.native.targets import NativeTarget

#: features that a level needs beyond the one before: AVX2, FMA, BMI, BMI2; AVX512F, VL,
#: BW, DQ, CD; AVX512VNNI (GCC, cpuinfo.h). The first 32 are bits of
#: ``__cpu_model.__cpu_features[0]``, the next of ``__cpu_features2[0]``
_NEEDS = {
    "x86-64-v3": (10, 14, 16, 17),
    "x86-64-v4": (15, 20, 21, 22, 23),
    "x86-64-v4-vnni": (34,),
}

_LEVEL = """
target triple = "{triple}"
%model = type {{ i32, i32, i32, [1 x i32] }}
@__cpu_model = external hidden global %model
declare hidden i32 @__cpu_indicator_init()

define internal i32 @level() {{
  %ready = call i32 @__cpu_indicator_init()
  %place = getelementptr %model, ptr @__cpu_model, i32 0, i32 3, i32 0
  %has = load i32, ptr %place
{chosen}
}}
"""
_MORE = "@__cpu_features2 = external hidden global [1 x i32]\n"


def level_prefix(prefix: str, level: str) -> str:
    """Return what the names of a level's functions begin with: ``digits_v3``."""
    return f"{prefix}_{level.rpartition('-')[2]}"


def dispatcher(
    target: NativeTarget, prefix: str, functions: Mapping[str, Sequence[str]]
) -> bytes:
    """Return an object file whose functions call those of the best level there is.

    Parameters
    ----------
    target : NativeTarget
        Of several levels, the least first.
    prefix : str
        Of the functions.
    functions : mapping of str to sequence of str
        Each function's parameters as types of LLVM.
    """
    text = _LEVEL.format(triple=target.triple, chosen=_choose(target.levels))
    text += _MORE if "__cpu_features2" in text else ""
    for name, kinds in functions.items():
        text += _function(target.levels, prefix, name, kinds)
    machine = target.machine.open()
    module = llvm.parse_assembly(text)
    module.data_layout = str(machine.target_data)
    module.verify()
    return bytes(machine.emit_object(module))


def _choose(levels: Sequence[str]) -> str:
    """Return code that ends with the number of the best level."""
    lines, mask, best = [], 0, "0"
    for i, level in enumerate(levels[1:], 1):
        needs = _NEEDS[level]
        mask |= sum(1 << bit for bit in needs if bit < 32)
        more = sum(1 << bit - 32 for bit in needs if bit >= 32)
        lines += [
            f"  %and{i} = and i32 %has, {mask}",
            f"  %{'one' if more else 'is'}{i} = icmp eq i32 %and{i}, {mask}",
        ]
        if more:
            lines += [
                f"  %more{i} = load i32, ptr @__cpu_features2",
                f"  %rest{i} = and i32 %more{i}, {more}",
                f"  %two{i} = icmp eq i32 %rest{i}, {more}",
                f"  %is{i} = and i1 %one{i}, %two{i}",
            ]
        lines += [
            f"  %best{i} = select i1 %is{i}, i32 {i}, i32 {best}",
        ]
        best = f"%best{i}"
    return "\n".join([*lines, f"  ret i32 {best}"])


def _function(
    levels: Sequence[str], prefix: str, name: str, kinds: Sequence[str]
) -> str:
    given = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
    declared, cases, blocks = [], [], []
    for i, level in enumerate(levels):
        function = f"@{level_prefix(prefix, level)}_{name}"
        declared.append(f"declare void {function}({', '.join(kinds)})")
        cases.append(f"i32 {i}, label %level{i}")
        blocks.append(f"level{i}:\n  tail call void {function}({given})\n  ret void")
    return "\n".join(
        [
            *declared,
            f"define void @{prefix}_{name}({given}) {{",
            "  %level = call i32 @level()",
            f"  switch i32 %level, label %level0 [ {' '.join(cases[1:])} ]",
            *blocks,
            "}\n",
        ]
    )
