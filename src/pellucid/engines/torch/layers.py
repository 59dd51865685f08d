"""The network as one `nn.Module`, and a submodule for each layer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Self

from torch import Tensor, nn

from pellucid.engines.framework_layers import LayerCall
from pellucid.engines.framework_layers.torch import (
    CALLS,
    OWN_MODULES,
    torch_axis,
    torch_permutation,
    torch_slices,
)
from pellucid.engines.framework_layers.torch_layout import Layout
from pellucid.engines.torch import modules
from pellucid.engines.torch.fake_quantized import FakeQuantized
from pellucid.engines.torch.own import OwnModule
from pellucid.engines.torch.pointwise import (
    Clamp,
    Hardsigmoid,
    PointwiseModule,
)
from pellucid.engines.torch.recurrent import recurrent
from pellucid.network import Network
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Shape, find_entry


class NetworkModule(nn.Module):
    """A network as PyTorch knows it: one named submodule per node.

    ``module(images)`` takes (N, C, H, W) and returns the output node's value; all of
    PyTorch's tools work on it. Several inputs are as many arguments, several outputs a
    tuple. Nodes that share their weights are one submodule.
    """

    def __init__(self, network: Network, layout: Layout) -> None:
        super().__init__()
        self.entries, self.exits = network.inputs, network.outputs
        self.graph: list[tuple[str, str, tuple[str, ...]]] = []
        self.tied: list[tuple[str, str]] = []  # submodule, the one with its weights
        for node in network.nodes:
            if isinstance(node.layer, pl.Input):
                continue
            shapes, name = network.input_shapes(node), attribute(node.owner)
            is_other = shapes != network.input_shapes(network.node(node.owner))
            if is_other:  # a module of its own, made for its size, with those weights
                name = attribute(node.name)
                self.tied.append((name, attribute(node.owner)))
            if node.weights_of is None or is_other:
                keeps_order = layout.keeps(node.name)
                module = _module(node.layer, *shapes, keeps_order=keeps_order)
                self.add_module(name, module)
            self.graph.append((node.name, name, node.inputs))
        self._tie()
        last_reader = {
            source: node.name for node in network.nodes for source in node.inputs
        }
        self.read_last = {
            node.name: tuple(s for s in set(node.inputs) if last_reader[s] == node.name)
            for node in network.nodes
        }
        self.train(False)

    def _tie(self) -> None:
        for mine, owner in self.tied:
            module, other = self.get_submodule(mine), self.get_submodule(owner)
            module._parameters.update(other._parameters)
            module._buffers.update(other._buffers)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Move or convert all arrays; buffers that are shared stay so."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._tie()
        return self

    def forward(
        self, *images: Tensor, masks: Mapping[str, Tensor] | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the network's output, a tuple where there are several."""
        values = self.values(images, masks, keep=self.exits)
        outputs = tuple(values[name] for name in self.exits)
        return outputs[0] if len(outputs) == 1 else outputs

    def values(
        self,
        images: tuple[Tensor, ...],
        masks: Mapping[str, Tensor] | None = None,
        *,
        keep: Collection[str],
    ) -> dict[str, Tensor]:
        """Return the values of the nodes to keep; masks are those of dropout nodes.

        The others are let go once they are read, so that PyTorch reuses the memory.
        """
        values = dict(zip(self.entries, images, strict=True))
        masks = masks or {}
        for name, module, inputs in self.graph:
            arguments = [values[source] for source in inputs]
            if name in masks:
                arguments.append(masks[name])
            values[name] = self._modules[module](*arguments)  # type: ignore[misc]
            for source in self.read_last[name]:
                if source not in keep:
                    del values[source]
        return values


def attribute(node: str) -> str:
    """Return a node's submodule: its name, unless `nn.Module` has that already."""
    taken = hasattr(NetworkModule, node) or node in _OWN
    return f"{node}_" if taken else node


_OWN = ("training", "entries", "exits", "graph", "read_last", "tied")


def channel_axis(shape: Shape) -> int:
    """Return the axis of the channels, batch counted: 1 in images, else the last."""
    return 1 if len(shape) == 3 else len(shape)


