"""Runtimes in which exported files are run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.exchange.codegen.c.run import c, c_int8
from pellucid.exchange.keras.for_keras import open_for_keras
from pellucid.exchange.litert.run import litert
from pellucid.exchange.native.run import native
from pellucid.exchange.nodejs import javascript, tfjs
from pellucid.exchange.packing import pack, unpack
from pellucid.exchange.runtime_layout import (
    adapt,
    adapt_several,
    fixed_size,
    in_batches,
)
from pellucid.exchange.runtime_timing import (
    Array,
    Predict,
    RuntimeMeasurement,
    channels_first,
    channels_last,
    import_runtime,
    time_runtime,
)
from pellucid.network import Network


def onnx(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Run in onnxruntime on the CPU."""
    runtime = import_runtime("onnxruntime", "onnx")

    def load() -> Predict:
        session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
        if len(network.inputs) > 1 or len(network.outputs) > 1:
            return _several_in_onnxruntime(session, network)
        entry = session.get_inputs()[0]

        def predict(x: Array) -> Array:
            return np.asarray(session.run(None, {entry.name: _as_entry(entry, x)})[0])

        return adapt(
            predict,
            takes=entry.shape,
            own=network.input_shape,
            gives=network.output_shape,
        )

    return time_runtime(load, images, f"onnxruntime {runtime.__version__}")


def _as_entry(entry: Any, x: Array) -> Array:
    """Return an input in the type that a file takes, float16 or as it is."""
    return x.astype(np.float16) if entry.type == "tensor(float16)" else x


def _several_in_onnxruntime(session: Any, network: Network) -> Predict:
    """Return a function of all inputs, packed as one array, to all outputs."""
    entries = session.get_inputs()
    names = [entry.name for entry in entries]

    def predict(inputs: list[Array]) -> list[Array]:
        given = [_as_entry(entry, x) for entry, x in zip(entries, inputs, strict=True)]
        made: list[Array] = session.run(None, dict(zip(names, given, strict=True)))
        return made

    return adapt_several(predict, [entry.shape for entry in entries], network)


