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
from pellucid.network import Preprocessing
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


def _head(file: ModelFile) -> str:
    first = (
        f"// {escape_comment(file.network.name)}, written by pellucid: "
        "an ES module without dependencies.\n"
    )
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


def _exports(file: ModelFile) -> str:
    how = file.preprocessing
    values: dict[str, Any] = {
        "inputShape": list(file.network.input_shape),
        "outputShape": list(file.network.output_shape),
        "classes": list(file.classes),
        "preprocessing": _preprocessing(how),
    }
    return "\n".join(
        f"export const {key} = {json.dumps(value)};" for key, value in values.items()
    )


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
    entry, exit_ = program.plan.input, program.plan.output
    return f"""
export function predict(image) {{
  if (image.length !== size(inputShape))
    throw new RangeError(
      `predict: image must have ${{size(inputShape)}} numbers; got ${{image.length}}.`);
  const m = memory, W = weights;
  m.set(image, {entry});
{calls}
  return m.slice({exit_}, {exit_} + size(outputShape));
}}
{_predict_pixels(file)}"""


def _predict_pixels(file: ModelFile) -> str:
    how = file.preprocessing
    if not how.is_known:
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
