"""Layers of one's own: NumPy methods that compiled code calls for a chunk of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.parameters import Layout
from pellucid.engines.compiled.program.callbacks import Array, Images, flat
from pellucid.engines.compiled.program.program_ir import BufferRef
from pellucid.engines.own_layers import (
    parameter_roles,
    run_backward,
    run_forward,
)
from pellucid.network.layers import Layer, Shape
from pellucid.network.node import Node

WHY = "called back: NumPy"


def weight_layout(shape: Shape) -> Layout:
    """Return how a weight lies: as it is."""
    return Layout(shape, shape, tuple(range(len(shape))))


@dataclass(frozen=True, slots=True)
class _Arrays:
    """What the methods are handed: inputs and weights."""

    layer: Layer
    shapes: tuple[Shape, ...]
    maps: tuple[Images, ...]
    weights: tuple[tuple[str, Shape], ...]

    def inputs(self, places: Sequence[int], images: int) -> list[Array]:
        pairs = zip(places, self.maps, self.shapes, strict=True)
        return [
            m.view(place, images).reshape(images, *shape).copy()
            for place, m, shape in pairs
        ]

    def by_role(self, places: Sequence[int]) -> dict[str, Array]:
        pairs = zip(places, self.weights, strict=True)
        return {role: _weight(place, shape) for place, (role, shape) in pairs}


def _weight(place: int, shape: Shape) -> Array:
    return flat(place, prod(shape)).reshape(shape)


@dataclass(eq=False, slots=True)
class ForwardCallback:
    """(inputs, weights, output) of some images."""

    given: _Arrays
    shape: Shape
    y: Images

    @property
    def arrays(self) -> int:
        """How many addresses it takes."""
        return len(self.given.maps) + len(self.given.weights) + 1

    def __call__(self, index: int, images: int, *places: int) -> None:
        """Write the output."""
        del index
        count = len(self.given.maps)
        weights = {
            role: array.copy()
            for role, array in self.given.by_role(places[count:-1]).items()
        }
        x = self.given.inputs(places[:count], images)
        y = run_forward(self.given.layer, x, weights, self.shape)
        to = self.y.view(places[-1], images)
        to[...] = y.reshape(to.shape)


@dataclass(eq=False, slots=True)
class BackwardCallback:
    """(inputs, weights, gradient, gradients of inputs, of weights) of some images."""

    given: _Arrays
    shape: Shape
    grad_y: Images
    #: which inputs' gradients are wanted, how they lie, whether to add
    targets: tuple[tuple[int, Images, bool], ...]
    #: the roles whose gradients are wanted
    trained: tuple[str, ...]

    @property
    def arrays(self) -> int:
        """How many addresses it takes."""
        given = self.given
        weights = len(given.weights) + len(self.trained)
        return len(given.maps) + weights + 1 + len(self.targets)

    def __call__(self, index: int, images: int, *places: int) -> None:
        """Write or add the gradients."""
        del index
        given, left = self.given, list(places)

        def take(count: int) -> list[int]:
            taken, left[:] = left[:count], left[count:]
            return taken

        x = given.inputs(take(len(given.maps)), images)
        weights = {
            role: array.copy()
            for role, array in given.by_role(take(len(given.weights))).items()
        }
        (grad,) = take(1)
        grad_y = self.grad_y.view(grad, images).reshape(images, *self.shape).copy()
        grads, by_role = run_backward(given.layer, x, weights, grad_y)
        for place, (i, m, accumulate) in zip(
            take(len(self.targets)), self.targets, strict=True
        ):
            to = m.view(place, images)
            mine = grads[i].reshape(to.shape)
            np.add(to, mine, out=to) if accumulate else np.copyto(to, mine)
        shapes = dict(given.weights)
        for role, place in zip(self.trained, left, strict=True):
            to = _weight(place, shapes[role])
            to += by_role[role]


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of a layer whose methods are called back."""
    layer, network = node.layer, low.network
    shapes = network.input_shapes(node)
    roles = [(spec.role, spec.shape) for spec in layer.weights(*shapes)]
    sources = [low.values[source] for source in node.inputs]
    given = _Arrays(layer, tuple(shapes), tuple(map(Images.of, sources)), tuple(roles))
    inputs = [BufferRef(value.buffer) for value in sources]
    weights = [low.weight(node, role) for role, _ in roles]
    y, shape = low.output(node.name), network.shapes[node.name]
    forward = ForwardCallback(given, shape, Images.of(y))
    low.call_back(
        forward, *inputs, *weights, BufferRef(y.buffer), node=node.name, why=WHY
    )

    def back() -> None:
        grad = low.grads[node.name]
        trained = parameter_roles(layer, shapes) if low.trains(node) else ()
        wanted, places = [], []
        for i, source in enumerate(node.inputs):
            if source in low.learners:
                to, accumulate = low.grad_target(source)
                wanted.append((i, Images.of(to), accumulate))
                places.append(BufferRef(to.buffer))
        if not wanted and not trained:
            return
        own = []
        for role in trained:
            low.clear_chunk_grad(node, role)
            own.append(low.chunk_grad(node, role))
        backward = BackwardCallback(
            given, shape, Images.of(grad), tuple(wanted), trained
        )
        low.call_back(
            backward,
            *inputs,
            *weights,
            BufferRef(grad.buffer),
            *places,
            *own,
            node=node.name,
            why=WHY,
        )

    low.on_back(node.name, back)
