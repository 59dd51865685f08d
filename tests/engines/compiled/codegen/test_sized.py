"""One function does for many sizes where sizes only bound its loops."""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Kernel, compiler
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.layout import ImageLayout


def copy_of(height: int, width: int, channels: int) -> copies.Copy:
    layout = ImageLayout(height, width, channels, channels)
    return copies.Copy(layout, layout, height, width, channels, 0, 0)


def kernels_of(*specs: copies.Copy) -> int:
    """Return how many functions calls of the copies need."""

    def calls(b: Builder, x: object, y: object, *, spec: None) -> None:
        del spec
        for each in specs:
            b.call(copies.copy, x, y, spec=each)  # type: ignore[arg-type]

    unit = compiler.new_module(target(), is_alone=True)
    unit.define("calls", Kernel("calls", (("x", "f32*"), ("y", "f32*")), calls), None)
    return len(unit.calls)


def test_copies_of_other_sizes_are_one_function():
    assert kernels_of(copy_of(3, 5, 16), copy_of(7, 1, 32), copy_of(1, 9, 48)) == 1


def test_what_is_left_of_a_vector_is_part_of_the_code():
    assert kernels_of(copy_of(3, 5, 16), copy_of(3, 5, 17)) == 2
