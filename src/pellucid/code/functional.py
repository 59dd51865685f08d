"""Parts that the scripts of plain functions (NumPy, JAX) share.

Their weights, and running statistics where there are some, are handed from function to
function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pellucid.code import scaffold
from pellucid.code.heads import SCORES, Head
from pellucid.code.rearrangements import concat_axis, rearranged
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import WIDTH, call, number, wrap_assignment
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


def shared_lines(
    spec: ScriptSpec, node: Node, x: list[str], y: str, *, array: str
) -> list[str] | None:
    """Return the lines of a layer that NumPy and JAX write alike; None elsewhere.

    ``array`` is the module of arrays as the script names it.
    """
    layer: Any = node.layer
    if isinstance(layer, nl.Resize):
        raise spec.refuse(node, "its table of coordinates would have to be written out")
    if isinstance(layer, nl.Concat):
        axis = f"axis={concat_axis(spec, node)}"
        return [call(f"{y} = {array}.concatenate", [f"[{', '.join(x)}]", axis])]
    if isinstance(layer, nl.Rearrangement):
        shape = spec.shape(node)
        texts = rearranged(layer.steps(shape), x[0], shape, module=array)
        return [wrap_assignment(f"    {y} = {text.format(y=y)}") for text in texts]
    if isinstance(layer, nl.Arithmetic):
        words = align_words(spec, node, x)
        if isinstance(layer, nl.Maximum):
            return [call(f"{y} = largest", words)]
        return [wrap_assignment(f"    {y} = {OPERATORS[type(layer)].join(words)}")]
    if isinstance(layer, nl.PReLU):
        words = [f"{x[0]} > 0", x[0], f'w["{node.owner}.slope"] * {x[0]}']
        return [call(f"{y} = {array}.where", words)]
    if isinstance(layer, nl.L2Normalize):
        return [call(f"{y} = l2_normalize", [x[0], number(layer.epsilon)])]
    if isinstance(layer, nl.LocalResponseNorm):
        return [call(f"{y} = local_response_norm", [x[0], *response_words(layer)])]
    if isinstance(layer, nl.Rescale):
        scale, offset = constant_text(layer.scale), constant_text(layer.offset)
        return [wrap_assignment(f"    {y} = {x[0]} * {scale} + {offset}")]
    return None


def response_words(layer: nl.LocalResponseNorm) -> list[str]:
    """Return the arguments of local response normalization."""
    return [number(n) for n in (layer.size, layer.alpha, layer.beta, layer.bias)]


_AS_OURS: Mapping[str, str] = {}


def loss_functions(
    spec: ScriptSpec,
    text_of: Callable[[Head], str],
    called: Mapping[str, str] = _AS_OURS,
) -> tuple[list[str], dict[str, str]]:
    """Return a function for each kind of loss, and which one each output takes.

    ``text_of`` gives the function of an output's loss, with {name} for its name, and
    ``called`` what it is called where it has not the loss's name.
    """
    names: dict[str, str] = {}
    found: dict[str, str] = {}
    for head in spec.heads:
        text = text_of(head)
        if text and text not in names:
            name = called.get(head.loss.name, head.loss.name)
            while name in names.values():
                name += "_"
            names[text] = name
        if text:
            found[head.name] = names[text]
    return [text.replace("{name}", name) for text, name in names.items()], found


def sum_lines(name: str, terms: Sequence[str]) -> list[str]:
    """Return the assignment of a sum, a term a line where it is too long."""
    line = f"    {name} = {' + '.join(terms)}"
    if len(line) <= WIDTH:
        return [line]
    first, *rest = terms
    rows = [f"        {first}", *(f"        + {term}" for term in rest)]
    return [f"    {name} = (", *rows, "    )"]


def sliced(spec: ScriptSpec, name: str, chosen: str) -> str:
    """Return some examples of an array, or of all arrays of several."""
    return f"take({name}, {chosen})" if spec.is_several else f"{name}[{chosen}]"


def counted(spec: ScriptSpec) -> str:
    """Return the number of examples."""
    return "count(images)" if spec.is_several else "len(images)"


def forward_parts(spec: ScriptSpec, function: str, size: int) -> list[str]:
    """Return the lines that predict for a part of the examples of several arrays."""
    state = state_argument(spec)
    return [
        f"    starts = range(0, count(images), {size})",
        f"    chosen = [take(images, slice(i, i + {size})) for i in starts]",
        f"    parts = [{function}(w{state}, x) for x in chosen]",
    ]


def score_rows(spec: ScriptSpec) -> list[str]:
    """Return the entries of the scores of several outputs ``z``."""
    rows = []
    for head, name in zip(spec.heads, scaffold.score_names(spec), strict=True):
        key = f'"{head.name}"'
        value = head.score_text(f"z[{key}]", f"labels[{key}]", array="numpy")
        rows.append(call(f'"{name}": np.mean', [value], indent=8, tail=","))
    return rows


def accuracy_text(spec: ScriptSpec, body: Sequence[str]) -> str:
    """Write the function that counts what is right; ``body`` is that of `logits`."""
    state = state_argument(spec)
    head = [
        f"def logits(w{state}, images):",
        '    """Return the outputs, a part of the images at a time."""',
        *body,
        "",
        "",
    ]
    if spec.is_several:
        return "\n".join(
            [
                *head,
                f"def scores(w{state}, images, labels):",
                '    """Return how good each output is."""',
                f"    z = logits(w{state}, images)",
                "    return {",
                *score_rows(spec),
                "    }",
                "",
            ]
        )
    name = spec.head.score
    values = spec.head.score_text("z", "labels", array="numpy")
    return "\n".join(
        [
            *head,
            f"def {name}(w{state}, images, labels):",
            f'    """{SCORES[name]}"""',
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
