"""This file is the network as a class of PyTorch, and how its weights begin."""

from __future__ import annotations

from collections.abc import Mapping

from pellucid.code.subject import Subject
from pellucid.code.text import call
from pellucid.code.torch.layers import BUILDERS, MODULES, Modules, initial_call
from pellucid.network import layers as nl

_CLASSES = {
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
    "GlobalAvgPool2d": '''class GlobalAvgPool2d(nn.Module):
    """The mean of every channel: (N, C, H, W) to (N, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))
''',
}


def modules(subject: Subject) -> dict[str, Modules]:
    """Return the modules of each node up to the logits, as text."""
    found = {}
    for node in subject.logit_nodes:
        builder = BUILDERS.get(type(node.layer))
        found[node.name] = builder(subject, node) if builder else []
    return found


def model_text(subject: Subject) -> str:
    """Write the network as a class, or as one sequence."""
    made = modules(subject)
    if subject.is_chain:
        rows = [module for node in subject.logit_nodes for module in made[node.name]]
        body = "".join(f"        {row},\n" for row in rows)
        made_model = f"nn.Sequential(\n{body}    )"
        starts = _initial(subject, {})
        if not starts:
            return (
                "def make_model() -> nn.Module:\n"
                f'    """{_takes(subject)}"""\n    return {made_model}\n'
            )
        return (
            "def make_model() -> nn.Module:\n"
            f'    """{_takes(subject)}"""\n    model = {made_model}\n{starts}'
            "    return model\n"
        )
    lines = [
        "class Network(nn.Module):",
        f'    """{_takes(subject)}"""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
    ]
    for node in subject.logit_nodes:
        if made[node.name]:
            lines.append(_assigned(node.name, made[node.name]))
    lines += _initial(subject, made).rstrip("\n").splitlines()
    lines += ["", "    def forward(self, x: torch.Tensor) -> torch.Tensor:"]
    lines += [f"        {line}" for line in _forward(subject, made)]
    maker = 'def make_model() -> nn.Module:\n    """Return the network."""\n'
    return "\n".join(lines) + f"\n\n\n{maker}    return Network()\n"


def _takes(subject: Subject) -> str:
    if not subject.is_image:
        return "Take (N, features)."
    return "Take images (N, C, H, W), return logits."


def _assigned(name: str, rows: Modules) -> str:
    if len(rows) == 1:
        return f"        self.{name} = {rows[0]}"
    return call(f"self.{name} = nn.Sequential", rows, indent=8)


def _forward(subject: Subject, made: Mapping[str, Modules]) -> list[str]:
    """Return a line for each node; a value lives in a variable of its node's name."""
    names = {subject.network.inputs[0]: "x"}
    lines = []
    for node in subject.logit_nodes:
        inputs = [names[source] for source in node.inputs]
        names[node.name] = node.name
        if isinstance(node.layer, nl.Add):
            value = " + ".join(inputs)
        elif isinstance(node.layer, nl.Concat):
            value = f"torch.cat([{', '.join(inputs)}], dim=1)"
        else:
            value = f"self.{node.name}({inputs[0]})"
        lines.append(f"{node.name} = {value}")
    last = lines.pop().split(" = ", 1)[1]
    return [*lines, f"return {last}"]


def _initial(subject: Subject, made: Mapping[str, Modules]) -> str:
    """Return the lines for weights that begin otherwise than PyTorch's own."""
    if subject.weights_file:
        return ""
    chosen = [
        node
        for node in subject.logit_nodes
        if getattr(node.layer, "weight_initializer", None) is not None
    ]
    if not chosen:
        return ""
    starts = {initial_call(subject, node) for node in chosen}
    if len(starts) > 1:
        raise subject.refuse(chosen[0], "layers begin in different ways")
    (function,) = starts
    kinds = sorted({MODULES[type(node.layer)] for node in chosen})
    lines = [
        f"for module in {'self' if made else 'model'}.modules():",
        f"    if isinstance(module, {' | '.join(kinds)}):",
        f"        {function.format('module.weight')}",
    ]
    if getattr(chosen[0].layer, "bias_initializer", None) is not None:
        lines.append(f"        {function.format('module.bias')}")
    pad = "        " if made else "    "
    return "".join(f"{pad}{line}\n" for line in lines)


def helper_classes(subject: Subject) -> list[str]:
    """Return the classes of our own that the network's modules need."""
    text = "\n".join(row for rows in modules(subject).values() for row in rows)
    return [source for name, source in _CLASSES.items() if f"{name}(" in text]
