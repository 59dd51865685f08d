"""Programs of a session: compiled on demand, and what they are handed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.winograd.winograd_joined import IMAGES
from pellucid.engines.compiled.lowering.context import Purpose
from pellucid.engines.compiled.lowering.layers.loss_callback import LossCallback
from pellucid.engines.compiled.lowering.network import lower_network
from pellucid.engines.compiled.program.loss_reduction import (
    LossReduction,
    LossReductions,
)
from pellucid.engines.compiled.program.program import (
    MOST_SIZES,
    Program,
    address,
)
from pellucid.engines.compiled.program.spare_memories import SpareMemories
from pellucid.engines.compiled.session_weights import SessionWeights
from pellucid.engines.integer_networks import refuse_training
from pellucid.engines.loss_input import require
from pellucid.engines.ports import (
    LossTerm,
    inputs_of,
    loss_terms,
    port_name,
    split,
)
from pellucid.engines.protocol import Array, Arrays
from pellucid.errors import ShapeError
from pellucid.network import Network

#: what programs compute, in the line that says what is being compiled
SPOKEN = {
    "predict": "the prediction",
    "activations": "all activations",
    "train": "the training step",
    "vjp": "the gradients",
    "halves": "the forward and backward pass",
    "update": "the update of the weights",
}
#: bytes that chunks' own derivatives may take together
CHUNK_BYTES = 256 << 20
#: numbers of an image up to which it is copied to where it is predicted
SMALL = 4096


class OutputArrays(NamedTuple):
    """Where a step leaves its outputs, and the addresses by name."""

    arrays: list[Array]
    places: dict[str, int]


class OneImage(NamedTuple):
    """Where an image of microseconds is copied to, what predicts it, and to where."""

    x: Array
    predict: Callable[[], None]
    output: Array


class SessionPrograms(SessionWeights):
    """The programs of a session, and the arrays that they read and write."""

    def __init__(self, network: Network, **given: Any) -> None:
        self._memories: dict[Purpose, SpareMemories] = {}
        self._chunks: dict[tuple[int, bool], int] = {}
        self._outputs: dict[int, OutputArrays] = {}
        self._has_one = len(network.inputs) == len(network.outputs) == 1
        self._one_image = (1, *network.input_shape)
        self._quick: OneImage | None = None
        self._one_output = (1, *network.output_shape)
        super().__init__(network, **given)

    @property
    def threads(self) -> int:
        """How many workers there are, the caller included."""
        return self._pool.count

    @property
    def _training(self) -> Purpose:
        return Purpose(
            "train", is_training=True, loss=self._loss, optimizer=self._optimizer
        )

    def _program(self, purpose: Purpose) -> Program:
        if purpose.kind in ("train", "vjp"):
            refuse_training("compiled", self._network)
        if purpose.kind == "train":
            require("loss", self._loss)
        if purpose not in self._programs:
            low = lower_network(
                self._network,
                self._parameters,
                self._target,
                options=self._options,
                purpose=purpose,
            )
            name = f"{SPOKEN[purpose.kind]} of '{self._network.name}'"
            program = Program(low, self._pool, name=name)
            for buffer in low.buffers:
                if buffer.scope == "session":
                    program.point(buffer, self._vectors[buffer.name].ctypes.data)
            self._programs[purpose] = program
        return self._programs[purpose]

    @functools.cached_property
    def _predictor(self) -> Program:
        return self._program(Purpose("predict", is_training=False))

    def _quick_one(self) -> OneImage | None:
        """Return the way of an image that is sooner copied than asked for its address.

        None where there is no such way.
        """
        if prod(self._one_image) > SMALL or not self._predictor.is_quick:
            return None
        x, output = (
            np.zeros(shape, np.float32) for shape in (self._one_image, self._one_output)
        )
        predict = self._predictor.one_at(address(x), address(output))
        return OneImage(x, predict, output)

    @functools.cached_property
    def _trainer(self) -> Program:
        return self._program(self._training)

    @functools.cached_property
    def _tallies(self) -> tuple[LossReductions, ...]:
        terms = loss_terms(self._network, require("loss", self._loss))
        rule = self._options.keras_rules
        return tuple(
            LossReductions(self._network, term, divides_by_count=rule) for term in terms
        )

    def _checked(self, images: Arrays) -> list[Array]:
        """Return the arrays of all inputs as the programs read them."""
        network, found = self._network, []
        given = getattr(images, "shape", ())
        if self._has_one and given[1:] == self._one_image[1:]:
            return [np.ascontiguousarray(images, np.float32)]
        for name, array in zip(network.inputs, inputs_of(network, images), strict=True):
            x = np.ascontiguousarray(array, np.float32)
            if x.shape[1:] != network.shapes[name]:
                which = "images" if len(network.inputs) == 1 else f"input '{name}'"
                raise ShapeError(
                    f"{which}: must have shape (N, {_list(network.shapes[name])}); "
                    f"got shape={x.shape}."
                )
            found.append(x)
        return found

    def _checked_grads(self, who: str, grads: Arrays, count: int) -> list[Array]:
        """Return gradients with respect to the outputs as the programs read them."""
        network = self._network
        given = split("grad_output", network.outputs, grads)
        kept = [np.ascontiguousarray(grad, np.float32) for grad in given]
        for name, grad in zip(network.outputs, kept, strict=True):
            wanted = (count, *network.shapes[name])
            if grad.shape != wanted:
                raise ShapeError(
                    f"{who}: grad_output must have the output's shape {wanted}; "
                    f"got shape={grad.shape}."
                )
        return kept

    def _give_images(self, program: Program, images: list[Array]) -> None:
        if self._has_one:  # as a name costs what a small network's layer does
            program.place({"images": address(images[0])})
        else:
            program.place(addresses("images", self._network.inputs, images))

    def _give_labels(
        self, program: Program, term: LossTerm, labels: Any, count: int
    ) -> None:
        """Hand labels to a loss that is called back."""
        for function in program.low.callbacks.values():
            if isinstance(function, LossCallback) and function.loss is term.loss:
                shape = (count, *function.shape)
                function.labels = term.loss.check_labels(np.asarray(labels), shape)

    def _give_targets(
        self,
        program: Program,
        output: str,
        tally: LossReduction,
        targets: dict[str, Array],
    ) -> None:
        names = self._network.outputs
        places = {**tally.places, **{k: address(a) for k, a in targets.items()}}
        flags = {"has_classes": int(not targets), "has_targets": len(targets)}
        if len(names) > 1:
            places = {port_name(k, names, output): p for k, p in places.items()}
            flags = {port_name(k, names, output): n for k, n in flags.items()}
            flags = {k: n for k, n in flags.items() if k in program.low.flags}
        program.place(places)
        program.set(**flags)

    def _give_masks(
        self, program: Program, masks: Mapping[str, Array] | None, count: int
    ) -> None:
        low = program.low
        if not low.masks:
            return
        seed = self._parts.seed
        program.set(
            seed=seed - (1 << 64) if seed >= 1 << 63 else seed,
            step=self._parts.step,
            draws_masks=int(masks is None),
        )
        for name, value in low.masks.items():
            if masks is None:
                continue
            rows = program.array(value.buffer, count)
            place = inside(rows, value.map)
            place[...] = np.asarray(masks[name], np.float32).reshape(place.shape)

    def _output_arrays(self, count: int) -> OutputArrays:
        """Return arrays for a step's outputs, kept for batches of that size."""
        if count not in self._outputs:
            if len(self._outputs) >= MOST_SIZES:
                self._outputs.clear()
            names = self._network.outputs
            arrays = [
                np.zeros((count, *self._network.shapes[name]), np.float32)
                for name in names
            ]
            places = addresses("output", names, arrays)
            self._outputs[count] = OutputArrays(arrays, places)
        return self._outputs[count]

    def _chunk(self, program: Program, count: int) -> int:
        """Return how many images a fine task takes; bits depend on it."""
        key = count, program.low.joins_images
        if key not in self._chunks:
            threads = self._pool.count
            chunks = 4 * threads if threads > 1 else 1
            each = 4 * self._parameters.chunk_size
            if chunks * each > CHUNK_BYTES:
                chunks = threads
            images = max(1, -(-count // chunks))
            if program.low.joins_images:  # as many as go together, if all have some
                images = max(images, min(IMAGES, -(-count // threads)))
            self._chunks[key] = images
        return self._chunks[key]

    def _none(self, node: str) -> Array:
        """Return a node's output for no images."""
        return np.empty((0, *self._network.shapes[node]), np.float32)

    def _reserve(self, program: Program, count: int) -> None:
        chunk = self._chunk(program, count)
        program.reserve(count, -(-count // chunk))


def addresses(
    what: str, names: Sequence[str], arrays: Sequence[Array]
) -> dict[str, int]:
    """Return where the arrays of inputs or outputs lie, by the programs' names."""
    return {
        port_name(what, names, name): address(array)
        for name, array in zip(names, arrays, strict=True)
    }


def inside(rows: Array, m: ImageLayout) -> Array:
    """Return an image buffer's numbers without sides and padding, as a view."""
    whole = rows[:, : m.size].reshape(
        len(rows), -1, m.row // m.padded_channels, m.padded_channels
    )
    top, left = m.halo[0][0], m.halo[1][0]
    return whole[:, top : top + m.height, left : left + m.width, : m.channels]


def _list(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
