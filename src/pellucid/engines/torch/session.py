"""Network with weights on PyTorch: the contract of a session."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from pellucid.engines.distributed import ALONE, BatchShard, ProcessGroup
from pellucid.engines.framework_layers.torch_layout import Layout, attribute_of
from pellucid.engines.framework_options import Options
from pellucid.engines.framework_session import FrameworkSession
from pellucid.engines.loss_input import require
from pellucid.engines.loss_labels import arranged_labels
from pellucid.engines.ports import (
    LossTerm,
    count_of,
    inputs_of,
    join,
    labels_of,
    sample_weights_of,
    split,
)
from pellucid.engines.protocol import Array, Arrays, StepResult
from pellucid.engines.saved_forward import SavedForward
from pellucid.engines.state import UnpackedState
from pellucid.engines.torch.layers import NetworkModule, attribute
from pellucid.engines.torch.loss import loss_value
from pellucid.engines.torch.optimizer import (
    RATE_FACTOR,
    SLOTS,
    clip,
    fill_slots,
    make_optimizer,
)
from pellucid.engines.torch.own import OwnModule, own_attribute
from pellucid.engines.torch.parallel import Parallel
from pellucid.network import Network
from pellucid.network.fake_quantization import plain_network
from pellucid.objectives import Loss, Optimizer

Values = dict[str, Tensor]


class TorchSession(FrameworkSession):
    """A network that runs on PyTorch.

    Attributes
    ----------
    native : NetworkModule
        The `nn.Module`; what is done to it is done to the session.
    """

    def __init__(
        self,
        network: Network,
        parts: UnpackedState,
        *,
        loss: Loss | None,
        optimizer: Optimizer | None,
        dtype: str,
        options: Options,
        world: ProcessGroup = ALONE,
    ) -> None:
        super().__init__(network, loss, optimizer, dtype, world)
        self._options, self._layout = options, Layout(plain_network(network))
        #: the nodes whose values a step needs
        self._kept = tuple(
            {t.node: 0 for t in self._terms} | dict.fromkeys(network.outputs, 0)
        )
        self.native = NetworkModule(network, self._layout)
        self.native.to(options.device, _torch_dtype(self._dtype))
        # oneDNN is about 1.4 times as fast with the channels last in memory
        self.native.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._tensors = {w.name: self._find(w.name) for w in network.weights}
        self._parameters: dict[str, nn.Parameter] = {
            w.name: self._tensors[w.name]  # type: ignore[misc]
            for w in network.parameters
        }
        self._native_optimizer = (
            make_optimizer(optimizer, network, self._parameters)
            if optimizer and self._parameters
            else None
        )
        values = self.native.values
        self._values: Callable[..., Values] = (
            torch.compile(values) if options.compile else values
        )
        self._take(parts)

    @functools.cached_property
    def _parallel(self) -> Parallel:
        """The module as all processes run it; they meet here for the first time."""
        has_unused = len(self._terms) < len(self.network.outputs)
        return Parallel(
            self.native, self._values, self._kept, self._world, has_unused=has_unused
        )

    def _find(self, name: str) -> Tensor:
        node, role = name.split(".")
        module = self.native.get_submodule(attribute(node))
        if isinstance(module, OwnModule):
            attribute_name = own_attribute(role)
        else:
            attribute_name = attribute_of(self.network.node(node).layer, role)
        tensor: Tensor = getattr(module, attribute_name)
        return tensor

    def predict(self, images: Arrays) -> Arrays:
        """Return the network's output in inference mode, shape (N, …)."""
        self.native.train(False)
        with torch.inference_mode(), self._arithmetic():
            values = self._values(self._input(images), keep=self.network.outputs)
        return self._outputs(values)

    def _outputs(self, values: Values) -> Arrays:
        return join([self._out(name, values[name]) for name in self.network.outputs])

    def train_step(
        self,
        images: Arrays,
        labels: Arrays,
        *,
        learning_rate: float,
        sample_weight: Arrays | None = None,
        masks: Mapping[str, Array] | None = None,
        part: BatchShard | None = None,
    ) -> StepResult:
        """Change weights, buffers and optimizer slots by one update."""
        require("optimizer", self.optimizer)
        if not self.native.training:  # walking through all modules takes its time
            self.native.train(True)
        if self._native_optimizer is not None:  # the forward pass has the memory
            self._native_optimizer.zero_grad(set_to_none=True)
        count = count_of(self.network, images)
        given = self._masks(count, masks, start=part.start if part else 0)
        x = self._input(images)
        with self._arithmetic():
            if part is None:
                values = self._values(x, given, keep=self._kept)
            else:
                values = self._parallel.values(x, given)
        total = part.total if part else None
        losses = self._losses(values, labels, sample_weight, total=total)
        if self._native_optimizer is not None:
            self._update(self._sum(losses), learning_rate, part)
        self._step += 1
        self._version += 1
        found = {name: loss.item() for name, loss in losses.items()}
        return self._result(found, self._outputs(values))

    def _update(
        self, loss: Tensor, learning_rate: float, part: BatchShard | None
    ) -> None:
        native, optimizer = self._native_optimizer, self.optimizer
        if part is None:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            self._parallel.backward(loss)
        for parameter in self._parameters.values():
            if parameter.grad is None:  # behind no loss; it still decays
                parameter.grad = torch.zeros_like(parameter)
        if optimizer.clip_norm is not None:  # type: ignore[union-attr]
            gradients = [p.grad for p in self._parameters.values()]
            clip(gradients, optimizer.clip_norm)  # type: ignore[arg-type, union-attr]
        for group in native.param_groups:  # type: ignore[union-attr]
            group["lr"] = learning_rate * group[RATE_FACTOR]
        native.step()  # type: ignore[union-attr]

    def activations(
        self, images: Arrays, *, training: bool = False
    ) -> dict[str, Array]:
        """Return every node's output by name."""
        with torch.no_grad():
            values = self._values_aside(self._input(images), training=training)
        return {n.name: self._out(n.name, values[n.name]) for n in self.network.nodes}

    def gradients(
        self, images: Arrays, labels: Arrays, *, sample_weight: Arrays | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient of each parameter, in training mode."""
        values = self._values_aside(self._input(images), training=True)
        loss = self._sum(self._losses(values, labels, sample_weight))
        if not self._parameters:
            return loss.item(), {}
        parameters = list(self._parameters.values())
        grads = torch.autograd.grad(loss, parameters, materialize_grads=True)
        return loss.item(), self._gradients_out(grads)

    def vjp(
        self, images: Arrays, grad_output: Arrays, *, training: bool = True
    ) -> tuple[Arrays, dict[str, Array]]:
        """Return the VJP: gradients with respect to the images and the parameters."""
        network = self.network
        inputs = tuple(x.requires_grad_() for x in self._input(images))
        values = self._values_aside(inputs, training=training)
        grads = self._pull_back(values, inputs, grad_output)
        grad_x = [self._out(n, g) for n, g in zip(network.inputs, grads, strict=False)]
        return join(grad_x), self._gradients_out(grads[len(inputs) :])

    def forward(
        self, images: Arrays, training: bool, *, input_gradient: bool = True
    ) -> tuple[Arrays, SavedForward]:
        """Return the output, and what `backward` needs; in training buffers move."""
        self.native.train(training)
        masks = self._masks(count_of(self.network, images), None) if training else {}
        inputs = self._input(images)
        if input_gradient:
            inputs = tuple(x.requires_grad_() for x in inputs)
        with self._arithmetic():
            values = self._values(inputs, masks, keep=self.network.outputs)
        self._step += training
        wanted = inputs if input_gradient else ()
        saved = SavedForward(self, self._version, (values, wanted))
        return self._outputs(values), saved

    def backward(
        self, saved: SavedForward, grad_output: Arrays
    ) -> tuple[Arrays | None, dict[str, Array]]:
        """Return the gradients with respect to the images and the parameters."""
        values, inputs = saved.open(self, "torch", self._version)
        grads = self._pull_back(values, inputs, grad_output)
        grad_x = [
            self._out(n, g)
            for n, g in zip(self.network.inputs, grads[: len(inputs)], strict=False)
        ]
        return join(grad_x) if inputs else None, self._gradients_out(
            grads[len(inputs) :]
        )

    def _pull_back(
        self, values: Values, inputs: tuple[Tensor, ...], grad_output: Arrays
    ) -> tuple[Tensor, ...]:
        """Return the gradients with respect to inputs and parameters, zeros where none.

        The graph stays, for other backward passes.
        """
        network, wanted = self.network, [*inputs, *self._parameters.values()]
        given = split("grad_output", network.outputs, grad_output)
        seeds = [
            self._tensor(self._layout.value_in(name, np.asarray(grad)))
            for name, grad in zip(network.outputs, given, strict=True)
        ]
        outputs = [values[name] for name in network.outputs]
        if not wanted or not any(y.requires_grad for y in outputs):
            return tuple(torch.zeros_like(tensor) for tensor in wanted)
        return torch.autograd.grad(
            outputs,
            wanted,
            [seed.to(y.dtype) for seed, y in zip(seeds, outputs, strict=True)],
            retain_graph=True,
            materialize_grads=True,
        )

    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes."""
        weights = {n: self._weight_out(n, t) for n, t in self._tensors.items()}
        slots: dict[str, dict[str, Array]] = {}
        for slot in self.optimizer.slots if self.optimizer else ():
            slots[slot] = {
                name: self._weight_out(
                    name,
                    self._native_optimizer.state[p][SLOTS[slot]],  # type: ignore[union-attr]
                )
                for name, p in self._parameters.items()
            }
        return self._packed(weights, slots)

    def _take(self, parts: UnpackedState) -> None:
        super()._take(parts)
        with torch.no_grad():
            for name, array in parts.weights.items():
                self._tensors[name].copy_(self._weight_in(name, array))
        if self._native_optimizer is None:
            return
        for name, parameter in self._parameters.items():
            mine = {s: self._weight_in(name, a[name]) for s, a in parts.slots.items()}
            fill_slots(self._native_optimizer, parameter, mine, step=parts.step)

    def _values_aside(self, images: tuple[Tensor, ...], *, training: bool) -> Values:
        """Return every value, run on copies of its buffers, so that nothing changes."""
        self.native.train(training)
        masks = self._masks(len(images[0]), None) if training else {}
        copies = {name: b.clone() for name, b in self.native.named_buffers()}
        with self._arithmetic():
            values: Values = functional_call(
                _AllValues(self.native),
                {f"module.{name}": copy for name, copy in copies.items()},
                (images, masks),
            )
        return values

    def _losses(
        self,
        values: Values,
        labels: Arrays,
        sample_weight: Arrays | None,
        *,
        total: float | None = None,
    ) -> Values:
        """Return the loss of each output that has one."""
        require("loss", self.loss)
        targets = labels_of(self.network, labels)
        weights = sample_weights_of(self.network, sample_weight)
        found: Values = {}
        for term in self._terms:
            z = values[term.node]
            z = z.float() if z.dtype == torch.bfloat16 else z
            given = weights[term.index]
            weight = None if given is None else self._tensor(given)
            y = self._labels(term, z, targets[term.index])
            found[term.output] = loss_value(term.loss, z, y, weight, total=total)
        return found

    def _sum(self, losses: Values) -> Tensor:
        """Return the loss that is trained on: the outputs' by their weights."""
        parts = [
            losses[t.output] if t.weight == 1 else t.weight * losses[t.output]
            for t in self._terms
        ]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()

    def _labels(self, term: LossTerm, z: Tensor, labels: Array) -> Tensor:
        own = arranged_labels(self.network, term, labels, self._dtype)
        if own is not None:
            return torch.tensor(own, device=z.device)
        shape = (len(labels), *self.network.shapes[term.output])
        if term.loss.absorbs == "Softmax" and labels.shape != shape:
            classes = torch.from_numpy(_writable(labels, np.dtype(np.int64)))
            return classes.to(z.device)
        return self._tensor(self._layout.value_in(term.node, labels.reshape(shape)))

    def _masks(
        self, count: int, masks: Mapping[str, Array] | None, *, start: int = 0
    ) -> Values:
        given = self._drawn_masks(count, start) if masks is None else masks
        return {
            name: self._tensor(self._layout.value_in(name, np.asarray(mask)))
            for name, mask in given.items()
        }

    def _arithmetic(self) -> contextlib.AbstractContextManager[Any]:
        if not self._options.is_mixed:
            return contextlib.nullcontext()
        kind = torch.device(self._options.device).type
        return torch.autocast(kind, torch.bfloat16)

    def _input(self, images: Arrays) -> tuple[Tensor, ...]:
        pairs = zip(self.network.inputs, inputs_of(self.network, images), strict=True)
        return tuple(
            self._tensor(self._layout.value_in(name, array)) for name, array in pairs
        )

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(_writable(array, self._dtype)).to(self._options.device)

    def _out(self, node: str, value: Tensor) -> Array:
        array = self._layout.value_out(node, _to_numpy(value))
        return np.ascontiguousarray(array, self._dtype)

    def _weight_in(self, name: str, array: Array) -> Tensor:
        native = self._layout.weight_in(name, array)
        return torch.from_numpy(np.ascontiguousarray(native))

    def _weight_out(self, name: str, tensor: Tensor) -> Array:
        array = self._layout.weight_out(name, _to_numpy(tensor))
        return np.array(array, self._dtype, order="C")

    def _gradients_out(self, grads: tuple[Tensor, ...]) -> dict[str, Array]:
        pairs = zip(self._parameters, grads, strict=True)
        return {name: self._weight_out(name, grad) for name, grad in pairs}


class _AllValues(nn.Module):
    """`NetworkModule.values` as a module, which is what `functional_call` calls."""

    def __init__(self, module: NetworkModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: tuple[Tensor, ...], masks: Values) -> Values:
        everything = {*self.module.entries, *(name for name, *_ in self.module.graph)}
        return self.module.values(images, masks, keep=everything)


def _to_numpy(tensor: Tensor) -> Array:
    tensor = tensor.detach().cpu()
    wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    array: Array = wide.numpy()
    return array


def _writable(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array that `torch.from_numpy` takes without a word."""
    array = np.asarray(array, dtype)
    return array if array.flags.writeable and min(array.strides, default=0) >= 0 else (
        array.copy(order="K")
    )  # fmt: skip


def _torch_dtype(dtype: np.dtype[Any]) -> torch.dtype:
    return {"float32": torch.float32, "float64": torch.float64}[str(dtype)]
