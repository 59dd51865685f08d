"""PyTorch modules as text, from the table that the engine builds them by."""

from __future__ import annotations

from typing import Any

from pellucid.code.pointwise import TORCH, body, title
from pellucid.code.script_spec import ScriptSpec, takes_order_on
from pellucid.code.text import call_words, number
from pellucid.engines.framework_layers import LayerCall
from pellucid.engines.framework_layers.torch import CALLS, OWN_MODULES, pad_order
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.network.initializers import Constant, Normal, Uniform

Modules = list[str]


MODULES: dict[type[nl.Layer], str] = {
    nl.Conv2D: "nn.Conv2d",
    nl.ConvTranspose2D: "nn.ConvTranspose2d",
    nl.Dense: "nn.Linear",
}


def initial_calls(spec: ScriptSpec, node: Node) -> tuple[str, ...]:
    """Return the calls of torch.nn.init that a layer's arrays begin by.

    None of them where PyTorch's own habit will do.
    """
    layer: Any = node.layer
    calls = []
    for role in ("weight", "bias"):
        kind = getattr(layer, f"{role}_initializer", None)
        if kind is not None and (role == "weight" or layer.bias):
            calls.append(_initial_call(spec, node, kind, role))
    return tuple(calls)


def _initial_call(spec: ScriptSpec, node: Node, kind: Any, role: str) -> str:
    array = f"module.{role}"
    if isinstance(kind, Uniform):
        return f"nn.init.uniform_({array}, {number(kind.low)}, {number(kind.high)})"
    if isinstance(kind, Normal):
        return f"nn.init.normal_({array}, std={number(kind.std)})"
    if isinstance(kind, Constant):
        return f"nn.init.constant_({array}, {number(kind.value)})"
    known = {"zeros": f"zeros_({array})", "ones": f"ones_({array})"}
    if role == "weight":  # a bias has no fans in PyTorch
        known |= {
            "he_normal": f'kaiming_normal_({array}, nonlinearity="relu")',
            "he_uniform": f'kaiming_uniform_({array}, nonlinearity="relu")',
            "glorot_normal": f"xavier_normal_({array})",
            "glorot_uniform": f"xavier_uniform_({array})",
        }
    if kind not in known:
        raise spec.refuse(node, f"nn.init has no {kind} for a {role}")
    return f"nn.init.{known[str(kind)]}"


def module_lines(spec: ScriptSpec, node: Node) -> Modules:
    """Return the calls of a node's modules as text.

    Raises
    ------
    UnsupportedLayerError
        If PyTorch's own modules do not compute exactly the same.
    """
    if isinstance(node.layer, nl.Pointwise) and type(node.layer) not in CALLS:
        return [f"{pointwise_class(spec, node.layer)}()"]
    if type(node.layer) not in CALLS:
        return []
    if isinstance(node.layer, nl.Flatten) and _needs_order(spec, node):
        return ["FlattenChannelsLast()"]
    call = CALLS[type(node.layer)](node.layer, spec.shape(node))
    text = _text(call)
    if call.pads is None:
        return [text]
    if call.name in _REFUSED:
        raise spec.refuse(node, _REFUSED[call.name])
    return [_PADDING[call.name].format(pad_order(call.pads)), text]


def pointwise_class(spec: ScriptSpec, layer: nl.Pointwise) -> str:
    """Return what the class of a function of one's own is called in the script."""
    own = [*dict.fromkeys(a.expression for a in _own_pointwise(spec))]
    kind, place = type(layer).__name__, own.index(layer.expression)
    return kind if len(own) == 1 else f"{kind}{place + 1}"


def pointwise_classes(spec: ScriptSpec) -> list[str]:
    """Return the classes of the functions that PyTorch has no module for."""
    made = {
        pointwise_class(spec, layer): layer.expression for layer in _own_pointwise(spec)
    }
    return [
        f"class {name}(nn.Module):\n"
        f'    """{title(expression)}"""\n\n'
        "    def forward(self, x: torch.Tensor) -> torch.Tensor:\n"
        + body(expression, TORCH, indent=8)
        for name, expression in made.items()
    ]


def _own_pointwise(spec: ScriptSpec) -> list[nl.Pointwise]:
    return [
        node.layer
        for node in spec.logit_nodes
        if isinstance(node.layer, nl.Pointwise) and type(node.layer) not in CALLS
    ]


def _text(call: LayerCall) -> str:
    prefix = "" if call.name in OWN_MODULES else "nn."
    return f"{prefix}{call.name}({', '.join(call_words(call))})"


#: module → the one before it, for padding that differs from side to side
_PADDING = {
    "Conv2d": "nn.ZeroPad2d({})",
    "MaxPool2d": 'nn.ConstantPad2d({}, float("-inf"))',
}
#: module → why such padding cannot be written
_REFUSED = {
    "AvgPool2d": "its padding differs from side to side",
    "ConvTranspose2d": "its crop is not symmetric",
    "Upsample": "nn.Upsample has another rule for the coordinates",
}


def _needs_order(spec: ScriptSpec, node: Node) -> bool:
    """Return whether what reads a flattened image needs the channels last."""
    shape = spec.shape(node)
    has_orders = len(shape) == 3 and shape[:2] != (1, 1) and shape[2] != 1
    return has_orders and not takes_order_on(spec.network, node)
