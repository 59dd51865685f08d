"""The table of file formats: names, suffixes, and which modules write and read them."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from pellucid.errors import ExchangeError, MissingExtraError
from pellucid.exchange import content


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way of keeping a network.

    ``module`` has ``contents(file, name)`` where the format is written, and
    ``read(path)`` where it is read. ``needs`` are packages; ``extra`` brings them.

    Parameters
    ----------
    name : str
        As in ``--format``.
    about : str
        One line for people.
    module : str
        What reads and writes it.
    suffix : str
        Ending of its files or folders.
    needs : tuple of str
        Packages without which it cannot be used.
    extra : str
        The extra of pellucid that brings these.
    is_written, is_read : bool
        Which directions there are.
    is_calibrated : bool
        Whether writing needs calibration images.
    marker : str, optional
        The file by which a folder of this format is known.
    is_compiled : bool
        Whether writing compiles: for a processor, with a training step on request.
    other_suffixes : tuple of str
        Endings of a file's name that say this format, too.
    """

    name: str
    about: str
    module: str
    suffix: str
    needs: tuple[str, ...] = ()
    extra: str = "exchange"
    is_written: bool = True
    is_read: bool = True
    is_calibrated: bool = False
    marker: str | None = None  # the file by which a folder of this format is known
    is_compiled: bool = False
    other_suffixes: tuple[str, ...] = ()  # that say it as well

    @property
    def trains(self) -> bool:
        """Whether it holds a training step on request."""
        return self.is_compiled and not self.is_calibrated

    @property
    def has_target(self) -> bool:
        """Whether it is written for a processor that is named."""
        return self.is_compiled

    def load(self) -> ModuleType:
        """Import the format's module.

        Returns
        -------
        module
            It reads, writes, or both.

        Raises
        ------
        MissingExtraError
            If a package that it needs is not installed.
        """
        for package in self.needs:
            if importlib.util.find_spec(package) is None:
                raise MissingExtraError(
                    f"format '{self.name}' needs a package that cannot be imported; "
                    f"got No module named '{package}'. "
                    f"Run: pip install 'pellucid[{self.extra}]'."
                )
        return importlib.import_module(f"pellucid.exchange.{self.module}")


#: what int8 formats are
_int8 = partial(Format, is_read=False, is_calibrated=True)
_ALL = (
    Format(
        name="onnx",
        about="ONNX, one file",
        module="onnx",
        suffix=".onnx",
        needs=("onnx",),
    ),
    Format(
        name="keras",
        about="Keras 3's zip, without Keras",
        module="keras",
        suffix=".keras",
        needs=("h5py",),
    ),
    Format(
        name="h5",
        about="Keras's older HDF5, without Keras",
        module="keras",
        suffix=".h5",
        needs=("h5py",),
    ),
    Format(
        name="pt2",
        about="PyTorch's torch.export; read without PyTorch",
        module="pt2",
        suffix=".pt2",
    ),
    Format(
        name="state_dict",
        about="PyTorch's weights by name",
        module="state_dict",
        suffix=".pt",
        needs=("torch",),
        extra="torch",
    ),
    Format(
        name="tflite",
        about="LiteRT (TensorFlow Lite), without TensorFlow",
        module="litert",
        suffix=".tflite",
        needs=("flatbuffers",),
    ),
    _int8(
        name="tflite_int8",
        about="LiteRT in int8, calibrated on images",
        module="litert.int8",
        suffix=".int8.tflite",
        needs=("flatbuffers",),
    ),
    Format(
        name="torchscript",
        about="TorchScript, which PyTorch itself calls deprecated; take pt2 if you can",
        module="torchscript",
        suffix=".torchscript",
        needs=("torch",),
        extra="torch",
        is_read=False,
    ),
    Format(
        name="executorch",
        about="ExecuTorch's program for phones and boards, batch of 1",
        module="executorch",
        suffix=".pte",
        needs=("torch", "executorch"),
        extra="executorch",
        is_read=False,
    ),
    Format(
        name="npz",
        about="NumPy arrays",
        module="npz",
        suffix=".npz",
    ),
    Format(
        name="safetensors",
        about="safetensors, the network as JSON in it",
        module="safetensors",
        suffix=".safetensors",
    ),
    Format(
        name="savedmodel",
        about="TensorFlow's SavedModel, a folder",
        module="savedmodel",
        suffix=".savedmodel",
        needs=("tensorflow", "onnx"),
        extra="tensorflow,exchange",
        marker="saved_model.pb",
    ),
    Format(
        name="tfjs",
        about="TensorFlow.js's layers-model, a folder",
        module="tfjs",
        suffix=".tfjs",
        marker="model.json",
    ),
    Format(
        name="c",
        about="C99 without an allocator or libraries, .c and .h",
        module="codegen.c",
        suffix=".c",
        is_read=False,
    ),
    _int8(
        name="c_int8",
        about="C99 in int8, calibrated on images, .c and .h",
        module="codegen.c_int8",
        suffix=".int8.c",
    ),
    Format(
        name="javascript",
        about="JavaScript, one ES module without dependencies",
        module="codegen.javascript",
        suffix=".mjs",
        is_read=False,
    ),
    Format(
        name="native",
        about="Machine code for any processor, .a with headers for C and C++",
        module="native",
        suffix=".a",
        is_read=False,
        is_compiled=True,
        other_suffixes=(".o", ".obj"),
    ),
    _int8(
        name="native_int8",
        about="Machine code in int8 for any processor, calibrated on images",
        module="native",
        suffix=".int8.a",
        is_compiled=True,
        other_suffixes=(".int8.o", ".int8.obj"),
    ),
    Format(
        name="wasm",
        about="WebAssembly with SIMD, one ES module that also trains",
        module="native.wasm",
        suffix=".wasm.mjs",
        is_read=False,
        is_compiled=True,
    ),
    _int8(
        name="wasm_int8",
        about="WebAssembly in int8, calibrated on images, one ES module",
        module="native.wasm",
        suffix=".int8.wasm.mjs",
        is_compiled=True,
    ),
)

