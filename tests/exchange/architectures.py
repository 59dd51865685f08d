"""Architectures of torchvision, timm and keras.applications: do they come in?

Run as a program, it makes each network with random weights, brings it in as a module
and as files, compares the outputs, and prints source, result and largest error:

    PYTHONPATH=src python tests/exchange/architectures.py [--site FOLDER]
        [--table docs/architectures.md] [NAME …]

torchvision and timm are taken from ``--site``, a folder into which they were installed
without their dependencies (``pip install --no-deps --target FOLDER torchvision timm``).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_TIME_LIMIT_S = 420
_MARK = "result: "
_LIMIT = 1e-5
#: pixels of the square images, where a network does not take 96
_SIZES = {
    "alexnet": 224,
    "inception_v3": 128,
    "InceptionV3": 96,
    "NASNetMobile": 96,
    "hrnet_w18_small": 96,
    "swin_tiny_patch4_window7_224": 224,
    "vgg11_bn": 224,
    "VGG16": 64,
}
_TORCHVISION = (
    "alexnet",
    "convnext_tiny",
    "deeplabv3_mobilenet_v3_large",
    "densenet121",
    "efficientnet_b0",
    "fcn_resnet50",
    "googlenet",
    "inception_v3",
    "lraspp_mobilenet_v3_large",
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
    "squeezenet1_0",
    "vgg11_bn",
    "vit_b_16",
)
_TIMM = (
    "convmixer_768_32",
    "cspresnet50",
    "deit_tiny_patch16_224",
    "dla34",
    "dpn68",
    "edgenext_xx_small",
    "efficientnet_lite0",
    "fbnetc_100",
    "ghostnet_100",
    "hrnet_w18_small",
    "mixer_s32_224",
    "mobilevit_xxs",
    "mobilenetv4_conv_small",
    "nf_resnet50",
    "nfnet_l0",
    "regnetx_002",
    "repvgg_a0",
    "res2net50_14w_8s",
    "resmlp_12_224",
    "resnet18d",
    "rexnet_100",
    "skresnet18",
    "swin_tiny_patch4_window7_224",
    "vit_tiny_patch16_224",
    "xception41",
)
_KERAS = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "Xception",
)


@dataclass(frozen=True)
class Result:
    """What came of an architecture: ``in``, ``differs``, ``refused``, ``failed``."""

    state: str
    error: float | None = None
    remark: str = ""


def import_torchvision(site: str | None) -> None:
    """Make torchvision importable beside a PyTorch that its compiled part is not for.

    Two operators are declared that it would bring; no classifier runs them.
    """
    import torch

    if site:
        sys.path.append(site)
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [n for n in sys.modules if n.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        globals()["_library"] = library  # it lasts as long as it is referred to


def make_module(library: str, name: str, size: int) -> Any:
    """Return a module with random weights and statistics, in inference mode."""
    import torch

    torch.manual_seed(0)
    if library == "torchvision":
        import torchvision

        more: dict[str, Any] = {"weights": None}
        if name.startswith(("deeplab", "fcn", "lraspp")):
            more |= {"weights_backbone": None}
        if name.startswith("vit"):
            more |= {"image_size": size}
        if name in ("googlenet", "inception_v3"):
            more |= {"init_weights": False}
        module = torchvision.models.get_model(name, **more)
    else:
        import timm

        fixed = name.startswith(("deit", "mixer_s", "resmlp", "vit"))
        module = timm.create_model(name, **({"img_size": size} if fixed else {}))
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.weight.data.uniform_(0.8, 1.2)
            part.bias.data.normal_(0, 0.1)
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.8, 1.2)
    for parameter in module.parameters():
        if parameter.ndim > 1 and not parameter.any():  # a head that begins with zeros
            parameter.data.normal_(0, 0.05)
    return module.eval()


def try_module(library: str, name: str, size: int) -> dict[str, Result]:
    """Bring a module in as it is, and as ONNX."""
    import numpy as np
    import torch

    import pellucid as pl

    module = make_module(library, name, size)
    x = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    entry = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    with torch.no_grad():
        expected = module(entry)
    expected = expected["out"] if isinstance(expected, dict) else expected
    expected = expected.numpy()

    def as_module() -> Any:
        return pl.exchange.read(module, engine="numpy", input_shape=(size, size, 3))

    def as_onnx() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            with contextlib.redirect_stdout(io.StringIO()):
                torch.onnx.export(module, (entry,), str(path), external_data=False)
            return pl.exchange.read(path, engine="numpy")

    ways: dict[str, Callable[[], Any]] = {"module": as_module, "ONNX": as_onnx}
    return {way: judge(read, x, expected) for way, read in ways.items()}


def try_keras(name: str, size: int) -> dict[str, Result]:
    """Bring a model of keras.applications in from Keras's file and from LiteRT's."""
    import keras
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    import pellucid as pl

    keras.utils.set_random_seed(0)
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(size, size, 3))
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.moving_mean.shape[0]
            layer.moving_mean.assign(random.normal(0, 0.1, n))
            layer.moving_variance.assign(random.uniform(0.8, 1.2, n))
    x = random.uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    if "Mobile" in name or name in ("Xception", "InceptionV3", "ResNet50V2"):
        x = x / np.float32(127.5) - 1
    expected = model.predict(x, verbose=0)

    def as_keras() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            return pl.exchange.read(path, engine="numpy")

    def as_litert() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            function = tf.function(model).get_concrete_function(
                tf.TensorSpec((1, size, size, 3))
            )
            frozen = convert_variables_to_constants_v2(function)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
            path.write_bytes(converter.convert())
            return pl.exchange.read(path, engine="numpy")

    ways: dict[str, Callable[[], Any]] = {".keras": as_keras, "LiteRT": as_litert}
    return {way: judge(read, x, expected) for way, read in ways.items()}


def judge(read: Callable[[], Any], images: Any, expected: Any) -> Result:
    """Return what comes of a network: read, run, compared."""
    import numpy as np

    import pellucid as pl

    try:
        model = read()
    except pl.PellucidError as error:
        return Result("refused", remark=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to be seen
        return Result("failed", remark=f"{type(error).__name__}: {error}")
    got = model.predict(images)
    got = got[0] if isinstance(got, tuple) else got
    if got.ndim == 4 and got.shape != expected.shape:
        got = got.transpose(0, 3, 1, 2)
    if got.shape != expected.shape:
        return Result("differs", remark=f"shape {got.shape} for {expected.shape}")
    error = float(np.abs(got - expected).max() / np.abs(expected).max())
    return Result("in" if error <= _LIMIT else "differs", error)


def serve(site: str | None) -> None:
    """Try the architectures that stdin names, one a line."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        library, name = json.loads(line)
        size = _SIZES.get(name, 96)
        try:
            if library == "keras":
                found = try_keras(name, size)
            else:
                import_torchvision(site)
                found = try_module(library, name, size)
        except Exception as error:  # noqa: BLE001 - the others are tried all the same
            remark = f"it was not made: {type(error).__name__}: {error}"
            found = {"": Result("not made", remark=remark)}
        results = {way: asdict(result) for way, result in found.items()}
        print(f"\n{_MARK}{json.dumps(results)}", flush=True)


