"""Code and stack of plans: neither grows with the sizes of a network."""

from __future__ import annotations

import re
from collections import Counter

import pytest

import pellucid as pl
from pellucid.engines.compiled.codegen import KernelModule, cpu, kernel
from pellucid.engines.compiled.codegen.builder import MOST_STACK
from pellucid.engines.compiled.lowering.context import Options, Purpose
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.engines.compiled.program import program, workers
from pellucid.errors import EngineError
from pellucid.network import ZOO, Network, layers
from pellucid.objectives import Adam, as_loss

#: bytes of alloca in one function, its variables (which become registers) with it
MOST_BYTES = 8 * 1024
#: how far the lines of a function may grow where a size grows by four: tiles that do
#: not divide a size leave a rest, which has code of its own
MOST_GROWTH, MOST_LINES = 1.6, 1500

BYTES = {"float": 4, "double": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "ptr": 8}
KINDS = ("predict", "activations", "train", "vjp")


class WrittenError(Exception):
    """Stops a program where it would be compiled."""

    def __init__(self, text: str) -> None:
        self.text = text


@pytest.fixture
def code(monkeypatch):
    """Return the LLVM IR of a plan; nothing is compiled."""

    def stop(identity, write, *_, **__):
        raise WrittenError(str(write().module))

    monkeypatch.setattr(program.compiler, "load_plan", stop)

    def written(network, kind, loss="cross_entropy", *, lanes=None, **options):
        target, how = cpu.target(lanes), Options(**options)
        goals = {"loss": as_loss(loss), "optimizer": Adam()} if kind == "train" else {}
        purpose = Purpose(kind, is_training=kind in ("train", "vjp"), **goals)
        parameters = parameters_of(network, target, how)
        low = lower_network(network, parameters, target, options=how, purpose=purpose)
        with pytest.raises(WrittenError) as caught:
            program.Program(low, workers.pool(1, target), name="it")
        return caught.value.text

    return written


def bytes_of(kind):
    vector = re.match(r"<(\d+) x (\w+)>", kind)
    return int(vector[1]) * BYTES[vector[2]] if vector else BYTES[kind]


def functions(text):
    """Return {function: (lines, bytes of its allocas)} of a module."""
    found = {}
    for part in re.split(r"(?m)^define ", text)[1:]:
        name = re.search(r'@"?([\w.]+)"?\(', part)[1]
        held = re.findall(r"= alloca (<[^>]*>|\w+)(?:, i64 (\d+))?", part)
        size = sum(bytes_of(kind) * int(count or 1) for kind, count in held)
        found[name] = part.count("\n"), size
    return found


def check_stack(text):
    for name, (_, size) in functions(text).items():
        assert size <= MOST_BYTES, f"{name}: {size} bytes on the stack"


def lines(text):
    """Return the lines of each kernel, all of its functions together."""
    counted = Counter()
    for name, (count, _) in functions(text).items():
        counted[name.partition(".")[0]] += count
    return counted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_keeps_little_on_the_stack(code, name, kind):
    network = pl.zoo(name)
    loss = "half_squared_error_sum" if "xor" in name else "cross_entropy"
    check_stack(code(network, kind, loss))


@pytest.mark.parametrize("options", [{"lanes": 4}, {"amx": False}, {"sparse": False}])
def test_other_processors_keep_little_on_the_stack(code, options):
    for kind in ("train", "predict"):
        check_stack(code(pl.zoo("mnist-torch"), kind, **options))


def chain(*parts, size):
    x = image = layers.Input(*size)
    for part in parts:
        x = part(x)
    if len(Network(inputs=image, outputs=x).output_shape) == 3:
        x = layers.GlobalAvgPool2D()(x)
    return Network(inputs=image, outputs=x)


def classes(count, loss="cross_entropy"):
    return lambda n: (chain(layers.Dense(count * n), size=(8,)), loss)


def on_image(make, size=(10, 10, 16)):
    """Return a network by n, whose image may depend on n as well."""

    def network(n):
        height, width, channels = (s(n) if callable(s) else s for s in size)
        return chain(*make(n), size=(height, width, channels)), "cross_entropy"

    return network


