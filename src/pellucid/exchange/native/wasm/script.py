"""The JavaScript around a network's WebAssembly."""

from __future__ import annotations

import base64
import json
from math import prod
from typing import Any

from pellucid.exchange.codegen.kernel_calls import escape_comment
from pellucid.exchange.codegen.pixels import pixel_place
from pellucid.exchange.native.interface import Interface
from pellucid.exchange.native.wasm.link import PAGE, STACK, find_memory

_MODULE = """\
// {title}, compiled by pellucid to {about}.
//   import {{ {functions}, classes }} from ...
// For browsers, workers, Node and Deno; {types} has the types.
{constants}

const decode = (text) => {{
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}};
const code = decode("{code}");
{instance}
const wasm = instance.exports, size = (shape) => shape.reduce((a, b) => a * b, 1);
const heap = {heap};
let top = wasm.__heap_base.value;
const take = (bytes) => {{
  const place = Math.ceil(top / 64) * 64;
  top = place + bytes;
  const missing = top - heap.buffer.byteLength;
  if (missing > 0) heap.grow(Math.ceil(missing / 65536));
  return place;
}};
const floats = (place, count) => new Float32Array(heap.buffer, place, count);
const memory = take({memory}), AT_ONCE = {predicts};
const inputs = {inputs}, outputs = {outputs};
for (const port of [...inputs, ...outputs])
  port.place = take(4 * AT_ONCE * size(port.shape));

// how many examples an input holds; all must hold equally many
function counted(who, given) {{
  const counts = inputs.map(({{ name, shape }}) => {{
    const array = {given}, one = size(shape);
    if (!(array?.length > 0) || array.length % one)
      throw new RangeError(`${{who}}: ${{name}} must have ${{one}} numbers for each ` +
        `example, at least one; got ${{array?.length ?? "none"}}.`);
    return array.length / one;
  }});
  if (new Set(counts).size > 1)
    throw new RangeError(`${{who}}: inputs must have equally many examples; got ` +
      `${{counts.join(", ")}}.`);
  return counts[0];
}}

function put(given, start, count) {{
  for (const {{ name, shape, place }} of inputs) {{
    const array = {given}, one = size(shape);
    floats(place, count * one).set(array.subarray(start * one, (start + count) * one));
  }}
}}

const asFloats = (given) => {floats};

export function predict(given) {{
  given = asFloats(given);
  const count = counted("predict", given);
  const made = outputs.map(({{ shape }}) => new Float32Array(count * size(shape)));
  for (let start = 0; start < count; start += AT_ONCE) {{
    const many = Math.min(AT_ONCE, count - start);
    put(given, start, many);
    wasm.{prefix}_predict({arguments}, BigInt(many), memory);
    outputs.forEach(({{ shape, place }}, i) =>
      made[i].set(floats(place, many * size(shape)), start * size(shape)));
  }}
  return {result};
}}

const places = {places};

export function activations(given) {{
  given = asFloats(given);
  if (counted("activations", given) !== 1)
    throw new RangeError("activations: must be asked of one example; got several.");
  put(given, 0, 1);
  wasm.{prefix}_activations({entries}, memory);
  const found = {{}}, all = floats(Math.ceil(memory / 64) * 64, {memory} / 4 - 16);
  for (const [name, [shape, start, h, w, c, row, pixel]] of Object.entries(places)) {{
    const data = new Float32Array(h * w * c);
    for (let i = 0, at = 0; i < h; i++)
      for (let j = 0; j < w; j++)
        for (let k = 0; k < c; k++) data[at++] = all[start + i * row + j * pixel + k];
    found[name] = {{ shape, data }};
  }}
  return found;
}}
"""

_ALONE = "const { instance } = await WebAssembly.instantiate(code, {});"

_SHARED = """\
// threads in Node, Deno and isolated pages (COOP and COEP); elsewhere the same code
// in memory that is not shared, as its flags say
const isShared = (globalThis.crossOriginIsolated ?? true) &&
  typeof SharedArrayBuffer === "function";
code[{flags}] = isShared ? 3 : 1;
const pages = {pages}, shared =
  new WebAssembly.Memory({{ initial: pages, maximum: pages, shared: isShared }});
const compiled = await WebAssembly.compile(code);
const imports = {{ env: {{ memory: shared }} }};
const instance = await WebAssembly.instantiate(compiled, imports);"""

