"""Network as a class of PyTorch, and how its weights begin."""

from __future__ import annotations

from collections.abc import Mapping

from pellucid.code.script_spec import ScriptSpec, flattened_shape
from pellucid.code.text import WIDTH, call
from pellucid.code.torch.layers import (
    MODULES,
    Modules,
    initial_calls,
    module_lines,
    pointwise_classes,
)
from pellucid.code.torch.operators import OPERATORS, is_sequence
from pellucid.network import layers as nl

#: what `nn.Module` has, and what the module's own text says
# fmt: off
TAKEN = frozenset((
    "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children",
    "compile", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr",
    "float", "forward", "get_buffer", "get_extra_state", "get_parameter",
    "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia",
    "named_buffers", "named_children", "named_modules", "named_parameters", "nn",
    "np", "parameters", "register_backward_hook", "register_buffer",
    "register_forward_hook", "register_forward_pre_hook",
    "register_full_backward_hook", "register_full_backward_pre_hook",
    "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
    "register_module", "register_parameter", "register_state_dict_post_hook",
    "register_state_dict_pre_hook", "requires_grad_", "self", "set_extra_state",
    "set_submodule", "share_memory", "state_dict", "super", "to", "to_empty",
    "torch", "train", "training", "type", "x", "xpu", "zero_grad",
))
# fmt: on

_CLASSES = {
    "DepthToSpace": '''class DepthToSpace(nn.PixelShuffle):
    """A pixel shuffle whose channels hold the pixels of a block first."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        blocks = x.unflatten(1, (self.upscale_factor**2, -1))
        return super().forward(blocks.transpose(1, 2).flatten(1, 2))
''',
    "SpaceToDepth": '''class SpaceToDepth(nn.PixelUnshuffle):
    """A pixel unshuffle to channels that hold the pixels of a block first."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        blocks = super().forward(x).unflatten(1, (-1, self.downscale_factor**2))
        return blocks.transpose(1, 2).flatten(1, 2)
''',
    "PixelLinear": '''class PixelLinear(nn.Linear):
    """A dense layer on the channels of every pixel of (N, C, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
''',
    "PixelLayerNorm": '''class PixelLayerNorm(nn.LayerNorm):
    """A layer norm over the channels of every pixel of (N, C, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
''',
    "FlattenChannelsLast": '''class FlattenChannelsLast(nn.Flatten):
    """Flatten (N, C, H, W) row by row, all channels of a pixel together."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1))
''',
    "FeaturePReLU": '''class FeaturePReLU(nn.PReLU):
    """A PReLU over the channels of tokens (N, L, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(-1, 1)).movedim(1, -1)
''',
    "FeatureGroupNorm": '''class FeatureGroupNorm(nn.GroupNorm):
    """A group norm over the channels of tokens (N, L, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(-1, 1)).movedim(1, -1)
''',
    "GlobalMaxPool2d": '''class GlobalMaxPool2d(nn.Module):
    """The largest value of every channel: (N, C, H, W) to (N, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.max_pool2d(x, x.shape[2:]).flatten(1)
''',
    "InstanceNorm": '''class InstanceNorm(nn.Module):
    """Normalise each channel of each example on its own."""

    def __init__(self, num_features: int, eps: float = 1e-5, dim: int = 1) -> None:
        super().__init__()
        self.eps, self.dim = eps, dim
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.movedim(self.dim, 1).reshape(len(x), len(self.bias), -1)
        mean = y.mean(dim=2, keepdim=True)
        variance = y.var(dim=2, keepdim=True, unbiased=False)
        y = (y - mean) * torch.rsqrt(variance + self.eps)
        y = y * self.weight[:, None] + self.bias[:, None]
        return y.reshape(x.movedim(self.dim, 1).shape).movedim(1, self.dim)
''',
    "L2Normalize": '''class L2Normalize(nn.Module):
    """Divide by the length along one axis."""

    def __init__(self, eps: float = 1e-12, dim: int = 1) -> None:
        super().__init__()
        self.eps, self.dim = eps, dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(x, dim=self.dim, eps=self.eps)
''',
    "Rescale": '''class Rescale(nn.Module):
    """Multiply by constants and add constants, per channel or for all."""

    def __init__(self, scale, offset, axes_behind: int = 2) -> None:
        super().__init__()
        for name, value in (("scale", scale), ("offset", offset)):
            value = torch.tensor(value)
            shape = (-1, *[1] * axes_behind) if value.ndim else ()
            self.register_buffer(name, value.reshape(shape), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale + self.offset
''',
    "GlobalAvgPool2d": '''class GlobalAvgPool2d(nn.Module):
    """The mean of every channel: (N, C, H, W) to (N, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))
''',
}


def attributes(spec: ScriptSpec) -> dict[str, str]:
    """Return what each node's module is called in the class."""
    return spec.identifiers(TAKEN)


def modules(spec: ScriptSpec) -> dict[str, Modules]:
    """Return the modules of each node up to the logits, as text.

    A node that shares weights has none: it calls the other's.
    """
    made = {node.name: module_lines(spec, node) for node in spec.logit_nodes}
    for node in spec.logit_nodes:
        if node.weights_of is not None:
            mine, owner = (_layout(spec, n, made) for n in (node.name, node.owner))
            spec.check_alike(node, mine, owner)
    shared = [node.name for node in spec.logit_nodes if node.weights_of is not None]
    return made | {name: [] for name in shared}


