"""This file is how each layer becomes a module of PyTorch's, and the network one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor, nn

from pellucid.engines.torch import modules
from pellucid.engines.torch.layout import Layout
from pellucid.network import Network
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Shape
from pellucid.network.window import Pads


class NetworkModule(nn.Module):
    """A network as PyTorch knows it: one named submodule per node.

    ``module(images)`` takes (N, C, H, W) and returns the output node's value; all of
    PyTorch's tools work on it.
    """

    def __init__(self, network: Network, layout: Layout) -> None:
        super().__init__()
        self.entry, self.exit = network.inputs[0], network.outputs[0]
        self.graph: list[tuple[str, str, tuple[str, ...]]] = []
        for node in network.nodes:
            if isinstance(node.layer, pl.Input):
                continue
            shapes = network.input_shapes(node)
            module = _module(node.layer, *shapes, keeps_order=layout.keeps(node.name))
            self.add_module(attribute(node.name), module)
            self.graph.append((node.name, attribute(node.name), node.inputs))
        last_reader = {
            source: node.name for node in network.nodes for source in node.inputs
        }
        self.read_last = {
            node.name: tuple(s for s in set(node.inputs) if last_reader[s] == node.name)
            for node in network.nodes
        }
        self.train(False)

    def forward(
        self, images: Tensor, masks: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the network's output."""
        return self.values(images, masks, keep=(self.exit,))[self.exit]

    def values(
        self,
        images: Tensor,
        masks: Mapping[str, Tensor] | None = None,
        *,
        keep: Collection[str],
    ) -> dict[str, Tensor]:
        """Return the values of the nodes to keep; masks are those of dropout nodes.

        The others are let go once they are read, so that PyTorch reuses the memory.
        """
        values, masks = {self.entry: images}, masks or {}
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


_OWN = ("training", "entry", "exit", "graph", "read_last")


def channel_axis(shape: Shape) -> int:
    """Return the axis of the channels, batch counted: 1 in images, else the last."""
    return 1 if len(shape) == 3 else len(shape)


def _is_symmetric(pads: Pads) -> bool:
    return all(before == after for before, after in pads)


def _module(layer: Layer, *shapes: Shape, keeps_order: bool) -> nn.Module:
    if isinstance(layer, pl.Flatten) and keeps_order:
        return nn.Flatten()
    module = _BUILDERS[type(layer)](layer, *shapes)
    if not getattr(layer, "trainable", True):
        module.requires_grad_(False)
    return module


def _convolution(layer: pl.Conv2D, shape: Shape) -> nn.Module:
    pads = layer.pads((shape[0], shape[1]))
    sizes = shape[2], layer.out_channels, layer.kernel
    if not _is_symmetric(pads):
        return modules.PaddedConv2d(*sizes, pads=pads, **_common(layer))
    padding = pads[0][0], pads[1][0]
    return nn.Conv2d(*sizes, padding=padding, **_common(layer))


def _common(layer: Any) -> dict[str, Any]:
    return {
        "stride": layer.strides,
        "dilation": layer.dilations,
        "groups": layer.groups,
        "bias": layer.bias,
    }


def _transposed(layer: pl.ConvTranspose2D, shape: Shape) -> nn.Module:
    pads = layer.pads((shape[0], shape[1]))
    sizes = shape[2], layer.out_channels, layer.kernel
    extra = pads[0][0] - pads[0][1], pads[1][0] - pads[1][1]
    limits = map(max, layer.strides, layer.dilations)
    if all(0 <= e < limit for e, limit in zip(extra, limits, strict=True)):
        padding = pads[0][0], pads[1][0]
        return nn.ConvTranspose2d(
            *sizes, padding=padding, output_padding=extra, **_common(layer)
        )
    return modules.CroppedConvTranspose2d(*sizes, pads=pads, **_common(layer))