def _module(layer: Layer, *shapes: Shape, keeps_order: bool) -> nn.Module:
    if isinstance(layer, pl.Flatten) and keeps_order:
        return nn.Flatten()
    if isinstance(layer, pl.FakeQuantized):
        module = _module(layer.operation, *shapes, keeps_order=keeps_order)
        return FakeQuantized(module, layer.most)
    build = OwnModule if pl.is_own(layer) else find_entry(_BUILDERS, layer)
    module = build(layer, *shapes)
    if not getattr(layer, "trainable", True):
        module.requires_grad_(False)
    return module


def _native(layer: Layer, *shapes: Shape) -> nn.Module:
    return _call(CALLS[type(layer)](layer, *shapes))


def _call(call: LayerCall) -> nn.Module:
    """Return PyTorch's module, or ours where its padding cannot be said by PyTorch."""
    module: nn.Module
    if call.pads is not None:
        module = _PADDED[call.name](pads=call.pads, **call.arguments)
    elif call.name in OWN_MODULES:
        module = getattr(modules, call.name)(**call.arguments)
    else:
        module = getattr(nn, call.name)(**call.arguments)
    return module


def _avg_pool(layer: pl.AvgPool2D, shape: Shape) -> nn.Module:
    call = CALLS[pl.AvgPool2D](layer, shape)
    if call.pads is None:
        return _call(call)
    return modules.ValidAvgPool2d(
        layer.kernel, layer.strides, pads=call.pads, size=shape[:2]
    )


def _batch_norm(layer: pl.BatchNorm, shape: Shape) -> nn.Module:
    return modules.BatchNorm(
        shape[-1],
        momentum=layer.momentum,
        eps=layer.epsilon,
        frozen=not layer.trainable,
        axis=channel_axis(shape),
    )


def _concat(layer: pl.Concat, *shapes: Shape) -> nn.Module:
    rank = len(shapes[0])
    return modules.Concat(torch_axis(layer.resolved_axis(rank), rank))


def _arithmetic(
    operation: Callable[[Tensor, Tensor], Tensor],
) -> Callable[..., nn.Module]:
    """Return a builder of a module that combines values by an operation."""
    return lambda layer, *shapes: modules.Arithmetic(operation, [*map(len, shapes)])


#: modules for padding that PyTorch's own have no argument for
_PADDED: dict[str, Callable[..., nn.Module]] = {
    "Conv2d": modules.PaddedConv2d,
    "ConvTranspose2d": modules.CroppedConvTranspose2d,
    "MaxPool2d": modules.PaddedMaxPool2d,
}
#: layers that the engine computes by modules of its own, not by PyTorch's
_OWN_BUILDERS: dict[type[Layer], Callable[..., nn.Module]] = {
    pl.Add: _arithmetic(modules.add),
    pl.AvgPool2D: _avg_pool,
    pl.BatchNorm: _batch_norm,
    pl.Concat: _concat,
    pl.Dropout: lambda layer, shape: modules.Dropout(layer.rate),
    pl.Flatten: lambda layer, shape: (
        modules.Flatten() if len(shape) == 3 else nn.Flatten()
    ),
    pl.Clip: lambda layer, shape: Clamp(layer.minimum, layer.maximum),
    pl.Recurrent: recurrent,
    pl.HardSigmoid: lambda layer, shape: Hardsigmoid(),
    pl.MatMul: lambda layer, *shapes: modules.MatMul(
        transpose_a=layer.transpose_a,
        transpose_b=layer.transpose_b,
        scale=layer.scale,
        ranks=[*map(len, shapes)],
    ),
    pl.Maximum: _arithmetic(modules.maximum),
    pl.Multiply: _arithmetic(modules.multiply),
    pl.Parameter: lambda layer, shape: modules.Parameter(layer.sizes),
    pl.Pointwise: lambda layer, shape: PointwiseModule(layer),
    pl.Permute: lambda layer, shape: modules.Permute(torch_permutation(layer.axes)),
    pl.Reshape: lambda layer, shape: modules.Reshape(layer.output_shape(shape)),
    pl.Resize: modules.Resize,
    pl.Slice: lambda layer, shape: modules.Slice(
        *torch_slices(layer.ranges(shape), shape)
    ),
    pl.Subtract: _arithmetic(modules.subtract),
}
#: all builders: ours, then PyTorch's own
_BUILDERS = dict.fromkeys(CALLS, _native) | _OWN_BUILDERS