_THREADS = """
const isNode = typeof globalThis.process?.versions?.node === "string";
const {{ Worker: Thread }} = isNode ? await import("node:worker_threads") : globalThis;
const cores = isNode ? (await import("node:os")).availableParallelism()
  : globalThis.navigator?.hardwareConcurrency ?? 1;
const wished = Number(new URL(import.meta.url).searchParams.get("threads")) || cores;
const most = isShared && Thread ? {workers} : 1;
export const threads = Math.max(1, Math.min(most, wished));

const SOURCE = `
const port = typeof require === "function"
  ? require("node:worker_threads").parentPort : globalThis;
const run = async ({{ compiled, imports, stack, pool, worker }}) => {{
  const {{ exports }} = await WebAssembly.instantiate(compiled, imports);
  exports.__stack_pointer.value = stack;
  port.postMessage(worker);
  exports.{prefix}_work(pool, BigInt(worker), 0n);
}};
if (port.once) port.once("message", run);
else port.onmessage = ({{ data }}) => run(data);
`;

function start(worker) {{
  const stack = take({stack}) + {stack}, pool = Math.ceil(memory / 64) * 64 + {pool};
  const url = isNode ? SOURCE : URL.createObjectURL(new Blob([SOURCE]));
  const thread = new Thread(url, isNode ? {{ eval: true, execArgv: [] }} : {{}});
  thread.unref?.();
  const come = new Promise((resolve, reject) => {{
    if (isNode) thread.once("message", resolve).once("error", reject);
    else [thread.onmessage, thread.onerror] = [resolve, reject];
  }});
  thread.postMessage({{ compiled, imports, stack, pool, worker }});
  return come;
}}

// before all threads have come, those that are there do the work
export const ready = Promise.allSettled(
  Array.from({{ length: threads - 1 }}, (_, i) => start(i + 1)));
"""

_PIXELS = """
export function predictPixels(pixels) {{
  const {{ scale, offset }} = preprocessing, count = scale.length;
  const by = Float32Array.from(scale), plus = Float32Array.from(offset);
  return predict(Float32Array.from(pixels, (pixel, i) =>
    Math.fround({pixel} * by[i % count]) + plus[i % count]));
}}
"""

_TRAINING = """
export const batchSize = {batch}, learningRate = {rate};
const imagesAt = take(4 * batchSize * size(inputShape));
const labelsAt = take(4 * batchSize * {labels}), lossAt = take(4);
wasm.{prefix}_init(memory);

export function trainStep(images, labels, rate = learningRate) {{
  const count = images.length / size(inputShape);
  if (!Number.isInteger(count) || count < 1 || count > batchSize)
    throw new RangeError(`trainStep: images must be 1 to ${{batchSize}} examples of ` +
      `${{size(inputShape)}} numbers; got ${{images.length}} numbers.`);
  if (labels.length !== count * {labels})
    throw new RangeError(`trainStep: labels must be ${{count * {labels}}}; got ` +
      `${{labels.length}}.`);
{check}
  floats(imagesAt, images.length).set(images);
  new {kind}(heap.buffer, labelsAt, labels.length).set(labels);
  wasm.{prefix}_train_step(imagesAt, labelsAt, BigInt(count), rate, lossAt, memory);
  return floats(lossAt, 1)[0];
}}

const stored = {stored};

// visit each element of a weight: where it lies in memory, which one it is
function visit([shape, sizes, strides, starts], start, call) {{
  const count = size(sizes), at = sizes.map(() => 0);
  for (let i = 0, place = start; i < count; i++) {{
    call(place, i);
    for (let axis = sizes.length - 1; axis >= 0; axis--) {{
      place += strides[axis];
      if (++at[axis] < sizes[axis]) break;
      place -= strides[axis] * sizes[axis];
      at[axis] = 0;
    }}
  }}
}}

const all = () => floats(memory, {state} / 4);

// the weights as training has left them, by name
export function weights() {{
  const found = {{}}, from = all();
  for (const [name, entry] of Object.entries(stored)) {{
    const data = new Float32Array(size(entry[0]));
    visit(entry, entry[3][0], (place, i) => {{ data[i] = from[place]; }});
    found[name] = {{ shape: entry[0], data }};
  }}
  return found;
}}

// begin anew with weights of the caller's: a new optimizer at its first step
export function loadWeights(given) {{
  for (const [name, [shape]] of Object.entries(stored))
    if (given?.[name]?.length !== size(shape))
      throw new RangeError(`loadWeights: ${{name}} must have ${{size(shape)}} ` +
        `numbers; got ${{given?.[name]?.length ?? "none"}}.`);
  wasm.{prefix}_init(memory);
  const to = all();
  for (const [name, entry] of Object.entries(stored))
    for (const start of entry[3])
      visit(entry, start, (place, i) => {{ to[place] = given[name][i]; }});
}}

// weights and optimizer: to be kept, and to go on from
export const saveState = () =>
  new Uint8Array(heap.buffer, memory, {state}).slice();

export function loadState(state) {{
  if (state.length !== {state})
    throw new RangeError(`loadState: must be {state} bytes; got ${{state.length}}.`);
  new Uint8Array(heap.buffer, memory, {state}).set(state);
  new BigInt64Array(heap.buffer, memory + 16, 2).fill(0n);
}}
"""

