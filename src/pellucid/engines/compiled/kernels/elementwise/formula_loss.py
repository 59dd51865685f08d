"""Losses that are formulas: sums over an example in stages, then the gradient.

A stage is one pass over the example, which makes all sums that need nothing but
earlier ones. What is computed of each element is computed again in each pass.
"""

from __future__ import annotations

from collections.abc import Callable

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    Var,
    kernel,
)
from pellucid.engines.compiled.kernels.elementwise import expressions
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.elementwise.formula_spec import (
    SUMS,
    FormulaSpec,
)
from pellucid.network.expression.tape import Extent, Instruction


@kernel(z="f32*", labels="f32*", weight="f32*", loss="f32*", grad="f32*", sums="f32*")
def formula_loss(
    b: Builder,
    z: Pointer,
    labels: Pointer,
    weight: Pointer,
    loss: Pointer,
    grad: Pointer,
    sums: Pointer,
    *,
    spec: FormulaSpec,
) -> None:
    """loss = the formula of one example; grad = weight times its gradient."""
    writer = _Writer(b, spec, z, labels, sums)
    for stage in spec.stages():
        writer.write_stage(stage)
    loss.store(writer.value(spec.program.loss, None, 0, 1)[0])
    _write_gradient(b, spec, writer, weight.load(), grad)


class _Position:
    """One position of an example: its number, and where its tensors lie."""

    def __init__(self, number: Value, leaves: dict[str, Pointer]) -> None:
        self.number, self.leaves = number, leaves


class _Writer:
    """Writes passes over an example."""

    def __init__(
        self, b: Builder, spec: FormulaSpec, z: Pointer, labels: Pointer, sums: Pointer
    ) -> None:
        self._b, self._spec, self._sums = b, spec, sums
        self._z, self._labels = z, labels
        self._places, _ = spec.places()
        self._instructions = spec.program.instructions

    def position(self, i: Number, j: Number) -> _Position:
        """Return a position by row and column."""
        b, spec = self._b, self._spec
        row = i if isinstance(i, Value) else b.i64(i)
        number = row * spec.z.width + j
        at = row * spec.z.row + j * spec.z.padded_channels + spec.z.at(0, 0)
        target = self._labels + number * spec.label_channels
        return _Position(number, {"output": self._z + at, "target": target})

    def value(
        self, i: int, position: _Position | None, channel: Number, lanes: int
    ) -> Value:
        """Return an instruction's value for a vector of channels."""
        return self.values([i], position, channel, lanes)[0]

    def values(
        self, wanted: list[int], position: _Position | None, channel: Number, lanes: int
    ) -> list[Value]:
        """Return several instructions' values for a vector of channels."""
        b, instructions = self._b, self._instructions
        like, done, needed = b.zeros(lanes), dict[int, Number](), set(wanted)
        for i in reversed(range(max(wanted) + 1)):
            if i in needed and instructions[i].operator not in SUMS:
                needed.update(instructions[i].arguments)
        for i in sorted(needed):
            made = instructions[i]
            if made.operator == "constant":
                done[i] = float(made.value)
            elif made.operator == "constant_of":
                done[i] = done[made.arguments[0]]
            elif made.operator == "leaf" or made.operator in SUMS:
                place, first = self._place(i, made, position)
                is_row = self._spec.goes_by_rows and made.operator == "leaf"
                is_one = made.extent.channels == 1 and not is_row
                at = channel + first if isinstance(channel, Value) else first + channel
                done[i] = (
                    place.splat(first, lanes=lanes)
                    if is_one
                    else place.vector(at, lanes=lanes)
                )
            else:
                given = [done[a] for a in made.arguments]
                done[i] = expressions.apply(b, made.operator, given, like)
        return [b.like(done[i], like) for i in wanted]

    def _place(
        self, i: int, made: Instruction, position: _Position | None
    ) -> tuple[Pointer, Number]:
        if made.operator == "leaf":
            name, start, _ = made.value
            if position is None:
                raise TypeError(name)
            return position.leaves[name], start
        place = self._sums + self._places[i]
        if made.extent.is_per_position:
            if position is None:
                raise TypeError(made)
            return place + position.number * made.extent.channels, 0
        return place, 0

    def each_channel(self, count: int, body: Callable[[Number, int], None]) -> None:
        """Call body(first channel, lanes) for all channels."""
        for start, lanes, many in spans(count, self._b.lanes):
            if many == 1:
                body(start, lanes)
                continue
            with self._b.loop(many) as k:
                body(k * lanes + start, lanes)

    def write_stage(self, stage: list[int]) -> None:
        """Write one pass: all sums of it, of values of one extent."""
        b, sums = self._b, self._sums
        extent = self._instructions[self._instructions[stage[0]].arguments[0]].extent
        if extent.is_per_position and self._spec.goes_by_rows:
            self._write_row_stage(stage)
            return
        wholes = {i: b.var(b.f32(0.0)) for i in stage if self._operator(i) == "sum"}
        by_position = [i for i in stage if self._operator(i) == "sum_positions"]
        for i in by_position:
            _clear(b, sums + self._places[i], extent.channels)
        if not extent.is_per_position:
            self._write_position(stage, None, extent, wholes, wholes)
        else:
            with b.loop(self._spec.z.height) as row:
                rows = {i: b.var(b.f32(0.0)) for i in wholes}
                for i in by_position:
                    _clear(b, self._row(i), extent.channels)
                with b.loop(self._spec.z.width) as column:
                    place = self.position(row, column)
                    self._write_position(stage, place, extent, rows, wholes)
                for i, whole in wholes.items():
                    whole.add(rows[i].get())
                for i in by_position:
                    self._add_row(i, extent.channels)
        for i, whole in wholes.items():
            (sums + self._places[i]).store(whole.get())

    def _write_row_stage(self, stage: list[int]) -> None:
        """Write one pass of sums over positions of one channel, vectors of each row."""
        b = self._b
        arguments = [self._instructions[i].arguments[0] for i in stage]
        wholes = [b.var(b.f32(0.0)) for _ in stage]
        with b.loop(self._spec.z.height) as row:
            rows, place = [b.var(b.f32(0.0)) for _ in stage], self.position(row, 0)

            def add(start: Number, lanes: int) -> None:
                found = self.values(arguments, place, start, lanes)
                for var, value in zip(rows, found, strict=True):
                    var.add(b.total(value))

            self.each_channel(self._spec.z.width, add)
            for whole, var in zip(wholes, rows, strict=True):
                whole.add(var.get())
        for i, whole in zip(stage, wholes, strict=True):
            (self._sums + self._places[i]).store(whole.get())

    def _operator(self, i: int) -> str:
        return self._instructions[i].operator

    def _row(self, i: int) -> Pointer:
        """Return where a sum over the positions of one row waits."""
        return self._sums + (self._places[i] + self._instructions[i].extent.channels)

    def _add_row(self, i: int, channels: int) -> None:
        whole, row = self._sums + self._places[i], self._row(i)

        def add(start: Number, lanes: int) -> None:
            total = whole.vector(start, lanes=lanes) + row.vector(start, lanes=lanes)
            whole.store(total, start)

        self.each_channel(channels, add)

    def _write_position(
        self,
        stage: list[int],
        position: _Position | None,
        extent: Extent,
        rows: dict[int, Var],
        wholes: dict[int, Var],
    ) -> None:
        """Add one position's channels to all sums of a pass."""
        b = self._b
        arguments = [self._instructions[i].arguments[0] for i in stage]
        begin = {"sum_channels": 0.0, "largest_channel": float("-inf")}
        own = {
            i: b.var(b.f32(begin[self._operator(i)]))
            for i in stage
            if self._operator(i) in begin
        }

        def add(start: Number, lanes: int) -> None:
            found = self.values(arguments, position, start, lanes)
            for i, value in zip(stage, found, strict=True):
                operator = self._operator(i)
                if operator == "sum":
                    rows[i].add(b.total(value))
                elif operator == "sum_channels":
                    own[i].add(b.total(value))
                elif operator == "sum_positions":
                    place = self._row(i)
                    place.store(place.vector(start, lanes=lanes) + value, start)
                else:
                    largest = own[i].get()
                    for lane in range(lanes):
                        largest = b.maximum(largest, value[lane])
                    own[i].set(largest)

        self.each_channel(extent.channels, add)
        for i, var in own.items():
            place = self._sums + self._places[i]
            if position is not None:
                place = place + position.number
            place.store(var.get())


