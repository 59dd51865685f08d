"""The types of a network's WebAssembly, for TypeScript."""

from __future__ import annotations

from pellucid.exchange.codegen.kernel_calls import escape_comment
from pellucid.exchange.native.interface import Interface


def write_types(face: Interface) -> str:
    """Return the module's types for TypeScript."""
    network = face.file.network

    def kind(names: tuple[str, ...], single: str) -> str:
        if len(names) == 1:
            return single
        return "{ " + "; ".join(f"{name}: Float32Array" for name in names) + " }"

    takes = kind(network.inputs, "ArrayLike<number>")
    gives = kind(network.outputs, "Float32Array")
    rows = [f"// {escape_comment(network.name)}, compiled by pellucid"]
    for key, names in (
        ("inputShape", network.inputs),
        ("outputShape", network.outputs),
    ):
        plural = "" if len(names) == 1 else "s"
        shape = "number[]" if len(names) == 1 else "Record<string, number[]>"
        rows.append(f"export const {key}{plural}: {shape};")
    rows += [
        "export const classes: string[];",
        f"/** One example or several behind each other, channels fastest. */\n"
        f"export function predict(given: {takes}): {gives};",
        "/** The output of every node for one example. */\n"
        f"export function activations(given: {takes}):\n"
        "  Record<string, { shape: number[]; data: Float32Array }>;",
    ]
    if face.target.workers > 1:
        rows += [
            "/** Threads that share the work; 1 where memory cannot be shared. */\n"
            "export const threads: number;",
            "/** When all of them have come; calls need not wait for it. */\n"
            "export const ready: Promise<unknown>;",
        ]
    if face.has_pixels:
        rows += [
            "export const preprocessing: { scale: number[]; offset: number[] };",
            "/** As predict, from bytes 0 to 255, scaled as in training. */\n"
            f"export function predictPixels(pixels: Iterable<number>): {gives};",
        ]
    if face.trains:
        labels = "class numbers" if face.takes_classes else "numbers of the output"
        rows += [
            "export const batchSize: number, learningRate: number;",
            f"/** Make one update; labels are {labels}. Returns the loss before. */\n"
            "export function trainStep(images: ArrayLike<number>,\n"
            "  labels: ArrayLike<number>, rate?: number): number;",
            "/** The weights as training has left them, in the model's layout. */\n"
            "export function weights():\n"
            "  Record<string, { shape: number[]; data: Float32Array }>;",
            "/** Begin anew with these weights, all of them, and a new optimizer. */\n"
            "export function loadWeights(given: Record<string, ArrayLike<number>>): "
            "void;",
            "export function saveState(): Uint8Array;",
            "export function loadState(state: Uint8Array): void;",
        ]
    return "\n".join(rows) + "\n"