_CLASSES = """\
  for (const label of labels)
    if (!Number.isInteger(label) || label < 0 || label >= {classes})
      throw new RangeError(
        `trainStep: labels must be class numbers from 0 to {last}; got ${{label}}.`);"""


def write_module(face: Interface, types: str, code: bytes) -> str:
    """Return the ES module, the code in it as base64; ``types`` is their file."""
    file, build = face.file, face.build
    network = file.network
    is_one, gives_one = len(network.inputs) == 1, len(network.outputs) == 1
    functions = ["predict", "activations"]
    functions += ["predictPixels"] if face.has_pixels else []
    functions += ["trainStep", "weights"] if face.trains else []
    first, last = len(network.inputs), len(network.outputs)
    entries = ", ".join(f"inputs[{i}].place" for i in range(first))
    exits = ", ".join(f"outputs[{i}].place" for i in range(last))
    text = _MODULE.format(
        title=escape_comment(network.name),
        about=face.target.about,
        instance=_shared(face, code) if face.target.workers > 1 else _ALONE,
        heap="shared" if face.target.workers > 1 else "wasm.memory",
        functions=", ".join(functions),
        types=escape_comment(types),
        constants=_constants(face),
        code=base64.b64encode(code).decode(),
        memory=build.memory,
        predicts=build.predicts,
        inputs=_ports(face, network.inputs),
        outputs=_ports(face, network.outputs),
        given="given" if is_one else "given[name]",
        floats="ArrayBuffer.isView(given) ? given : Float32Array.from(given)"
        if is_one
        else "given ?? {}",
        prefix=face.prefix,
        arguments=f"{entries}, {exits}",
        entries=entries,
        result="made[0]"
        if gives_one
        else "Object.fromEntries(outputs.map(({ name }, i) => [name, made[i]]))",
        places=json.dumps(_places(face)),
    )
    if face.has_pixels:
        place = pixel_place(file.preprocessing, network.input_shape)
        pixel = "pixel" if place == "i" else f"pixels[{place}]"
        text += _PIXELS.format(pixel=pixel)
    if face.trains:
        text += _training(face)
    if face.target.workers > 1:
        text += _THREADS.format(
            workers=face.target.workers,
            prefix=face.prefix,
            stack=STACK,
            pool=build.pool,
        )
    return text


def _shared(face: Interface, code: bytes) -> str:
    """Return what makes the memory that threads share, as large as it will get."""
    network, build = face.file.network, face.build
    found = find_memory(code)
    ports = (*network.inputs, *network.outputs)
    most = build.predicts + build.images  # of images that arrays hold
    needed = build.memory + face.target.workers * STACK
    needed += sum(4 * most * prod(network.shapes[name]) + 256 for name in ports)
    pages = found.pages + -(-needed // PAGE) + 1
    return _SHARED.format(flags=found.flags, pages=pages)


def _training(face: Interface) -> str:
    """Return the training step and what keeps its state."""
    file, build = face.file, face.build
    rate = getattr(file.optimizer, "learning_rate", 0.001)
    classes = file.network.output_shape[-1]
    check = ""
    if face.takes_classes:
        check = _CLASSES.format(classes=classes, last=classes - 1)
    return _TRAINING.format(
        batch=build.images,
        rate=rate,
        labels=face.labels,
        prefix=face.prefix,
        check=check,
        kind="Int32Array" if face.takes_classes else "Float32Array",
        state=build.state,
        stored=json.dumps(
            {
                n: [w.shape, w.sizes, w.strides, w.starts]
                for n, w in build.weights.items()
            }
        ),
    )


def _constants(face: Interface) -> str:
    file, network = face.file, face.file.network
    values: dict[str, Any] = {}
    for key, names in (
        ("inputShape", network.inputs),
        ("outputShape", network.outputs),
    ):
        if len(names) == 1:
            values[key] = list(network.shapes[names[0]])
        else:
            values[f"{key}s"] = {name: list(network.shapes[name]) for name in names}
    values["classes"] = list(file.classes)
    if face.has_pixels:
        how = file.preprocessing
        values["preprocessing"] = {"scale": list(how.scale), "offset": list(how.offset)}
    return "\n".join(
        f"export const {key} = {json.dumps(value)};" for key, value in values.items()
    )


def _ports(face: Interface, names: tuple[str, ...]) -> str:
    shapes = face.file.network.shapes
    return json.dumps([{"name": n, "shape": list(shapes[n])} for n in names])


def _places(face: Interface) -> dict[str, Any]:
    return {
        name: [list(p.shape), p.start, p.height, p.width, p.channels, p.row, p.pixel]
        for name, p in face.build.activations.items()
    }
