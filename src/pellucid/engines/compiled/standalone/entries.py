"""Functions of stand-alone code: initial state, prediction, activations, training."""

from __future__ import annotations

from math import prod
from typing import Any

from pellucid.engines.compiled.codegen import F32, I32, I64, Builder, Pointer, Value
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import Buffer, BufferRef
from pellucid.engines.compiled.standalone.constants import Constants
from pellucid.engines.compiled.standalone.memory import (
    LINE,
    Region,
    buffers_of,
    lay_out,
    share,
)
from pellucid.engines.compiled.standalone.team import Alone, Job
from pellucid.engines.compiled.standalone.writer import Find, Known
from pellucid.engines.ports import is_sum, loss_terms, port_name
from pellucid.objectives import Adam, CrossEntropy

#: bytes before the weights
HEADER = LINE
#: where the step stands there, and what says that weights are prepared: 64-bit integers
_STEP, _FRESH = 0, {"predict": 2, "activations": 3}
#: where 1 − βᵗ of Adam's betas stands: floats
_RESTS = 2, 3
_SESSION = ("weights", "slot0", "slot1", "grads")


class State:
    """What training keeps: weights, optimizer slots, gradients; bytes."""

    def __init__(self, count: int, slots: int) -> None:
        self.count = count
        length = padded(4 * count, LINE)
        self.starts = {"weights": HEADER}
        names = (*_SESSION[1 : 1 + slots], "grads")
        for i, name in enumerate(names):
            self.starts[name] = HEADER + (1 + i) * length
        for name in _SESSION:  # slots that no optimizer reads are nowhere
            self.starts.setdefault(name, self.starts["grads"])
        self.size = HEADER + (1 + len(names)) * length


class Entry:
    """A public function: its name, its parameters, and what writes its body."""

    name: str
    parameters: tuple[tuple[str, str], ...]

    def write(self, b: Builder, *arguments: Any, spec: None) -> None:
        """Write the function."""
        raise NotImplementedError


def _begin(b: Builder, memory: Pointer) -> Pointer:
    """Return the first cache line that begins in the caller's memory."""
    address = Value(b, b.ir.ptrtoint(memory.v, I64))
    return memory + ((b.i64(0) - address) & (LINE - 1))


def _numbers(low: LoweringContext, count: Value | int) -> dict[str, Known]:
    numbers: dict[str, Known] = {"count": count, "chunks": 1, "first": 0}
    for area in low.areas:
        if isinstance(count, int):
            numbers[f"numbers {area}"] = float(count * area)
        else:
            numbers[f"numbers {area}"] = _float(count.b, count * area)
    return numbers


def _float(b: Builder, number: Value) -> Value:
    """Return an integer as a float; 32 bits do, for which all processors have it."""
    return Value(b, b.ir.sitofp(b.ir.trunc(number.v, I32), F32))


