"""Flash, RAM and instructions of a prediction on small processors; a Markdown table.

Usage: python benchmarks/microcontroller.py [NETWORK or FILE.tflite ...]

Of networks of the zoo in float32 and int8, and of int8 files, such as MLPerf Tiny's
(github.com/mlcommons/tiny, benchmark/training/*/trained_models). Cortex-M code runs on
qemu's boards with one nanosecond an instruction, so that a timer of the board counts
instructions; RISC-V programs in qemu-user with a plugin that counts them: all of two
predictions less those of one. These are no cycles. int8 in C is compiled by
arm-none-eabi-gcc. Needs Debian's qemu-system-arm, qemu-user, gcc, gcc-arm-none-eabi,
lld and llvm.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from math import prod
from pathlib import Path

import numpy as np

import pellucid as pl
from pellucid.exchange.native import board, emulate
from pellucid.exchange.native.archive import Member, write_archive
from pellucid.exchange.native.program import Call, Emulated, place
from pellucid.exchange.native.run import Library
from pellucid.exchange.native.targets import TARGETS

CORE = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]


#: qemu's plugin that counts instructions (qemu-plugin.h, version 1)
PLUGIN = """
#include <inttypes.h>
#include <stdio.h>
struct qemu_plugin_tb;
typedef void (*translated)(uint64_t, struct qemu_plugin_tb *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, translated);
void qemu_plugin_register_vcpu_tb_exec_inline(
    struct qemu_plugin_tb *, int, void *, uint64_t);
void qemu_plugin_register_atexit_cb(uint64_t, void (*)(uint64_t, void *), void *);
int qemu_plugin_version = 1;
static uint64_t count;
static void begin(uint64_t id, struct qemu_plugin_tb *tb)
{
    uint64_t many = qemu_plugin_tb_n_insns(tb);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &count, many);
}
static void end(uint64_t id, void *data)
{
    fprintf(stderr, "%" PRIu64, count);
}
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, begin);
    qemu_plugin_register_atexit_cb(id, end, 0);
    return 0;
}
"""


def flash_of(path: Path) -> int:
    """Return the bytes of code and constants of an object file or a library."""
    said = subprocess.run(
        ["llvm-size", str(path)], capture_output=True, text=True, check=True
    )
    rows = [line.split()[:2] for line in said.stdout.splitlines()[1:]]
    return sum(int(number) for row in rows for number in row)


def _predicted(
    path: Path, library: Library, model: pl.Model, image: np.ndarray
) -> Emulated:
    """Return what a library's prediction of one image gives in its emulator."""
    return emulate.predict(
        path,
        library.target,
        prefix=library.prefix,
        memory=library.memory,
        sizes=([image.nbytes], [4 * prod(model.network.output_shape)]),
        starts=False,
        given=image.tobytes(),
    )


def native(model: pl.Model, target: str, image: np.ndarray, folder: Path) -> list[int]:
    """Return flash, RAM and instructions of float32 kernels."""
    path = pl.exchange.write(model, folder / "float.a", target=target)
    library = Library(path)
    made = _predicted(path, library, model, image)
    return [flash_of(path), library.memory, made.instructions or 0]


def riscv(model: pl.Model, image: np.ndarray, folder: Path) -> list[int]:
    """Return flash, RAM and instructions of native code for 64-bit RISC-V."""
    path = pl.exchange.write(model, folder / "riscv.a", target="riscv64")
    library = Library(path)
    _predicted(path, library, model, image)  # leaves the program beside the library
    (folder / "count.c").write_text(PLUGIN)
    compile_ = ["gcc", "-O1", "-shared", "-fPIC", "count.c", "-o", "count.so"]
    subprocess.run(compile_, cwd=folder, check=True)
    counts = []
    for images in (1, 2):
        done = subprocess.run(
            ["qemu-riscv64", "-plugin", folder / "count.so", folder / "program.elf"],
            input=image.tobytes() * images,
            capture_output=True,
            check=True,
        )
        counts.append(int(done.stderr))
    return [flash_of(path), library.memory, counts[1] - counts[0]]


def rows_of_zoo(model: pl.Model, folder: Path) -> dict[str, list[int]]:
    """Return flash, RAM and instructions of a network in float32 and in int8."""
    draws = np.random.default_rng(0)
    images = draws.random((8, *model.network.input_shape), np.float32)
    rows = {
        f"float32, `{target}`": native(model, target, images[:1], folder)
        for target in ("thumbv7em", "thumbv8m", "thumbv7em-soft")
    }
    for level in ("-Os", "-O2"):
        title = f"int8 in C, `gcc {level}`, Cortex-M4"
        rows[title] = integers(model, level, images, folder)
    return rows


def rows_of_file(path: Path, folder: Path) -> dict[str, list[int]]:
    """Return flash, RAM and instructions of an int8 file."""
    model = pl.exchange.read(path, engine="numpy")
    whole = pl.exchange.read(path, engine="numpy", dequantize=True)
    shape = (8, *model.network.input_shape)
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return {
        "int8, `thumbv7em`": native(model, "thumbv7em", images[:1], folder),
        "int8 in C, `gcc -O2`": integers(whole, "-O2", images, folder),
        "int8, `riscv64`": riscv(model, images[:1], folder),
    }


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


def main() -> None:
    """Print a row for each network and kind of code."""
    parser = argparse.ArgumentParser(description=__doc__)
    usual = ["lenet5", "ds-cnn", "resnet8"]
    parser.add_argument("networks", nargs="*", default=usual, metavar="NETWORK")
    names = parser.parse_args().networks
    print("| network | code | flash | RAM | instructions | a multiply-add |")
    print("|---|---|---:|---:|---:|---:|")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            if name.endswith(".tflite"):
                network = pl.exchange.read(name, engine="numpy").network
                rows = rows_of_file(Path(name), Path(folder))
            else:
                network = pl.zoo(name)
                rows = rows_of_zoo(pl.Model(network, engine="numpy"), Path(folder))
        for title, (flash, ram, count) in rows.items():
            cells = [f"{size / 1024:.0f} KiB" for size in (flash, ram)]
            cells += [f"{count / 1e6:.2f} M", f"{count / network.multiply_adds:.1f}"]
            print("|", " | ".join([f"`{Path(name).name}`", title, *cells]), "|")


if __name__ == "__main__":
    main()
