"""Write a network as one ES module, its weights in base64."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from pellucid.exchange.codegen.javascript.kernels import (
    CALLS,
    KERNELS,
    LANES,
    WITH_WEIGHTS,
)
from pellucid.exchange.codegen.kernel_calls import (
    ConstantRef,
    KernelCall,
    KernelProgram,
    WorkspaceRef,
    escape_comment,
    lower,
)
from pellucid.exchange.codegen.pixels import pixel_place
from pellucid.exchange.codegen.pointwise import write_javascript
from pellucid.exchange.codegen.ports import Port, input_ports, output_ports
from pellucid.network import Network, Preprocessing
from pellucid.network.expression.nodes import topological
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the module. Images are (height, width, channels)."""
    program = lower(file, lanes=LANES)
    starts, weights = _concatenate(program)
    used = set(program.kernels).union(*(CALLS.get(k, set()) for k in program.kernels))
    operators = {n.operator for n in topological(program.functions.values())}
    used |= {"erf"} & operators
    parts = [
        _head(file),
        _exports(file),
        _memory(program.plan.size, weights),
        *(text for key, text in KERNELS.items() if key in used),
        *(write_javascript(n, function) for n, function in program.functions.items()),
        _predict(file, program, starts),
    ]
    return {name: "\n".join(parts).encode()}


def _concatenate(program: KernelProgram) -> tuple[dict[str, int], bytes]:
    """Return where each array begins, and all of them behind each other."""
    starts, begin = {}, 0
    for name, array in program.arrays.items():
        starts[name] = begin
        begin += array.size
    flat = [array.ravel() for array in program.arrays.values()]
    whole = np.concatenate(flat) if flat else np.zeros(0, np.float32)
    return starts, whole.astype("<f4").tobytes()


def _has_several(file: ModelFile) -> bool:
    return len(file.network.inputs) > 1 or len(file.network.outputs) > 1


def _head(file: ModelFile) -> str:
    first = (
        f"// {escape_comment(file.network.name)}, written by pellucid: "
        "an ES module without dependencies.\n"
    )
    if _has_several(file):
        return first + _head_of_several(file)
    if not file.preprocessing.is_known:
        return (
            f"{first}//   import {{ predict, classes }} from ...\n"
            "// predict takes one image of floats, channels fastest, and returns\n"
            "// a new Float32Array. How bytes 0 ... 255 become the input is not known."
        )
    return (
        f"{first}"
        "//   import { predict, predictPixels, classes } from ...\n"
        "// predict takes one image of floats, channels fastest; predictPixels the "
        "same from\n// bytes 0 ... 255, scaled as in training. Both return a new "
        "Float32Array."
    )


def _head_of_several(file: ModelFile) -> str:
    network = file.network
    pixels = "predictPixels the same from bytes 0 ... 255."
    rows = [
        f"//   import {{ {', '.join(_functions(file))}, classes }} from ...",
        f"// predict takes {_shown(network.inputs, 'one image')} as floats, channels",
        f"// fastest, and returns {_shown(network.outputs, 'a new Float32Array')}.",
    ]
    if len(_functions(file)) > 1:
        rows.append(f"// {pixels}")
    return "\n".join(rows)


def _functions(file: ModelFile) -> list[str]:
    """Return what is exported: one image of bytes can be scaled, several inputs not."""
    has_pixels = file.preprocessing.is_known and len(file.network.inputs) == 1
    return ["predict", "predictPixels"] if has_pixels else ["predict"]


def _shown(names: tuple[str, ...], single: str) -> str:
    return single if len(names) == 1 else f"{{ {', '.join(names)} }}"


def _exports(file: ModelFile) -> str:
    how, network = file.preprocessing, file.network
    values: dict[str, Any] = {
        **_shapes("inputShape", network.inputs, network),
        **_shapes("outputShape", network.outputs, network),
        "classes": list(file.classes),
        "preprocessing": _preprocessing(how),
    }
    return "\n".join(
        f"export const {key} = {json.dumps(value)};" for key, value in values.items()
    )


