"""Flash, RAM and instructions of a prediction on a Cortex-M; prints a Markdown table.

Usage: python benchmarks/microcontroller.py [NETWORK ...]

The code runs on qemu's boards with one nanosecond an instruction, so that a timer of
the board counts instructions; these are no cycles. int8 in C is compiled by
arm-none-eabi-gcc. Needs Debian's qemu-system-arm, gcc-arm-none-eabi and lld.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from math import prod
from pathlib import Path

import numpy as np

import pellucid as pl
from pellucid.exchange.native import board, emulate
from pellucid.exchange.native.archive import Member, write_archive
from pellucid.exchange.native.program import Call, place
from pellucid.exchange.native.run import Library
from pellucid.exchange.native.targets import TARGETS

CORE = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]


def flash_of(path: Path) -> int:
    """Return the bytes of code and constants of an object file or a library."""
    said = subprocess.run(
        ["arm-none-eabi-size", str(path)], capture_output=True, text=True, check=True
    )
    rows = [line.split()[:2] for line in said.stdout.splitlines()[1:]]
    return sum(int(number) for row in rows for number in row)


def native(model: pl.Model, target: str, image: np.ndarray, folder: Path) -> list[int]:
    """Return flash, RAM and instructions of float32 kernels."""
    path = pl.exchange.write(model, folder / "float.a", target=target)
    library = Library(path)
    made = emulate.predict(
        path,
        library.target,
        prefix=library.prefix,
        memory=library.memory,
        sizes=([image.nbytes], [4 * prod(model.network.output_shape)]),
        starts=False,
        given=image.tobytes(),
    )
    return [flash_of(path), library.memory, made.instructions or 0]


def integers(
    model: pl.Model, level: str, images: np.ndarray, folder: Path
) -> list[int]:
    """Return flash, RAM and instructions of int8 in C, compiled by GCC."""
    path = pl.exchange.write(model, folder / "small.int8.c", calibration=images)
    header = path.with_suffix(".h").read_text()
    workspace = int(re.findall(r"_WORKSPACE (\d+)", header)[0])
    code = folder / "small.o"
    command = ["arm-none-eabi-gcc", level, *CORE, "-c", str(path), "-o", str(code)]
    subprocess.run(command, check=True)
    name = "small_int8_predict"
    library = folder / "small.a"
    library.write_bytes(write_archive([Member("small.o", code.read_bytes(), [name])]))
    arguments = [place("given", 0), place("made", 0), "ptr @memory"]
    takes, gives = prod(model.network.input_shape), prod(model.network.output_shape)
    call = Call(name, arguments, takes, gives, workspace, None)
    image = np.zeros(takes, np.int8)
    made = board.run(library, TARGETS["thumbv7em"], call, image.tobytes())
    return [flash_of(code), workspace, made.instructions or 0]


def main(names: list[str]) -> None:
    """Print a row for each network and kind of code."""
    print("| network | code | flash | RAM | instructions | a multiply-add |")
    print("|---|---|---:|---:|---:|---:|")
    for name in names:
        model = pl.Model(pl.zoo(name), engine="numpy")
        draws = np.random.default_rng(0)
        images = draws.random((8, *model.network.input_shape), np.float32)
        with tempfile.TemporaryDirectory() as given:
            folder = Path(given)
            rows = {
                f"float32, `{target}`": native(model, target, images[:1], folder)
                for target in ("thumbv7em", "thumbv8m", "thumbv7em-soft")
            }
            for level in ("-Os", "-O2"):
                title = f"int8 in C, `gcc {level}`, Cortex-M4"
                rows[title] = integers(model, level, images, folder)
        for title, (flash, ram, count) in rows.items():
            each = count / model.network.multiply_adds
            print(
                f"| `{name}` | {title} | {flash / 1024:.0f} KiB | {ram / 1024:.0f} KiB "
                f"| {count / 1e6:.2f} M | {each:.1f} |"
            )


if __name__ == "__main__":
    main(sys.argv[1:] or ["lenet5", "ds-cnn", "resnet8"])
