"""Metadata of a served model in the protocols' terms."""

from __future__ import annotations

from typing import Any

from pellucid.serving.served_model import ServedModel
from pellucid.serving.tensors import datatype_of

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_repository",
    "model_configuration",
    "statistics",
)


def server() -> dict[str, Any]:
    """Say what server this is."""
    from pellucid import __version__

    return {
        "name": "pellucid",
        "version": __version__,
        "extensions": list(EXTENSIONS),
    }


def metadata(served: ServedModel) -> dict[str, Any]:
    """Say what a model takes and gives."""
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": f"pellucid_{served.model.engine.name}",
        "inputs": [_tensor(served, name) for name in served.inputs],
        "outputs": [_tensor(served, name) for name in served.outputs],
    }


def _tensor(served: ServedModel, name: str) -> dict[str, Any]:
    datatype = datatype_of(served.model.dtype)
    shape = [-1, *served.network.shapes[name]]
    return {"name": name, "datatype": datatype, "shape": shape}


def _config_tensor(served: ServedModel, name: str) -> dict[str, Any]:
    datatype = f"TYPE_{datatype_of(served.model.dtype)}"
    dims = list(served.network.shapes[name])
    return {"name": name, "data_type": datatype, "dims": dims}


def _said_of_outputs(served: ServedModel) -> dict[str, Any]:
    """Say what each output means; of several with its name in the key."""
    found = {}
    for name in served.outputs:
        end = "" if len(served.outputs) == 1 else f".{name}"
        meaning, names = served.meaning(name), served.class_names(name)
        found[f"output{end}"] = {"string_value": meaning.describe()}
        found[f"classes{end}"] = {"string_value": ",".join(names)}
    return found


def config(served: ServedModel) -> dict[str, Any]:
    """Say how a model is run, in Triton's words."""
    network = served.network
    return {
        "name": served.name,
        "platform": f"pellucid_{served.model.engine.name}",
        "backend": "pellucid",
        "max_batch_size": served.settings.limits.images,
        "input": [_config_tensor(served, name) for name in served.inputs],
        "output": [_config_tensor(served, name) for name in served.outputs],
        "dynamic_batching": {
            "preferred_batch_size": [served.settings.batching.size],
            "max_queue_delay_microseconds": round(
                1e6 * served.settings.batching.delay_s
            ),
        },
        "parameters": {
            "network": {"string_value": network.name},
            "parameters": {"string_value": str(network.parameter_count)},
            "multiply_adds": {"string_value": str(network.multiply_adds)},
            **_said_of_outputs(served),
        },
    }


def stats(served: ServedModel) -> dict[str, Any]:
    """Say how often a model was asked, and how long it took."""
    return {"model_stats": [statistics(served)]}


def ready(served: ServedModel) -> dict[str, Any]:
    """Say that a model answers."""
    return {"name": served.name, "ready": True}


def statistics(served: ServedModel) -> dict[str, Any]:
    """Say it of one version: requests that went well or failed, and batches."""
    counts = served.counts
    return {
        "name": served.name,
        "version": served.version,
        "last_inference": round(1000 * counts.last),
        "inference_count": counts.images,
        "execution_count": counts.batches,
        "inference_stats": {
            "success": _duration(counts.succeeded, counts.succeeded_s),
            "fail": _duration(counts.failed, counts.failed_s),
            "compute_infer": _duration(counts.batches, counts.batches_s),
        },
    }


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": round(1e9 * seconds)}
