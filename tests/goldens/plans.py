"""Hashes of the LLVM IR of the zoo's plans, whatever its symbols are called.

Run as a program, it records them anew: after a change that is meant to change code.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pellucid as pl
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.lowering.context import Options, Purpose
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.engines.compiled.program import program
from pellucid.objectives import Adam, as_loss

FILE = Path(__file__).with_name("plans.json")
ZOO = (
    "xor-one-hidden",
    "xor-two-hidden",
    "lenet5",
    "mnist-torch",
    "mnist-keras",
    "mnist-fast",
    "resnet20",
)
#: one for each kind of processor: the code depends on nothing else of the machine
TARGETS = {
    "amx": Target(16, 32, "sapphirerapids", "", is_x86=True, has_amx=True),
    "avx512": Target(16, 32, "x86-64-v4", "", is_x86=True),
    "avx2": Target(8, 16, "x86-64-v3", "", is_x86=True),
    "neon": Target(4, 32, "generic", "", is_x86=False),
}
#: named symbols in the order in which they appear: values, labels, functions
_NAME = re.compile(r'[%@]"[^"]*"|[%@][\w.$-]+|^"?[\w.$-]+"?:', re.MULTILINE)


def purposes(loss: str) -> dict[str, Purpose]:
    train = Purpose("train", is_training=True, loss=as_loss(loss), optimizer=Adam(1e-3))
    return {
        "predict": Purpose("predict", is_training=False),
        "train": train,
        "activations": Purpose("activations", is_training=False),
        "vjp": Purpose("vjp", is_training=True),
    }


class _Pool:
    count = 2


class _CodeWrittenError(Exception):
    def __init__(self, text: str) -> None:
        self.text = text


def code(network: pl.Network, purpose: Purpose, target: Target) -> str:
    """Return the LLVM IR of a plan; nothing is compiled."""

    def write(identity: str, unit: Any, *_: Any, **__: Any) -> None:
        raise _CodeWrittenError(str(unit().module))

    options = Options()
    parameters = parameters_of(network, target, options)
    low = lower_network(network, parameters, target, options=options, purpose=purpose)
    with mock.patch.object(program.compiler, "load_plan", write):
        try:
            program.Program(low, _Pool(), name="golden")  # type: ignore[arg-type]
        except _CodeWrittenError as written:
            return written.text
    raise AssertionError("a program must ask for its code")


def normalize(text: str) -> str:
    """Number the symbols of LLVM IR in the order in which they appear."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        name = match[0]
        if name.startswith(("@llvm.", '@"llvm.')):
            return name
        is_label = name.endswith(":")
        key = "%" + name[:-1].strip('"') if is_label else name.replace('"', "")
        found = numbers.setdefault(key, f"{key[0]}{len(numbers)}")
        return f"{found[1:]}:" if is_label else found

    # each function's values are its own
    parts = re.split(r"(?m)^(?=define )", text)
    functions: list[str] = []
    for part in parts:
        kept = {k: v for k, v in numbers.items() if k.startswith("@")}
        numbers = kept
        functions.append(_NAME.sub(number, part))
    return "".join(functions)


def digests(
    zoo: tuple[str, ...] = ZOO, targets: tuple[str, ...] = tuple(TARGETS)
) -> Iterator[tuple[str, str]]:
    """Give (plan, hash) for each network, purpose and target."""
    for name in zoo:
        network = pl.zoo(name)
        loss = "half_squared_error_sum" if "xor" in name else "cross_entropy"
        for title, purpose in purposes(loss).items():
            for target in targets:
                text = normalize(code(network, purpose, TARGETS[target]))
                digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
                yield f"{name} {title} {target}", digest


if __name__ == "__main__":
    FILE.write_text(json.dumps(dict(digests()), indent=1) + "\n")
