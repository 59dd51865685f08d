"""Write models to files of other programs, and read models from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pellucid.engines.integer_networks import find_integer_layer, refuse_integers
from pellucid.engines.protocol import Engine
from pellucid.errors import ExchangeError, NetworkError
from pellucid.exchange import formats, keras_objects, torch_objects
from pellucid.exchange.dequantize import dequantize as to_floats
from pellucid.exchange.disk import Contents, write_sets
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.input_scaling import settle_preprocessing
from pellucid.exchange.int8.aware import is_aware
from pellucid.exchange.int8.network import quantize_file
from pellucid.exchange.native.options import BATCH, PLAIN, NativeOptions
from pellucid.exchange.weight_matching import WeightMatch
from pellucid.model import Model, from_file
from pellucid.network import Network, Preprocessing
from pellucid.network.fake_quantization import plain_network, round_weights
from pellucid.network.ports import (
    require_known_layers,
)
from pellucid.network.preprocessing_presets import Numbers, as_preprocessing
from pellucid.objectives import Loss, Optimizer, as_loss, as_optimizer
from pellucid.runs import ModelFile
from pellucid.storage import recover

#: arguments that some formats take alone
_GOES_WITH = {
    "constants": ("onnx",),
    "input_shape": ("onnx", "tflite", "keras", "h5", "tfjs", "savedmodel"),
    "network": ("state_dict", "safetensors", "h5"),
}
_KEEPS_INTEGERS = ("native", "npz", "onnx", "safetensors", "tflite", "wasm")
_KEEPS_FLOAT64 = ("npz", "safetensors")


def write(
    model: Model,
    path: str | Path,
    *,
    format: str | None = None,
    calibration: npt.ArrayLike | None = None,
    target: str | None = None,
    train: bool = False,
    batch_size: int = BATCH,
) -> Path:
    """Write a model in another program's format, whole or not at all.

    Parameters
    ----------
    model : Model
        Network and weights; the engine does not matter.
    path : path
        File, or folder where the format is one.
    format : str, optional
        As in ``pellucid.exchange.FORMATS``; by the path's ending if left out.
    calibration : array, shape (N, *input shape), optional
        Images, as `Model.predict` takes them, from which an int8 format learns the
        ranges of activations.
    target : str, optional
        Native code and WebAssembly only: as in ``pellucid export --target``.
    train : bool
        Native code and WebAssembly only: whether the training step is there, too.
    batch_size : int
        Most images of one training step.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    ExchangeError
        If the format cannot hold the network exactly, or the disk not the file.
    MissingExtraError
        If a package is not installed.
    """
    where = Path(path)
    entry = formats.select(where, format)
    options = NativeOptions(target=target, train=train, batch_size=batch_size)
    write_all(model, {where: entry}, calibration=calibration, options=options)
    return where


def write_all(
    model: Model,
    targets: Mapping[Path, formats.Format],
    *,
    calibration: npt.ArrayLike | None = None,
    options: NativeOptions = PLAIN,
) -> None:
    """Write a model in several formats into one folder, all of them or none.

    Parameters
    ----------
    model : Model
        What is written.
    targets : mapping of Path to Format
        What each file or folder is written as.
    calibration : array, optional
        As `write` takes it.
    options : NativeOptions
        Of formats that are compiled.

    Raises
    ------
    ExchangeError, MissingExtraError
        As `write`; then all is as it was before.
    """
    exports = {}
    _check_options(options, list(targets.values()))
    for target, entry in targets.items():
        if not entry.is_written:
            raise ExchangeError(
                f"export: format must be one that is written; got {entry.name!r}, "
                "which is only read."
            )
        given = calibration if entry.is_calibrated else None
        contents = contents_of(
            model, entry, target.name, calibration=given, options=options
        )
        exports[target] = Contents(contents, entry.marker)
    write_sets(exports)


def _check_options(options: NativeOptions, entries: list[formats.Format]) -> None:
    """Refuse a target or a training step where no format takes it.

    Raises
    ------
    ExchangeError
        With the formats that do.
    """
    names = ", ".join(entry.name for entry in entries)
    if options.target is not None and not any(e.has_target for e in entries):
        raise ExchangeError(
            f"export: target must go with format native or wasm; got format {names}."
        )
    if options.train and not all(entry.trains for entry in entries):
        known = ", ".join(f.name for f in formats.FORMATS.values() if f.trains)
        raise ExchangeError(
            f"export: train must go with a format that holds a training step "
            f"({known}); got format {names}."
        )


def contents_of(
    model: Model,
    entry: formats.Format,
    name: str,
    *,
    calibration: npt.ArrayLike | None = None,
    options: NativeOptions = PLAIN,
) -> dict[str, bytes]:
    """Return a format's files by name, as bytes; the first is the main one."""
    file = model.file()
    check_network(file, entry)
    is_fake = is_aware(file.network) and not entry.is_calibrated
    if entry.is_calibrated and calibration is None and not is_aware(file.network):
        raise ExchangeError(
            f"export: {entry.name} must be given images to calibrate on; got none. "
            "A hundred of the training set will do."
        )
    if is_fake and options.train:
        raise ExchangeError(
            "export: a training step must be that of a float network; got "
            "FakeQuantize layers. Export without train."
        )
    if is_fake and entry.name not in _KEEPS_FLOAT64:  # as it computes
        rounded = round_weights(file.network, file.weights)
        file = replace(file, network=plain_network(file.network), weights=rounded)
    module = entry.load()
    contents: dict[str, bytes]
    if entry.is_compiled:
        if entry.is_calibrated:
            file = quantize_file(model, calibration)
        contents = module.contents(file, name, options)
    elif entry.is_calibrated:
        contents = module.contents(model, name, calibration)
    else:
        contents = module.contents(file, name)
    return contents