class Initial(Entry):
    """``init``: weights as they were exported, everything else zero."""

    name, parameters = "init", (("memory", "i8*"),)

    def __init__(self, constants: Constants, state: State, size: int) -> None:
        self._constants, self._state, self._size = constants, state, size

    def write(self, b: Builder, *arguments: Any, spec: None) -> None:
        """Write the function."""
        del spec
        memory = _begin(b, arguments[0])
        b.call(copies.zero, memory.cast("f32"), spec=self._size // 4)
        weights = (memory + self._state.starts["weights"]).cast("f32")
        given = self._constants.place(b, "weights", self._constants.flat)
        with b.loop(self._state.count) as i:
            weights.store(given.load(i), i)


class Inference(Entry):
    """What predicts: weights are constants, or those that training has left."""

    def __init__(
        self,
        low: LoweringContext,
        constants: Constants,
        state: State | None,
        start: int,
        region: Region,
        team: Alone,
    ) -> None:
        self.low, self.start, self.region, self._team = low, start, region, team
        self._constants, self._state = constants, state
        self._prepared = {} if state else constants.prepare(low)
        if state is not None:
            self._keep_prepared()

    def _keep_prepared(self) -> None:
        """Give what is made of the weights a place that no image uses."""
        for phase in self.low.phases:
            for step in phase.steps() if phase.prepares else ():
                for buffer in buffers_of(step):
                    if buffer.scope == "session" or buffer in self.region.starts:
                        continue
                    more = lay_out([buffer], 1)
                    self.region.starts[buffer] = self.region.size
                    self.region.size += more.size

    def _find(self, memory: Pointer) -> Find:
        low, state = self.low, self._state

        def find(b: Builder, at: BufferRef) -> Pointer | None:
            if at.buffer in self._prepared:
                array = self._prepared[at.buffer]
                name = f"{self.name}.{at.buffer.name}.{low.buffers.index(at.buffer)}"
                place = self._constants.place(b, name, array)
                return place.cast(at.buffer.element) + at.offset
            if at.buffer.scope != "session":
                return None
            if state is None:
                return self._constants.weight(b, at.offset)
            place = (memory + state.starts[at.buffer.name]).cast("f32")
            return place + at.offset

        return find

    def _run(
        self, b: Builder, memory: Pointer, count: Value | int, users: dict[str, Pointer]
    ) -> None:
        numbers = {**_numbers(self.low, count), "is_one": 0, "is_many": 1}
        if count == 1 and not isinstance(count, Value):
            numbers |= {"is_one": 1, "is_many": 0}
        old = threads.flush_denormals(b)
        header, slot = memory.cast("i64"), _FRESH[self.name]
        job = Job(
            name=self.name,
            low=self.low,
            region=self.region,
            start=self.start,
            numbers=numbers,
            users=users,
            find=self._find,
            is_fresh=header.load(slot) if self._state else True,
        )
        self._team.run(b, memory, job)
        if self._state is not None:
            header.store(1, slot)
        threads.restore_denormals(b, old)


def _own(low: LoweringContext, *, prepared: bool) -> list[Buffer]:
    """Return the buffers that images pass; with those made of the weights, or not."""
    made = {
        b for p in low.phases if p.prepares for s in p.steps() for b in buffers_of(s)
    }
    kept = ("user", "session")
    return [
        b for b in low.buffers if b.scope not in kept and (prepared or b not in made)
    ]


class Predict(Inference):
    """``predict``: the inputs, the outputs, how many images if several, the memory."""

    name = "predict"

    def __init__(
        self,
        low: LoweringContext,
        constants: Constants,
        state: State | None,
        *,
        start: int,
        most: int,
        team: Alone,
    ) -> None:
        buffers = _own(low, prepared=False)
        if most == 1:  # one image is nothing to share
            region, team = share(low, buffers), Alone()
        else:
            region = team.lay_out(low, buffers, most)
        super().__init__(low, constants, state, start, region, team)
        network = low.network
        self._names = (
            *(port_name("images", network.inputs, name) for name in network.inputs),
            *(port_name("output", network.outputs, name) for name in network.outputs),
        )
        self._is_one = most == 1
        arrays = tuple((name.replace(" ", "_"), "f32*") for name in self._names)
        count = () if self._is_one else (("count", "n"),)
        self.parameters = (*arrays, *count, ("memory", "i8*"))

    def write(self, b: Builder, *arguments: Any, spec: None) -> None:
        """Write the function."""
        del spec
        count = 1 if self._is_one else arguments[-2]
        users = dict(zip(self._names, arguments, strict=False))
        self._run(b, _begin(b, arguments[-1]), count, users)


class Activations(Inference):
    """``activations``: the inputs and the memory, in which all outputs are left."""

    name = "activations"

    def __init__(
        self,
        low: LoweringContext,
        constants: Constants,
        state: State | None,
        *,
        start: int,
    ) -> None:
        region = lay_out(_own(low, prepared=False), 1)
        super().__init__(low, constants, state, start, region, Alone())
        inputs = low.network.inputs
        self._names = tuple(port_name("images", inputs, name) for name in inputs)
        arrays = tuple((name.replace(" ", "_"), "f32*") for name in self._names)
        self.parameters = (*arrays, ("memory", "i8*"))

    def write(self, b: Builder, *arguments: Any, spec: None) -> None:
        """Write the function."""
        del spec
        users = dict(zip(self._names, arguments, strict=False))
        self._run(b, _begin(b, arguments[-1]), 1, users)


class TrainStep(Entry):
    """``train_step``: images, labels, how many, the rate, the loss out, the memory.

    Labels are classes as 32-bit integers for cross-entropy, else numbers of the
    output's shape. The loss is the batch's before the update, as `Model.train_step`
    returns it.
    """

    name = "train_step"
    parameters = (
        ("images", "f32*"),
        ("labels", "f32*"),
        ("count", "n"),
        ("rate", "x"),
        ("loss", "f32*"),
        ("memory", "i8*"),
    )

    def __init__(
        self,
        low: LoweringContext,
        state: State,
        *,
        start: int,
        most: int,
        seed: int,
        team: Alone,
    ) -> None:
        self.low, self._state, self.start, self._seed = low, state, start, seed
        self._team = team
        network, loss = low.network, low.purpose.loss
        (self._term,) = loss_terms(network, loss)
        head = network.shapes[self._term.node]
        self._takes_classes = isinstance(self._term.loss, CrossEntropy)
        self._positions = prod(head[:-1] if self._takes_classes else head)
        self.region = team.lay_out(low, _own(low, prepared=True), most)
        self._places: dict[str, int] = {}
        sizes = {
            "output": 4 * prod(network.output_shape),
            "example_weight": 4,
            "losses": 4,
            "classes": 8 * self._positions if self._takes_classes else 0,
        }
        for name, size in sizes.items():
            self._places[name] = self.region.size
            self.region.size += padded(most * size, LINE)

    def write(self, b: Builder, *arguments: Any, spec: None) -> None:
        """Write the function."""
        del spec
        images, labels, count, rate, loss, given = arguments
        memory = _begin(b, given)
        own = memory + self.start
        places = {name: own + place for name, place in self._places.items()}
        old = threads.flush_denormals(b)
        self._weigh(b, places["example_weight"].cast("f32"), count)
        users = {**places, "images": images, "targets": labels}
        if self._takes_classes:
            self._widen(b, labels.cast("i32"), places["classes"].cast("i64"), count)
        header = memory.cast("i64")
        step = header.load(_STEP)
        header.store(step + 1, _STEP)
        for slot in _FRESH.values():  # what was made of the weights is old now
            header.store(0, slot)
        numbers = {
            **_numbers(self.low, count),
            "update": 1,
            "keeps_grads": 0,
            "has_classes": int(self._takes_classes),
            "has_targets": int(not self._takes_classes),
            "draws_masks": 1,
            "is_one": 0,
            "is_many": 1,
            "seed": self._seed - (1 << 64) if self._seed >= 1 << 63 else self._seed,
            "step": step,
            "rate": rate,
            **self._corrections(b, memory.cast("f32")),
        }
        state = self._state

        def find(memory: Pointer) -> Find:
            def place(b: Builder, at: BufferRef) -> Pointer | None:
                if at.buffer.scope != "session":
                    return None
                return (memory + state.starts[at.buffer.name]).cast("f32") + at.offset

            return place

        job = Job(
            name=self.name,
            low=self.low,
            region=self.region,
            start=self.start,
            numbers=numbers,
            users=users,
            find=find,
            is_fresh=False,
        )
        self._team.run(b, memory, job)
        threads.restore_denormals(b, old)
        self._sum_up(b, places, count, loss)

    def _weigh(self, b: Builder, weights: Pointer, count: Value) -> None:
        """Write what each example's loss counts."""
        each = b.f32(1.0)
        if not is_sum(self._term.loss):
            each = b.f32(1.0) / _float(b, count * self._positions)
        with b.loop(count) as i:
            weights.store(each, i)

    def _widen(self, b: Builder, labels: Pointer, wide: Pointer, count: Value) -> None:
        with b.loop(count * self._positions) as i:
            wide.store(b.i64(labels.load(i)), i)

    def _corrections(self, b: Builder, kept: Pointer) -> dict[str, Known]:
        """Return 1 / (1 − βᵗ) of Adam's betas.

        What is kept is c = 1 − βᵗ, by c ← β · c + (1 − β): so float32 keeps its digits
        where βᵗ is next to 1, and no processor needs doubles.
        """
        optimizer = self.low.purpose.optimizer
        limit = optimizer.clip_norm if optimizer is not None else None
        found: dict[str, Known] = {"limit": limit or 0.0}
        found |= {"correction1": 1.0, "correction2": 1.0}
        if isinstance(optimizer, Adam):
            betas = optimizer.beta1, optimizer.beta2
            for i, (slot, beta) in enumerate(zip(_RESTS, betas, strict=True), 1):
                rest = kept.load(slot) * beta + (1 - beta)
                kept.store(rest, slot)
                found[f"correction{i}"] = b.f32(1.0) / rest
        return found

    def _sum_up(
        self, b: Builder, places: dict[str, Pointer], count: Value, loss: Pointer
    ) -> None:
        """Return the loss: each example's times its weight, by Kahan's sum."""
        total, lost = b.var(0.0), b.var(0.0)
        losses, weights = (places[n].cast("f32") for n in ("losses", "example_weight"))
        with b.loop(count) as i:
            term = losses.load(i) * weights.load(i) - lost.get()
            old = total.get()
            new = old + term
            lost.set((new - old) - term)
            total.set(new)
        loss.store(total.get() * (0.5 if is_sum(self._term.loss) else 1.0))
