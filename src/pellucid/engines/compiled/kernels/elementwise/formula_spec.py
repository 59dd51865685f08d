"""Description of a loss that is a formula: layouts, scratch memory, passes."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.network.expression.tape import Extent
from pellucid.network.expression.tensor_program import TensorProgram

SUMS = ("largest_channel", "sum", "sum_channels", "sum_positions")


@dataclass(frozen=True, slots=True)
class FormulaSpec:
    """A formula, how output and gradient lie, and the channels of the labels."""

    program: TensorProgram
    z: ImageLayout
    grad: ImageLayout
    label_channels: int

    @property
    def positions(self) -> int:
        """Positions of an example."""
        return self.z.height * self.z.width

    @property
    def goes_by_rows(self) -> bool:
        """Whether vectors are positions of a row, there being one channel of all."""
        widths = self.z.padded_channels, self.grad.padded_channels, self.label_channels
        return set(widths) == {1}

    def places(self) -> tuple[dict[int, int], int]:
        """Return where each sum's elements lie in the scratch memory, and its size.

        A sum over positions has its elements twice: those of a row wait behind.
        """
        found, at = {}, 0
        for i, made in enumerate(self.program.instructions):
            if made.operator in SUMS:
                found[i] = at
                extent = made.extent
                size = extent.channels * (
                    self.positions if extent.is_per_position else 1
                )
                at += 2 * size if made.operator == "sum_positions" else size
        return found, max(at, 1)

    def stages(self) -> list[list[int]]:
        """Return the sums that one pass makes, pass by pass."""
        instructions, levels = self.program.instructions, list[int]()
        groups: dict[tuple[int, Extent], list[int]] = {}
        for i, made in enumerate(instructions):
            level = max((levels[a] for a in made.arguments), default=0)
            if made.operator in SUMS:
                argument = instructions[made.arguments[0]].extent
                groups.setdefault((level, argument), []).append(i)
                level += 1
            levels.append(level)
        return [groups[key] for key in sorted(groups, key=lambda key: key[0])]