def check_network(file: ModelFile, entry: formats.Format) -> None:
    """Refuse a network that a format cannot hold, as far as its kind tells.

    Raises
    ------
    ExchangeError, NetworkError, UnsupportedLayerError
        If its type or its layers are none of the format's.
    """
    if file.dtype != "float32" and entry.name not in _KEEPS_FLOAT64:
        raise ExchangeError(
            f"export: a model must be float32 for {entry.name}; got {file.dtype}. "
            f"Formats that keep it: {', '.join(_KEEPS_FLOAT64)}."
        )
    who, plain = f"export: {entry.name}", entry.name.removesuffix("_int8")
    integer = find_integer_layer(file.network)
    if integer is not None and entry.is_calibrated and plain in _KEEPS_INTEGERS:
        raise ExchangeError(
            f"{who} must be made of a float network; got {integer.who}, an integer "
            f"layer. Export it to {plain} as it is, without int8."
        )
    if entry.name not in _KEEPS_INTEGERS:
        refuse_integers(who, file.network)
    require_known_layers(who, file.network)


def read(
    source: Any,
    *,
    engine: str | Engine = "compiled",
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
    constants: Mapping[str, npt.ArrayLike] | None = None,
    format: str | None = None,
    network: Network | None = None,
    input_shape: torch_objects.Shapes | None = None,
    preprocessing: Preprocessing | str | None = None,
    scale: Numbers | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    channel_order: str | None = None,
    dequantize: bool = False,
) -> Model:
    """Read a model that another program made.

    Parameters
    ----------
    source : path or object
        A file or folder; a PyTorch ``nn.Module`` or ``ExportedProgram``; a Sequential
        or Functional ``keras.Model``; a `Model` or its ``.pellucid`` file, to
        dequantize it.
    engine : str or Engine
        Where to run it.
    loss, optimizer : str or Loss or Optimizer, optional
        To train it on: most formats hold neither.
    constants : mapping of str to array, optional
        ONNX only: graph inputs that are weights.
    format : str, optional
        As in ``pellucid.exchange.FORMATS``; by the file's name if left out.
    network : Network, optional
        What weights alone belong to: of a `state_dict`, a ``.safetensors`` with
        PyTorch's names, or a Keras ``.h5``.
    input_shape : tuple of int, optional
        One example's shape, (height, width, channels), of a module, or of a file that
        leaves sizes free; (height, width) where the file has the channels. Of several
        inputs (of a PyTorch module, an ONNX or a LiteRT file), a tuple of shapes.
    preprocessing : Preprocessing or str, optional
        How uint8 pixels become input, or a preset's name: imagenet, keras-caffe,
        keras-tf, keras-torch, raw, signed, torchvision, unit. If left out, what the
        file says; where it says nothing, floats are taken as they are and pixels are
        refused.
    scale, mean, std : float or sequence of float, optional
        Preprocessing as ``(pixel · scale − mean) / std``; 1/255, 0 and 1 if left out.
    channel_order : {"rgb", "bgr"}, optional
        Order in which the network takes the channels of a picture.
    dequantize : bool
        Turn an integer network into a float network, which can be trained.

    Returns
    -------
    Model
        Runs, trains and compares as any other.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds what cannot be represented exactly: then with the
        operator's name, its attributes and where it stands.
    MissingExtraError
        If a package is not installed.
    """
    given_how = as_preprocessing(
        preprocessing, scale=scale, mean=mean, std=std, channel_order=channel_order
    )
    objective: Any = {"loss": as_loss(loss), "optimizer": as_optimizer(optimizer)}
    extra = {"constants": constants, "network": network, "input_shape": input_shape}
    given = {name: value for name, value in extra.items() if value is not None}
    is_path = isinstance(source, str | Path)
    read_file = (
        _file_of(source, format, given)
        if is_path
        else _file_of_object(source, input_shape)
    )
    file = settle_preprocessing(read_file, given_how)
    file = to_floats(file) if dequantize else file
    try:
        return from_file(file, engine=engine, **objective)
    except NetworkError as error:
        raise ExchangeError(
            f"import: '{source}' must hold a whole model; got: {error}"
        ) from error


