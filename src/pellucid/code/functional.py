"""Parts that the scripts of plain functions (NumPy, JAX) share.

Their weights, and running statistics where there are some, are handed from function to
function.
"""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.code import scaffold
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import number
from pellucid.code.weights import has_buffers
from pellucid.network import Node
from pellucid.network import layers as nl

#: what stands between the operands of a layer
OPERATORS: dict[type[nl.Layer], str] = {
    nl.Add: " + ",
    nl.Multiply: " * ",
    nl.Subtract: " - ",
}


def state_argument(spec: ScriptSpec) -> str:
    """Return the argument of the running statistics, where there are some."""
    return ", statistics" if has_buffers(spec) else ""


def is_random(spec: ScriptSpec) -> bool:
    """Return whether a forward pass in training draws numbers."""
    return any(
        isinstance(node.layer, nl.Dropout) and node.layer.rate > 0
        for node in spec.logit_nodes
    )


def constant_text(numbers: float | tuple[float, ...]) -> str:
    """Return a constant, or one for each channel, as a script has it."""
    if isinstance(numbers, tuple):
        return f"np.array([{', '.join(map(number, numbers))}], np.float32)"
    return number(numbers) if numbers >= 0 else f"({number(numbers)})"


def align_words(spec: ScriptSpec, node: Node, inputs: Sequence[str]) -> list[str]:
    """Return a layer's inputs with axes of length 1 put in behind the batch."""
    shapes = spec.network.input_shapes(node)
    rank = max(map(len, shapes))
    return [
        x if len(shape) == rank else f"{x}[:{', None' * (rank - len(shape))}]"
        for x, shape in zip(inputs, shapes, strict=True)
    ]


def accuracy_text(spec: ScriptSpec, body: Sequence[str]) -> str:
    """Write the function that counts what is right; ``body`` is that of `logits`."""
    state = state_argument(spec)
    kind, name = spec.meaning.kind, scaffold.score(spec)
    if kind == "classes":
        values = "z.argmax(axis=1) == labels"
    elif kind == "regression":
        values = "np.abs(z - labels)"
    else:
        values = f"(z > {spec.border}) == (labels > 0.5)"
    return "\n".join(
        [
            f"def logits(w{state}, images):",
            '    """Return the outputs, a part of the images at a time."""',
            *body,
            "",
            "",
            f"def {name}(w{state}, images, labels):",
            f'    """{scaffold.SCORES[name]}"""',
            f"    z = logits(w{state}, images)",
            f"    return np.mean({values})",
            "",
        ]
    )


def main_text(spec: ScriptSpec, *, takes_new: bool) -> str:
    """Write what the script does when it is run.

    ``takes_new`` says that `train` returns new arrays; else it changes the given ones.
    """
    state = state_argument(spec)
    lines = [
        "def main() -> None:",
        '    """Train and test."""',
        "    options = arguments()",
        "    rng = np.random.default_rng(options.seed)",
        *scaffold.load_lines(spec),
        *scaffold.hold_out_lines(spec),
        *scaffold.column_lines(spec),
    ]
    for variable, function in (("w", "weights"), ("statistics", "statistics")):
        if variable == "w" or state:
            made = f"initial_{function}(rng)"
            made = f"load_weights({made})" if spec.weights_file else made
            lines.append(f"    {variable} = {made}")
    left = f"w{state} = " if takes_new else ""
    lines += [
        f"    {left}train(w{state}, images, labels, options.epochs, rng)",
        *scaffold.score_lines(spec, f"w{state}, {{images}}, {{labels}}"),
        "",
    ]
    return "\n".join(lines)