def read_back(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Read the file back, on the numpy engine."""
    from pellucid.exchange.api import read

    def load() -> Predict:
        model = read(path, engine="numpy")
        if len(network.inputs) == len(network.outputs) == 1:
            return model.predict
        shapes = [network.shapes[name] for name in network.inputs]

        def predict(packed: Array) -> Array:
            inputs = unpack(packed, shapes)
            made = model.predict(tuple(inputs) if len(inputs) > 1 else inputs[0])
            return pack(made if isinstance(made, tuple) else (made,))

        return predict

    return time_runtime(load, images, "pellucid, numpy")


def keras(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Load and predict in Keras, whatever framework it stands on here."""
    runtime = import_runtime("keras", "keras")

    def load() -> Predict:
        model = _load_keras(runtime, path)
        if len(network.inputs) > 1 or len(network.outputs) > 1:
            shapes = [entry.shape for entry in model.inputs]
            predict = _several_in_keras(runtime, model)
            return adapt_several(predict, shapes, network, usual="last")
        return adapt(
            lambda x: np.asarray(model(x, training=False)),
            takes=model.inputs[0].shape,
            own=network.input_shape,
            gives=network.output_shape,
            usual="last",
        )

    on = runtime.config.backend()
    return time_runtime(load, images, f"keras {runtime.__version__} on {on}")


def _several_in_keras(runtime: Any, model: Any) -> Callable[[list[Array]], list[Array]]:
    """Return a function of all inputs to all outputs, in Keras' order of both."""

    def predict(inputs: list[Array]) -> list[Array]:
        given = runtime.tree.pack_sequence_as(model.input, inputs)
        made = runtime.tree.flatten(model(given, training=False))
        return [runtime.ops.convert_to_numpy(y) for y in made]

    return predict


def _load_keras(runtime: Any, path: Path) -> Any:
    with open_for_keras(path) as name:
        return runtime.saving.load_model(name, compile=False)


def pt2(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Load with `torch.export.load` and predict."""
    torch = import_runtime("torch", "pt2")

    def load() -> Predict:
        program = torch.export.load(path)
        predict = _torch_predict(torch, program.module(), network)
        nodes = {node.name: node for node in program.graph.nodes}
        entry = nodes[program.graph_signature.user_inputs[0]]
        batch = fixed_size(entry.meta["val"].shape[0])
        return lambda x: in_batches(predict, x, batch)

    return time_runtime(load, images, f"torch {torch.__version__}")


def state_dict(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Load with ``weights_only=True`` into a module of the network."""
    torch = import_runtime("torch", "state_dict")
    from pellucid.engines.framework_layers.torch_layout import Layout
    from pellucid.engines.torch.layers import NetworkModule

    def load() -> Predict:
        module = NetworkModule(network, Layout(network))
        module.load_state_dict(torch.load(path, weights_only=True))
        return _torch_predict(torch, module, network)

    return time_runtime(load, images, f"torch {torch.__version__}")


def torchscript(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Load with `torch.jit.load` and predict."""
    torch = import_runtime("torch", "torchscript")

    def load() -> Predict:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, that TorchScript is deprecated
            return _torch_predict(torch, torch.jit.load(path), network)

    return time_runtime(load, images, f"torch {torch.__version__}, jit")


def executorch(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Run in ExecuTorch's own runtime, image by image."""
    runtime = import_runtime("executorch.runtime", "executorch")
    torch = import_runtime("torch", "executorch")
    release = version("executorch")

    def load() -> Predict:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its interface calls itself experimental
            program = runtime.Runtime.get().load_program(str(path))
            method = program.load_method("forward")

        def module(*images: Any) -> list[Any]:
            rows = [
                [made.clone() for made in method.execute([x[None] for x in one])]
                for one in zip(*images, strict=True)
            ]
            return [torch.cat(made) for made in zip(*rows, strict=True)]

        # the method reads from the program, which nothing else would keep
        module.program = program  # type: ignore[attr-defined]
        return _torch_predict(torch, module, network)

    return time_runtime(load, images, f"executorch {release}")


def savedmodel(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Load with `tf.saved_model.load` and call the serving signature."""
    tf = import_runtime("tensorflow", "savedmodel")
    from pellucid.exchange.savedmodel.inference_only import inference_only
    from pellucid.exchange.savedmodel.read import read_card
    from pellucid.exchange.savedmodel.signature import Signature
    from pellucid.exchange.savedmodel.write import CARD

    def load() -> Predict:
        signature = Signature.load(place, read_card(folder / CARD))
        takes = [spec.shape.as_list() for spec in signature.specs]
        if len(takes) > 1 or len(network.outputs) > 1:
            return adapt_several(signature.run_in_order, takes, network, usual="last")
        return adapt(
            lambda x: signature.run_in_order([x])[0],
            takes=takes[0],
            own=network.input_shape,
            gives=network.output_shape,
            usual="last",
        )

    folder = path if path.is_dir() else path.parent
    with inference_only(folder) as place:
        return time_runtime(load, images, f"tensorflow {tf.__version__}")


def _torch_predict(torch: Any, module: Any, network: Network) -> Predict:
    """Return a function of all inputs (packed if there are several) to all outputs."""

    def predict(inputs: list[Array]) -> list[Array]:
        with torch.no_grad():
            made = module(*map(torch.from_numpy, inputs))
        return [y.numpy() for y in torch.utils._pytree.tree_leaves(made)]

    if len(network.inputs) > 1 or len(network.outputs) > 1:
        free = [(None,) * (1 + len(network.shapes[name])) for name in network.inputs]
        return adapt_several(predict, free, network)
    return lambda x: channels_last(predict([channels_first(x)])[0])


RUNTIMES: dict[str, Callable[[Path, Network, Array], RuntimeMeasurement]] = {
    "c": c,
    "c_int8": c_int8,
    "executorch": executorch,
    "h5": keras,
    "javascript": javascript,
    "keras": keras,
    "native": native,
    "native_int8": native,
    "npz": read_back,
    "onnx": onnx,
    "pt2": pt2,
    "safetensors": read_back,
    "savedmodel": savedmodel,
    "state_dict": state_dict,
    "tfjs": tfjs,
    "tflite": litert,
    "tflite_int8": litert,
    "torchscript": torchscript,
    "wasm": javascript,
    "wasm_int8": javascript,
}

__all__ = ["RUNTIMES", "RuntimeMeasurement"]