def match_weights(path: str | Path, network: Network) -> tuple[WeightMatch, ...]:
    """Return which of a file's weights each weight of a network is.

    Parameters
    ----------
    path : path
        A PyTorch `state_dict`, or a checkpoint with one in it; a ``.safetensors`` with
        PyTorch's names; a Keras ``.h5``.
    network : Network
        What the weights belong to.

    Returns
    -------
    tuple of WeightMatch
        In the network's order; as `read` with ``network=`` puts them on it.

    Raises
    ------
    ExchangeError
        If a layer has no counterpart, or several that could be exchanged.
    """
    entry = formats.find_to_read(Path(path), None)
    if entry.name not in _GOES_WITH["network"]:
        raise ExchangeError(
            "import: weights of a network must be in one of "
            f"{', '.join(_GOES_WITH['network'])}; got format {entry.name}."
        )
    matches: tuple[WeightMatch, ...] = entry.load().match(Path(path), network)
    return matches


def _file_of_object(source: Any, input_shape: Any) -> ModelFile:
    if isinstance(source, Model):
        return source.file()
    if torch_objects.is_torch(source):
        return torch_objects.read_object(source, input_shape)
    if keras_objects.is_keras(source):
        return keras_objects.read_object(source, input_shape)
    raise ExchangeError(
        "import: source must be a path, or a model of PyTorch or Keras; "
        f"got {type(source).__name__}."
    )


def _file_of(
    source: str | Path, format: str | None, extra: dict[str, Any]
) -> ModelFile:
    path = Path(source)
    recover(path.parent)  # what a write that was cut off has left
    if path.suffix == ".pellucid" and format is None and not extra:
        return ModelFile.read(path)
    entry = formats.find_to_read(path, format)
    for name in extra:
        if entry.name not in _GOES_WITH[name]:
            raise ExchangeError(
                f"import: {name} must be given with {' or '.join(_GOES_WITH[name])} "
                f"only; got format {entry.name}."
            )
    module = entry.load()
    with translate_errors(path, f"{entry.name} file"):
        file: ModelFile = module.read(path, **extra)
    return file