#: what to do with a file of a format that is not read
_ADVICE = {
    "torchscript": " Its weights are torch.jit.load(FILE).state_dict(), which comes in "
    "onto a network; or export the module that it was made of."
}
FORMATS: dict[str, Format] = {entry.name: entry for entry in _ALL}


def find(name: str) -> Format:
    """Return the format of that name.

    Raises
    ------
    ExchangeError
        If there is none.
    """
    if name not in FORMATS:
        raise ExchangeError(
            f"format: must be one of {', '.join(FORMATS)}; got {name!r}."
        )
    return FORMATS[name]


def select(path: Path, name: str | None) -> Format:
    """Return the format of that name; without one, what the path tells.

    Raises
    ------
    ExchangeError
        If there is none.
    """
    return find(name) if name else find_by_path(path)


def find_to_write(path: Path, name: str | None) -> Format:
    """Return the format to write: the named one, else what the path tells.

    Raises
    ------
    ExchangeError
        If there is none, or it is only read.
    """
    entry = select(path, name)
    if not entry.is_written:
        raise ExchangeError(
            f"export: format must be one that is written; got {entry.name!r}, "
            "which is only read."
        )
    return entry


def find_to_read(path: Path, name: str | None) -> Format:
    """Return the format to read: the named one, else what content and name tell.

    A file's content counts before its name: a ``.pt`` may hold weights, an exported
    program or TorchScript, and many endings say nothing.

    Raises
    ------
    ExchangeError
        If there is none, or it is only written.
    """
    entry = find(name) if name else _find_by_content(path)
    if not entry.is_read:
        advice = _ADVICE.get(entry.name, "")
        raise ExchangeError(
            f"import: format must be one that is read; got {entry.name!r}, which is "
            f"only written.{advice}"
        )
    return entry


def _find_by_content(path: Path) -> Format:
    if not path.exists():
        raise ExchangeError(
            f"import: '{path}' must be a file or a model's folder; got nothing there."
        )
    if not path.is_file() or path.name in {f.marker for f in FORMATS.values()}:
        return find_by_path(path)
    found = content.identify(path)
    if found is not None:
        return FORMATS[found]
    is_named = any(_suffix_of(path, entry) for entry in FORMATS.values())
    if not is_named and content.may_be_onnx(path):
        return FORMATS["onnx"]
    if not is_named:
        known = ", ".join(f.name for f in FORMATS.values() if f.is_read)
        raise ExchangeError(
            f"import: '{path}' must be a model in a format that is known; got content "
            f"and a name that tell none. Name it with --format: {known}."
        )
    return find_by_path(path)


def find_int8(name: str) -> Format:
    """Return the int8 form of the format of that name.

    Raises
    ------
    ExchangeError
        If it has none.
    """
    entry = find(name)
    if entry.is_calibrated:
        return entry
    known = [n for n in FORMATS if f"{n}_int8" in FORMATS]
    if name not in known:
        raise ExchangeError(
            f"format: must be one with an int8 form ({', '.join(known)}); got {name!r}."
        )
    return FORMATS[f"{name}_int8"]


def find_by_path(path: Path) -> Format:
    """Return the format that a file's name, or a folder's content, tells.

    Raises
    ------
    ExchangeError
        If it tells none.
    """
    for entry in FORMATS.values():
        if not entry.marker:
            continue
        if path.name == entry.marker or (path / entry.marker).is_file():
            return entry
    matching = [entry for entry in FORMATS.values() if _suffix_of(path, entry)]
    if not matching:
        suffixes = sorted({f.suffix for f in FORMATS.values() if f.suffix})
        raise ExchangeError(
            f"format: file must end in one of {', '.join(suffixes)}; "
            f"got '{path.name}'. Or name the format: {', '.join(FORMATS)}."
        )
    return max(matching, key=lambda entry: len(_suffix_of(path, entry)))


def _suffix_of(path: Path, entry: Format) -> str:
    """Return the format's suffix that a name ends in; empty where it ends in none."""
    suffixes = (entry.suffix, *entry.other_suffixes)
    found = [one for one in suffixes if one and path.name.lower().endswith(one)]
    return max(found, key=len, default="")