def _shapes(key: str, names: tuple[str, ...], network: Network) -> dict[str, Any]:
    """Return the shape of the only one; ``…Shapes`` by name where there are several."""
    if len(names) == 1:
        return {key: list(network.shapes[names[0]])}
    return {f"{key}s": {name: list(network.shapes[name]) for name in names}}


def _preprocessing(how: Preprocessing) -> dict[str, Any] | None:
    """Return what predictPixels does, where that is known."""
    if not how.is_known:
        return None
    order = {"channelOrder": "bgr"} if how.channel_order == "bgr" else {}
    return {"scale": list(how.scale), "offset": list(how.offset), **order}


def _memory(size: int, weights: bytes) -> str:
    text = base64.b64encode(weights).decode()
    return f"""
const size = (shape) => shape.reduce((a, b) => a * b, 1);
const memory = new Float32Array({size});

// little-endian floats, as base64
function decoded(text) {{
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  const view = new DataView(bytes.buffer);
  const floats = new Float32Array(bytes.length / 4);
  for (let i = 0; i < floats.length; i++) floats[i] = view.getFloat32(4 * i, true);
  return floats;
}}

const weights = decoded("{text}");
"""


def _predict(file: ModelFile, program: KernelProgram, starts: dict[str, int]) -> str:
    calls = "\n".join(_call(call, starts) for call in program.calls)
    inputs = input_ports(file.network, program.plan.inputs)
    outputs = output_ports(file.network, program.plan.outputs)
    takes = "image" if len(inputs) == 1 else "inputs"
    return f"""
export function predict({takes}) {{
{_read_inputs(inputs)}
{calls}
{_return_outputs(outputs)}
}}
{_predict_pixels(file)}"""


def _read_inputs(inputs: list[Port]) -> str:
    """Return the check of each input's size and its copy into memory."""
    if len(inputs) == 1:
        return f"""  if (image.length !== size(inputShape))
    throw new RangeError(
      `predict: image must have ${{size(inputShape)}} numbers; got ${{image.length}}.`);
  const m = memory, W = weights;
  m.set(image, {inputs[0].start});"""
    places = json.dumps({port.name: port.start for port in inputs})
    return f"""  const m = memory, W = weights;
  for (const [name, place] of Object.entries({places})) {{
    const count = size(inputShapes[name]), came = inputs[name]?.length ?? "none";
    if (came !== count)
      throw new RangeError(
        `predict: input '${{name}}' must have ${{count}} numbers; got ${{came}}.`);
    m.set(inputs[name], place);
  }}"""


def _return_outputs(outputs: list[Port]) -> str:
    if len(outputs) == 1:
        start = outputs[0].start
        return f"  return m.slice({start}, {start} + size(outputShape));"
    rows = ",\n".join(
        f"    {json.dumps(port.name)}: m.slice({port.start}, {port.start + port.size})"
        for port in outputs
    )
    return f"  return {{\n{rows},\n  }};"


def _predict_pixels(file: ModelFile) -> str:
    how = file.preprocessing
    if "predictPixels" not in _functions(file):
        return ""
    place = pixel_place(how, file.network.input_shape)
    pixel = "pixel" if place == "i" else f"pixels[{place}]"
    return f"""
export function predictPixels(pixels) {{
  const {{ scale, offset }} = preprocessing;
  const by = Float32Array.from(scale), plus = Float32Array.from(offset);
  const count = scale.length;
  return predict(Float32Array.from(pixels, (pixel, i) =>
    Math.fround({pixel} * by[i % count]) + plus[i % count]));
}}
"""


def _call(call: KernelCall, starts: dict[str, int]) -> str:
    first = ["m", "W"] if call.kernel in WITH_WEIGHTS else ["m"]
    shown = ", ".join([*first, *(_argument(value, starts) for value in call.arguments)])
    return f"  {call.kernel}({shown}); // {call.node}"


def _argument(value: WorkspaceRef | ConstantRef | float, starts: dict[str, int]) -> str:
    if isinstance(value, WorkspaceRef):
        return str(value.start)
    if isinstance(value, ConstantRef):
        return str(starts[value.name])
    return repr(value)