class Examiner:
    """A process that tries architectures, which one of them may crash."""

    def __init__(self, site: str | None) -> None:
        self.site = site
        self.child: subprocess.Popen[str] | None = None

    def examine(self, library: str, name: str) -> dict[str, Result]:
        """Try an architecture; the process stays for the next one."""
        if self.child is None:
            more = ["--site", self.site] if self.site else []
            self.child = subprocess.Popen(
                [sys.executable, __file__, "--serve", *more],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        child = self.child
        timer = threading.Timer(_TIME_LIMIT_S, child.kill)
        timer.start()
        with contextlib.suppress(OSError):
            print(json.dumps([library, name]), file=child.stdin, flush=True)
        for line in child.stdout or ():
            if line.startswith(_MARK):
                timer.cancel()
                found = json.loads(line.removeprefix(_MARK))
                return {way: Result(**result) for way, result in found.items()}
        timer.cancel()
        self.child = None
        return {"": Result("failed", remark=f"its process ended with {child.wait()}")}


Results = list[tuple[str, str, dict[str, Result]]]


def table(results: Results) -> str:
    """Return the page with the table of all architectures."""
    came = [any(r.state == "in" for r in found.values()) for _, _, found in results]
    lines = [
        "# Architectures of other libraries",
        "",
        "Networks of torchvision, timm and keras.applications with random weights, "
        "as modules and as files, read by `pellucid.exchange.read` and compared with "
        "the library's own outputs on random images of 64 to 224 pixels. The error is "
        "the largest difference, divided by the largest output. Written by "
        "`tests/exchange/architectures.py`.",
        "",
    ]
    for library in ("torchvision", "timm", "keras"):
        mine = [
            came[i] for i, (origin, _, _) in enumerate(results) if origin == library
        ]
        if mine:
            lines.append(f"* {library}: {sum(mine)} of {len(mine)} come in")
    lines += ["", "| architecture | way | result | largest error | remark |"]
    lines.append("|---|---|---|---|---|")
    for library, name, found in results:
        for way, result in found.items():
            error = "" if result.error is None else f"{result.error:.1e}"
            short = " ".join(result.remark.split()).replace("|", "\\|")
            short = short if len(short) <= 240 else f"{short[:237]}..."
            cells = (f"{library} {name}", way, result.state, error, short)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def read_table(page: Path) -> dict[tuple[str, str], dict[str, Result]]:
    """Return the results that a page has."""
    found: dict[tuple[str, str], dict[str, Result]] = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        library, _, name = cells[0].partition(" ")
        if len(cells) == 5 and library in ("torchvision", "timm", "keras"):
            error = float(cells[3]) if cells[3] else None
            remark = cells[4].replace("\\|", "|")
            result = Result(cells[2], error, remark)
            found.setdefault((library, name), {})[cells[1]] = result
    return found


def main() -> int:
    """Try all architectures, or those with one of the names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--site")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.site)
        return 0
    everything = [
        *(("torchvision", name) for name in _TORCHVISION),
        *(("timm", name) for name in _TIMM),
        *(("keras", name) for name in _KERAS),
    ]
    results: Results = []
    examiner = Examiner(given.site)
    has_page = given.names and given.table is not None and given.table.exists()
    known = read_table(given.table) if has_page else {}
    for library, name in everything:
        if given.names and not {library, name} & set(given.names):
            if (library, name) in known:  # of the page, as it is
                results.append((library, name, known[library, name]))
            continue
        found = examiner.examine(library, name)
        results.append((library, name, found))
        for way, result in found.items():
            shown = "" if result.error is None else f"{result.error:.1e}"
            line = f"{library} {name}, {way}: {result.state} {shown} {result.remark}"
            print(line[:400], flush=True)
    if given.table is not None:
        given.table.write_text(table(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