def _layout(spec: ScriptSpec, name: str, made: Mapping[str, Modules]) -> object:
    """Return what tells how a node's weights lie: its modules, and an order of rows."""
    node = spec.network.node(name)
    is_dense = isinstance(node.layer, nl.Dense)
    return [*made[name], flattened_shape(spec.network, node) if is_dense else None]


def model_text(spec: ScriptSpec) -> str:
    """Write the network as a class, or as one sequence."""
    made = modules(spec)
    if is_sequence(spec):
        rows = [module for node in spec.logit_nodes for module in made[node.name]]
        body = "".join(f"        {row},\n" for row in rows)
        made_model = f"nn.Sequential(\n{body}    )"
        starts = _initial(spec, {})
        if not starts:
            return (
                "def make_model() -> nn.Module:\n"
                f'    """{_takes(spec)}"""\n    return {made_model}\n'
            )
        return (
            "def make_model() -> nn.Module:\n"
            f'    """{_takes(spec)}"""\n    model = {made_model}\n{starts}'
            "    return model\n"
        )
    lines = [
        "class Network(nn.Module):",
        f'    """{_takes(spec)}"""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
    ]
    names = attributes(spec)
    for node in spec.logit_nodes:
        if made[node.name]:
            lines.append(_assigned(names[node.name], made[node.name]))
    lines += _initial(spec, made).rstrip("\n").splitlines()
    lines += ["", *_signature(spec, names)]
    lines += [f"        {line}" for line in _forward(spec, made)]
    maker = 'def make_model() -> nn.Module:\n    """Return the network."""\n'
    return "\n".join(lines) + f"\n\n\n{maker}    return Network()\n"


def _signature(spec: ScriptSpec, names: Mapping[str, str]) -> list[str]:
    """Return the head of the forward pass, with the inputs in their order."""
    if not spec.is_several:
        return ["    def forward(self, x: torch.Tensor) -> torch.Tensor:"]
    words = ["self", *(f"{names[name]}: torch.Tensor" for name in spec.network.inputs)]
    return call("def forward", words, tail=" -> Tensors:").splitlines()


def _takes(spec: ScriptSpec) -> str:
    if spec.is_several:
        return "Take inputs in their order, images as (N, C, H, W); return all outputs."
    if not spec.is_image:
        return "Take (N, features)."
    return "Take images (N, C, H, W), return logits."


def _assigned(name: str, rows: Modules) -> str:
    if len(rows) == 1:
        return f"        self.{name} = {rows[0]}"
    return call(f"self.{name} = nn.Sequential", rows, indent=8)


def _forward(spec: ScriptSpec, made: Mapping[str, Modules]) -> list[str]:
    """Return a line for each node; a value lives in a variable of its node's name."""
    names = attributes(spec)
    if not spec.is_several:
        names[spec.network.inputs[0]] = "x"
    lines = []
    for node in spec.logit_nodes:
        inputs = [names[source] for source in node.inputs]
        name = names[node.name]
        if type(node.layer) in OPERATORS:
            value = OPERATORS[type(node.layer)](spec, node, inputs)
        else:
            value = f"self.{names[node.owner]}({inputs[0]})"
        lines.append(f"{name} = {value}")
    lines = [line for text in lines for line in _broken(text)]
    if spec.is_several:
        pairs = spec.output_nodes.items()
        rows = [f'    "{output}": {names[node]},' for output, node in pairs]
        return [*lines, "return {", *rows, "}"]
    last = lines.pop().split(" = ", 1)[1]
    return [*lines, f"return {last}"]


def _broken(line: str) -> list[str]:
    """Cut a chain of methods that is too long for a line of the forward pass."""
    if len(line) <= WIDTH - 8 or ".reshape(" not in line:
        return [line]
    name = line.split(" = ", maxsplit=1)[0]
    first, rest = line.split(".reshape(")
    return [first, f"{name} = {name}.reshape({rest}"]


def _initial(spec: ScriptSpec, made: Mapping[str, Modules]) -> str:
    """Return the lines for weights that begin otherwise than PyTorch's own."""
    if spec.weights_file:
        return ""
    first: dict[str, tuple[str, ...]] = {}
    for node in spec.logit_nodes:
        if type(node.layer) in MODULES:
            kind, calls = MODULES[type(node.layer)], initial_calls(spec, node)
            if first.setdefault(kind, calls) != calls:
                raise spec.refuse(node, f"each {kind} begins in a way of its own")
    kinds: dict[tuple[str, ...], list[str]] = {}
    for kind, calls in sorted(first.items()):
        kinds.setdefault(calls, []).append(kind)
    lines = [
        line
        for calls, alike in kinds.items()
        if calls
        for line in (
            f"    if isinstance(module, {' | '.join(alike)}):",
            *(f"        {call}" for call in calls),
        )
    ]
    if not lines:
        return ""
    head = f"for module in {'self' if made else 'model'}.modules():"
    pad = "        " if made else "    "
    return "".join(f"{pad}{line}\n" for line in (head, *lines))


def helper_classes(spec: ScriptSpec) -> list[str]:
    """Return the classes of our own that the network's modules need."""
    text = "\n".join(row for rows in modules(spec).values() for row in rows)
    common = [source for name, source in _CLASSES.items() if f"{name}(" in text]
    return [*common, *pointwise_classes(spec)]