def _write_gradient(
    b: Builder, spec: FormulaSpec, writer: _Writer, weight: Value, grad: Pointer
) -> None:
    """Write weight · gradient, and zeros where memory has channels beyond the true."""
    pieces, channels = spec.program.gradients, spec.z.channels
    if spec.goes_by_rows and pieces:
        with b.loop(spec.z.height) as i:
            row = writer.position(i, 0)
            to = grad + (i * spec.grad.row + spec.grad.at(0, 0))
            _write_piece(b, writer, (pieces[0][2], row), weight, to, spec.z.width)
        return
    is_whole = len(pieces) == 1 and pieces[0][:2] == (0, channels)
    with b.loop(spec.z.height) as i, b.loop(spec.z.width) as j:
        position = writer.position(i, j)
        to = grad + (
            i * spec.grad.row + j * spec.grad.padded_channels + spec.grad.at(0, 0)
        )
        first = channels if is_whole else 0
        _clear(b, to + first, spec.grad.padded_channels - first)
        for start, stop, made in pieces:
            size = stop - start
            _write_piece(b, writer, (made, position), weight, to + start, size)


def _write_piece(
    b: Builder,
    writer: _Writer,
    made: tuple[int, _Position],
    weight: Value,
    to: Pointer,
    channels: int,
) -> None:
    """Add the gradient of some channels of one position."""
    is_whole = len(writer._spec.program.gradients) == 1

    def add(start: Number, lanes: int) -> None:
        value = writer.value(*made, start, lanes) * weight
        if not is_whole:
            value = value + to.vector(start, lanes=lanes)
        to.store(value, start)

    writer.each_channel(channels, add)


def _clear(b: Builder, place: Pointer, count: int) -> None:
    for start, lanes, many in spans(count, b.lanes):
        with b.loop(many) as k:
            place.store(b.zeros(lanes), k * lanes + start)
