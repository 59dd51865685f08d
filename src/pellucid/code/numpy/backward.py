"""Backward pass written out in NumPy, node by node."""

from __future__ import annotations

from typing import Any

from pellucid.code.functional import align_words, constant_text, response_words
from pellucid.code.numpy.forward import (
    Lines,
    global_window,
    group_words,
    is_batch,
    kept_of,
    value_of,
    weight_of,
    window_words,
)
from pellucid.code.pointwise import Functions, variables_of
from pellucid.code.rearrangements import concat_axis, gradient_lines
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import WIDTH, call, number, wrap_assignment
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.network.expression import Expression, variable


def backward_text(spec: ScriptSpec, functions: Functions) -> str:
    """Write the chain rule from the last node to the first."""
    lines = [
        "def backward(w, v, grad):",
        '    """Return the derivative by every weight, given that by the logits."""',
        "    g, grads = dict(grad), {}"
        if spec.is_several
        else f'    g, grads = {{"{spec.head.logits_node}": grad}}, {{}}',
    ]
    reached = {head.logits_node for head in spec.heads}
    owners: set[str] = set()  # of weights that have a derivative
    learners = _learners(spec)
    for node in reversed(spec.logit_nodes):
        if node.name not in reached:  # it leads to no loss
            continue
        is_again = node.owner in owners
        lines += _backward_lines(spec, node, reached, learners, functions, is_again)
        owners.add(node.owner)
    return "\n".join([*lines, "    return grads", ""])


def _learners(spec: ScriptSpec) -> set[str]:
    """Return the nodes that stand behind a weight, or hold one."""
    found: set[str] = set()
    for node in spec.logit_nodes:
        has = node.layer.weights(*spec.network.input_shapes(node))
        if has or found.intersection(node.inputs):
            found.add(node.name)
    return found


def _backward_lines(
    spec: ScriptSpec,
    node: Node,
    reached: set[str],
    learners: set[str],
    functions: Functions,
    is_again: bool,
) -> Lines:
    layer: Any = node.layer
    grad = f'g["{node.name}"]'
    wanted = [source for source in node.inputs if source in learners]
    weights = node.layer.weights(*spec.network.input_shapes(node))
    roles = [weight.role for weight in weights if weight.is_parameter]
    names = [f'grads["{node.owner}.{role}"]' for role in roles]
    targets = [f"grad_{role}" for role in roles] if is_again else names
    if not wanted and not roles:
        return []
    if isinstance(layer, nl.Arithmetic):
        return _arithmetic_back(spec, node, grad, wanted, reached)
    if isinstance(layer, nl.Concat):
        return _concat_back(spec, node, grad, wanted, reached)
    x = node.inputs[0]
    first = x if wanted else None
    is_new = first is not None and first not in reached
    target = "_" if first is None else f'g["{x}"]' if is_new else "grad_x"
    if isinstance(layer, nl.Pointwise):
        lines = [_pointwise_back(node, grad, target, functions)]
    else:
        lines = back_lines(spec, node, grad, target, targets)
    if first is not None and not is_new:
        lines.append(f'    g["{x}"] = g["{x}"] + grad_x')
    if first is not None:
        reached.add(x)
    if is_again:
        pairs = zip(names, targets, strict=True)
        lines += [wrap_assignment(f"    {n} = {n} + {part}") for n, part in pairs]
    return lines


def _pass_on(source: str, grad: str, reached: set[str]) -> str:
    target = f'g["{source}"]'
    line = (
        f"{target} = {target} + {grad}" if source in reached else f"{target} = {grad}"
    )
    reached.add(source)
    return line


def _arithmetic_back(
    spec: ScriptSpec, node: Node, grad: str, wanted: list[str], reached: set[str]
) -> Lines:
    shapes = spec.network.input_shapes(node)
    words = align_words(spec, node, [value_of(source) for source in node.inputs])
    lines = []
    for k, (source, shape) in enumerate(zip(node.inputs, shapes, strict=True)):
        if source not in wanted:
            continue
        part = grad
        if isinstance(node.layer, nl.Multiply):
            part = " * ".join([grad, *words[:k], *words[k + 1 :]])
        elif isinstance(node.layer, nl.Maximum):
            part = f"{grad} * wins({k}, [{', '.join(words)}])"
        elif isinstance(node.layer, nl.Subtract) and k == 1:
            part = f"-{grad}"
        if shape != spec.network.shapes[node.name]:
            part = f"sum_to({part}, {value_of(source)}.shape)"
        lines.append(wrap_assignment(f"    {_pass_on(source, part, reached)}"))
    return lines


def _concat_back(
    spec: ScriptSpec, node: Node, grad: str, wanted: list[str], reached: set[str]
) -> Lines:
    start, lines = 0, []
    axis = concat_axis(spec, node)
    place = axis - 1 if axis > 0 else len(spec.shape(node)) - 1
    head = "..., " if axis < 0 else ":, " * axis
    for source, shape in zip(node.inputs, spec.network.input_shapes(node), strict=True):
        part = f"{grad}[{head}{start}:{start + shape[place]}]"
        if source in wanted:
            lines.append(f"    {_pass_on(source, part, reached)}")
        start += shape[place]
    return lines