def conv_pool(out, size, **how):
    return [layers.Conv2D(out, size, activation="relu", **how), layers.MaxPool2D(2)]


#: networks by a factor n on one of their sizes
GROWING = {
    "classes": classes(300),
    "labels": classes(300, "binary_cross_entropy"),
    "values": classes(300, "mse"),
    "units": lambda n: (
        chain(layers.Dense(999 * n), layers.Dense(3), size=(8,)),
        "cross_entropy",
    ),
    "features": lambda n: (
        chain(layers.Dense(9), layers.Dense(3), size=(999 * n,)),
        "cross_entropy",
    ),
    "softmax": on_image(lambda n: [layers.Conv2D(300 * n, 1), layers.Softmax()]),
    "layer norm": on_image(lambda n: [layers.Conv2D(300 * n, 1), layers.LayerNorm()]),
    "batch norm": on_image(lambda n: [layers.Conv2D(300 * n, 1), layers.BatchNorm()]),
    "sigmoid": on_image(lambda n: [layers.Conv2D(300 * n, 1), layers.Sigmoid()]),
    "conv outputs": on_image(lambda n: [layers.Conv2D(256 * n, 3, padding=1)]),
    "conv inputs": on_image(
        lambda n: [layers.Conv2D(256 * n, 1), layers.Conv2D(16, 3, padding=1)]
    ),
    "pooled outputs": on_image(lambda n: conv_pool(320 * n, 3)),
    "pooled inputs": on_image(lambda n: [layers.Conv2D(640 * n, 1), *conv_pool(16, 3)]),
    "pooled inputs of 5 × 5": on_image(
        lambda n: [layers.Conv2D(256 * n, 1), *conv_pool(32, 5)]
    ),
    "depthwise": on_image(
        lambda n: [
            layers.Conv2D(256 * n, 1),
            layers.Conv2D(256 * n, 3, groups=256 * n, padding=1),
        ]
    ),
    "groups": on_image(
        lambda n: [layers.Conv2D(64 * n, 1), layers.Conv2D(64 * n, 3, groups=16 * n)]
    ),
    "width": on_image(
        lambda n: [layers.Conv2D(16, 3, padding=1), *conv_pool(16, 3)],
        size=(12, lambda n: 128 * n, 3),
    ),
    "height": on_image(
        lambda n: [layers.Conv2D(16, 3, padding=1), *conv_pool(16, 3)],
        size=(lambda n: 128 * n, 12, 3),
    ),
    "grey picture": on_image(
        lambda n: [*conv_pool(16, 5), *conv_pool(16, 5)],
        size=(lambda n: 128 * n, lambda n: 128 * n, 1),
    ),
    "window of a pool": on_image(
        lambda n: [layers.MaxPool2D(5 * n), layers.Conv2D(3, 1)], size=(40, 40, 16)
    ),
    "neighbours": on_image(
        lambda n: [layers.Conv2D(64, 1), layers.LocalResponseNorm(size=8 * n + 1)]
    ),
    "factor": on_image(lambda n: [layers.Conv2D(8, 1), layers.Upsample2D(2 * n)]),
}


@pytest.mark.parametrize("case", GROWING)
def test_code_does_not_grow_with_a_size(code, case):
    small, large = (
        code(network, "train", loss) for network, loss in map(GROWING[case], (1, 4))
    )
    check_stack(large)
    before, after = lines(small), lines(large)
    for name, count in after.items():
        limit = max(MOST_GROWTH * before[name], before[name] + MOST_LINES)
        assert count <= limit, f"{name}: {before[name]} lines became {count}"


def test_a_kernel_may_not_keep_much_on_the_stack():
    @kernel(x="f32*")
    def greedy(b, x, *, spec):
        b.scratch("f32", spec // 2)
        b.scratch("f32", spec - spec // 2)

    unit = KernelModule(lanes=4, registers=16, is_x86=False)
    unit.define("fits", greedy, MOST_STACK // 4)
    with pytest.raises(
        EngineError,
        match=f"'greedy' must keep at most {MOST_STACK} bytes on the stack; "
        f"got {MOST_STACK + 4}",
    ):
        unit.define("greedy", greedy, MOST_STACK // 4 + 1)