def _pool(layer: Any, shape: Shape) -> tuple[Pads, bool]:
    """Return the pads, and whether PyTorch's own ``padding=`` takes them."""
    pads: Pads = layer.pads((shape[0], shape[1]))
    fits = all(p[0] <= k // 2 for p, k in zip(pads, layer.kernel, strict=True))
    return pads, _is_symmetric(pads) and fits


def _max_pool(layer: pl.MaxPool2D, shape: Shape) -> nn.Module:
    pads, is_native = _pool(layer, shape)
    if is_native:
        return nn.MaxPool2d(layer.kernel, layer.strides, (pads[0][0], pads[1][0]))
    return modules.PaddedMaxPool2d(layer.kernel, layer.strides, pads=pads)


def _avg_pool(layer: pl.AvgPool2D, shape: Shape) -> nn.Module:
    pads, is_native = _pool(layer, shape)
    if is_native:  # PyTorch's default would count the padding as cells
        padding = pads[0][0], pads[1][0]
        return nn.AvgPool2d(
            layer.kernel, layer.strides, padding, count_include_pad=False
        )
    return modules.ValidAvgPool2d(
        layer.kernel, layer.strides, pads=pads, size=shape[:2]
    )


def _dense(layer: pl.Dense, shape: Shape) -> nn.Module:
    kind = modules.PixelLinear if len(shape) == 3 else nn.Linear
    return kind(shape[-1], layer.units, bias=layer.bias)


def _batch_norm(layer: pl.BatchNorm, shape: Shape) -> nn.Module:
    return modules.BatchNorm(
        shape[-1],
        momentum=layer.momentum,
        eps=layer.epsilon,
        frozen=not layer.trainable,
        axis=channel_axis(shape),
    )


def _layer_norm(layer: pl.LayerNorm, shape: Shape) -> nn.Module:
    kind = modules.PixelLayerNorm if len(shape) == 3 else nn.LayerNorm
    return kind(shape[-1], eps=layer.epsilon)


def _local_response_norm(layer: pl.LocalResponseNorm, shape: Shape) -> nn.Module:
    # PyTorch pads the channels by the size, however much larger it is than they are
    size = 2 * layer.reach(shape[-1]) + 1
    alpha = layer.alpha if size == layer.size else layer.alpha / layer.size * size
    return nn.LocalResponseNorm(size, alpha, layer.beta, k=layer.bias)


def _upsample(layer: pl.Upsample2D, shape: Shape) -> nn.Module:
    del shape
    # plain "nearest" rounds the wrong way where 1 / scale is not exact
    mode = {"nearest": "nearest-exact", "bilinear": "bilinear"}[layer.mode]
    factors = float(layer.factors[0]), float(layer.factors[1])
    return nn.Upsample(scale_factor=factors, mode=mode)


_BUILDERS: dict[type[Layer], Callable[..., nn.Module]] = {
    pl.Add: lambda layer, *shapes: modules.Add(),
    pl.AvgPool2D: _avg_pool,
    pl.BatchNorm: _batch_norm,
    pl.Concat: lambda layer, *shapes: modules.Concat(channel_axis(shapes[0])),
    pl.Conv2D: _convolution,
    pl.ConvTranspose2D: _transposed,
    pl.Dense: _dense,
    pl.Dropout: lambda layer, shape: modules.Dropout(layer.rate),
    pl.Flatten: lambda layer, shape: (
        modules.Flatten() if len(shape) == 3 else nn.Flatten()
    ),
    pl.GELU: lambda layer, shape: nn.GELU(approximate="none"),
    pl.GlobalAvgPool2D: lambda layer, shape: modules.GlobalAvgPool2d(),
    pl.LayerNorm: _layer_norm,
    pl.LeakyReLU: lambda layer, shape: nn.LeakyReLU(layer.slope),
    pl.LocalResponseNorm: _local_response_norm,
    pl.MaxPool2D: _max_pool,
    pl.ReLU: lambda layer, shape: nn.ReLU(),
    pl.SiLU: lambda layer, shape: nn.SiLU(),
    pl.Sigmoid: lambda layer, shape: nn.Sigmoid(),
    pl.Softmax: lambda layer, shape: nn.Softmax(dim=channel_axis(shape)),
    pl.Tanh: lambda layer, shape: nn.Tanh(),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: lambda layer, shape: nn.ZeroPad2d(modules.around(layer.sides)),  # type: ignore[arg-type]
}