def back_lines(
    spec: ScriptSpec, node: Node, grad: str, target: str, targets: list[str]
) -> Lines:
    """Return the lines of a layer with one input: its derivative goes to target."""
    layer: Any = node.layer
    x, y = value_of(node.inputs[0]), value_of(node.name)
    if isinstance(layer, nl.Conv2D | nl.ConvTranspose2D | nl.Dense):
        words = [grad, x, weight_of(node, "weight")]
        words += [] if isinstance(layer, nl.Dense) else window_words(spec, node)
        left = [target, *targets] if layer.bias else [target, *targets, "_"]
        return _unpack_call(left, f"{layer.stem}_back", words)
    if isinstance(layer, nl.BatchNorm | nl.LayerNorm):
        axes = tuple(range(len(spec.shape(node)))) if is_batch(layer) else -1
        words = [
            grad,
            kept_of(node, "hat"),
            kept_of(node, "sigma"),
            weight_of(node, "scale"),
        ]
        return _unpack_call([target, *targets], "norm_back", [*words, str(axes)])
    if isinstance(layer, nl.PerImageNorm):
        words = [grad, kept_of(node, "hat"), kept_of(node, "sigma")]
        words += [weight_of(node, "scale"), *group_words(spec, node)]
        return _unpack_call([target, *targets], "group_norm_back", words)
    if isinstance(layer, nl.PReLU):
        words = [grad, x, weight_of(node, "slope")]
        return _unpack_call([target, *targets], "prelu_back", words)
    if isinstance(layer, nl.L2Normalize):
        words = [grad, x, y, number(layer.epsilon)]
        return [call(f"{target} = l2_normalize_back", words)]
    if isinstance(layer, nl.Rescale):
        text = f"{grad} * {constant_text(layer.scale)}"
        return [wrap_assignment(f"    {target} = {text}")]
    if isinstance(layer, nl.GlobalMaxPool2D):
        words = [f"{grad}[:, None, None]", x, f"{y}[:, None, None]"]
        words += global_window(spec, node)
        return [call(f"{target} = max_pool2d_back", words)]
    if isinstance(layer, nl.MaxPool2D):
        words = [grad, x, y, str(layer.kernel), *window_words(spec, node)]
        return [call(f"{target} = max_pool2d_back", words)]
    if isinstance(layer, nl.AvgPool2D):
        words = [grad, x, str(layer.kernel), *window_words(spec, node)]
        return [call(f"{target} = avg_pool2d_back", words)]
    if isinstance(layer, nl.LocalResponseNorm):
        words = [grad, x, *response_words(layer)]
        return [call(f"{target} = local_response_norm_back", words)]
    if isinstance(layer, nl.Upsample2D):
        words = [grad, str(layer.factors), f'"{layer.mode}"']
        return [call(f"{target} = enlarge_back", words)]
    if isinstance(layer, nl.GlobalAvgPool2D):
        size = spec.shape(node)[0] * spec.shape(node)[1]
        return [
            f"    share = {grad}[:, None, None] / {size}",
            f"    {target} = np.broadcast_to(share, {x}.shape)",
        ]
    if isinstance(layer, nl.Dropout) and not layer.rate:
        return [f"    {target} = {grad}"]
    if isinstance(layer, nl.Rearrangement):
        shape = spec.shape(node)
        pieces = gradient_lines(layer.steps(shape), shape, (x, grad, target))
        return [wrap_assignment(f"    {piece}") for piece in pieces]
    line = _SLOPES[type(layer)].format(
        g=grad, x=x, y=y, mask=kept_of(node, "mask"), layer=layer
    )
    return [wrap_assignment(f"    {target} = {line}")]


def _pointwise_back(node: Node, grad: str, target: str, functions: Functions) -> str:
    """Return the line that multiplies by the slope, told by x or by y."""
    layer: Any = node.layer
    from_output = layer.derivative_from_output
    slope = layer.derivative if from_output is None else from_output
    seen = value_of(node.inputs[0] if from_output is None else node.name)
    name = variables_of(slope)
    inputs = {"g": grad, **dict.fromkeys(name, seen)}
    shown = functions.apply(f"{layer.stem}_back", _times(variable("g"), slope), inputs)
    return wrap_assignment(f"    {target} = {shown}")


def _times(g: Expression, slope: Expression) -> Expression:
    """Return g · slope, factor by factor."""
    if slope.operator != "multiply":
        return g * slope
    first, second = slope.arguments
    return _times(g, first) * second


def _unpack_call(left: list[str], function: str, words: list[str]) -> Lines:
    line = call(f"{', '.join(left)} = {function}", words)
    if all(len(row) <= WIDTH for row in line.splitlines()):
        return [line]
    each = [f"    {name} = parts[{i}]" for i, name in enumerate(left) if name != "_"]
    return [call(f"parts = {function}", words), *each]


_SLOPES: dict[type[nl.Layer], str] = {
    nl.Dropout: "{g} * {mask}.astype({g}.dtype)",
    nl.Flatten: "{g}.reshape({x}.shape)",
    nl.LogSoftmax: "log_softmax_back({g}, {y})",
    nl.Softmax: "softmax_back({g}, {y})",
    nl.ZeroPad2D: "crop({g}, {layer.sides})",
}
