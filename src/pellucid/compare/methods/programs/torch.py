"""Programs of PyTorch."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from pellucid.compare.methods.languages.libtorch import refuse_c, run_libtorch
from pellucid.compare.methods.languages.programs import run_in_cpp, run_in_java
from pellucid.compare.methods.languages.web import run_in_browser, run_in_node
from pellucid.compare.methods.programs.record import Array, Call, EnginePrograms

_ONNX = "ONNX (dynamo=False)"
_FIT = """

def attempt(images, labels):
    torch.manual_seed(0)
    train(make_model(), tensor(images), tensor(labels), 1)
"""
_SOFTMAX_TWICE = """

def make_model(right=make_model):
    return nn.Sequential(right(), nn.Softmax(dim=1))
"""
_DENSE = """
import torch

convert = torch.as_tensor
layer = torch.nn.Linear(6, 3, bias=False).requires_grad_(False)
layer.weight.copy_(torch.from_numpy(weight.T.copy()))
dense = layer
"""
_ESTIMATOR = """
def fitted(images, labels):
    model = make_model()
    train(model, tensor(images), tensor(labels), 1)
    return lambda x: model.eval()(tensor(x)).detach().numpy()
"""
_CONTROL_FLOW = """
import torch
from torch import stack
from torch import sum as total

array = torch.tensor


def compiled(f, x):
    torch.compiler.reset()
    return torch.compile(f, backend="eager")


def whole(f, x):
    torch.compiler.reset()
    return torch.compile(f, backend="eager", fullgraph=True)


class Program(torch.nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


def exported(f, x):
    return torch.export.export(Program(f), (x,)).module()


MODES = {
    "eager": lambda f, x: f,
    "torch.compile": compiled,
    "torch.compile fullgraph": whole,
    "torch.export": exported,
}
"""
_OWN_FORMS = """

def other_branch(x):
    return torch.cond(total(x) > 0, lambda x: x * 2, lambda x: x - 1, (x,))


def other_until(x):
    from torch._higher_order_ops import while_loop

    return while_loop(lambda x: total(x * x) > 1, lambda x: (x / 2,), (x,))[0]


def other_recursive(x):
    return other_until(x)
"""
#: the same two lines inside every forward pass, and the modes it is run in
_BREAKPOINTS = """
import torch


class Watched(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        y = self.network(x)
        breakpoint()
        return y


def modes(native):
    watched = Watched(native).eval()
    yield "eager", watched
    yield "torch.compile", torch.compile(watched)
    example = torch.zeros(SHAPE)
    yield "torch.jit.trace", torch.jit.trace(watched, example)
    yield "torch.export", torch.export.export(watched, (example,)).module()


def step(function, images):
    with torch.no_grad():
        function(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
"""


def _list_modes(model: Any) -> Iterator[tuple[str, Call]]:
    torch = importlib.import_module("torch")
    native = model.native.eval()

    def called(function: Any) -> Call:
        def call(images: Array) -> Any:
            with torch.inference_mode():
                return function(torch.from_numpy(images).permute(0, 3, 1, 2))

        return call

    yield "eager", called(native)
    yield "torch.compile", called(torch.compile(native))


def _predict(model: Any, images: Array) -> Any:
    torch = importlib.import_module("torch")
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    return model.native.eval()(x)


def _build_sizeless(shape: tuple[int, ...]) -> Any:
    nn = importlib.import_module("torch").nn
    return nn.Sequential(
        nn.Conv2d(shape[2], 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def make_programs(engine: str) -> EnginePrograms:
    """Return the programs of the engine."""
    return EnginePrograms(
        fit=_FIT,
        softmax_twice=_SOFTMAX_TWICE,
        dense=_DENSE,
        estimator=_ESTIMATOR,
        list_modes=_list_modes,
        predict_natively=_predict,
        build_sizeless=_build_sizeless,
        control_flow=_CONTROL_FLOW,
        own_forms=_OWN_FORMS,
        breakpoints=_BREAKPOINTS,
        refused_mode="torch.export",
        devices=(
            ("ExecuTorch (.pte)", "executorch"),
            ("LiteRT (.tflite)", "ai_edge_litert"),
        ),
        languages={
            "C": refuse_c,
            "C++": run_libtorch(engine, run_in_cpp),
            "JavaScript in Node": run_in_node(engine, _ONNX, channels_first=True),
            "JavaScript in a browser": run_in_browser(
                engine, _ONNX, channels_first=True
            ),
            "Java": run_libtorch(engine, run_in_java),
        },
        slow_languages=("C++", "Java"),
    )
