"""Programs of JAX."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from pellucid.compare.methods.languages.programs import (
    run_in_c,
    run_in_cpp,
    run_in_java,
)
from pellucid.compare.methods.languages.tensorflow_c import from_saved_model
from pellucid.compare.methods.languages.web import run_in_browser, run_in_node
from pellucid.compare.methods.programs.record import Array, Call, EnginePrograms
from pellucid.compare.methods.programs.small_network import build_small_network
from pellucid.model import Model

_SAVED, _ONNX = "SavedModel (jax2tf)", "ONNX (jax2tf, tf2onnx)"
_FIT = """

def attempt(images, labels):
    rng = np.random.default_rng(0)
    train(initial_weights(rng), images, labels, 1, rng)
"""
_SOFTMAX_TWICE = """

def forward(w, x, right=forward):
    return jax.nn.softmax(right(w, x))
"""
_DENSE = """
import jax.numpy as jnp

convert = jnp.asarray


def dense(x):
    return jnp.matmul(x, weight)
"""
_ESTIMATOR = """
def fitted(images, labels):
    rng = np.random.default_rng(0)
    w = train(initial_weights(rng), images, labels, 1, rng)
    return lambda x: logits(w, x)
"""
_CONTROL_FLOW = """
import jax
import jax.numpy as jnp
from jax.numpy import stack
from jax.numpy import sum as total

array = jnp.asarray
MODES = {"eager": lambda f, x: f, "jit": lambda f, x: jax.jit(f)}
"""
_OWN_FORMS = """

def other_branch(x):
    return jax.lax.cond(total(x) > 0, lambda x: x * 2, lambda x: x - 1, x)


def other_until(x):
    return jax.lax.while_loop(lambda x: total(x * x) > 1, lambda x: x / 2, x)


def other_counted(x):
    turns = jnp.abs(x[0]).astype(int)
    return jax.lax.fori_loop(0, turns, lambda _, y: y + x, x * 0)


def other_early(x):
    def go_on(state):
        return (state[0] < 8) & (total(state[1] * state[1]) >= 1)

    return jax.lax.while_loop(go_on, lambda s: (s[0] + 1, s[1] / 2), (0, x))[1]


def other_recursive(x):
    return other_until(x)


def other_remembered(x):
    def remember(x):
        seen.append(1)
        return x * 2 + len(seen)

    kind = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.experimental.io_callback(remember, kind, x, ordered=True)
"""
#: the same two lines inside every forward pass, and the modes it is run in
_BREAKPOINTS = """
import jax
import jax.numpy as jnp


def modes(native):
    def forward(x):
        y = native.apply(native.weights, x)
        breakpoint()
        return y

    def without_jit(x):
        with jax.disable_jit():
            return forward(x)

    def called_back(x):
        y = native.apply(native.weights, x)
        jax.debug.callback(lambda y: breakpoint(), y)
        return y

    yield "eager", forward
    yield "jit", jax.jit(forward)
    yield "jit, disable_jit", without_jit
    yield "jit, debug.callback", jax.jit(called_back)


def step(function, images):
    jax.block_until_ready(function(jnp.asarray(images)))
    jax.effects_barrier()
"""


def _list_modes(model: Any) -> Iterator[tuple[str, Call]]:
    jax = importlib.import_module("jax")
    native = model.native

    def called(function: Any) -> Call:
        return lambda images: function(jax.numpy.asarray(images)).block_until_ready()

    yield "eager", called(lambda x: native.apply(native.weights, x))
    compiled = jax.jit(native.apply)
    yield "jit", called(lambda x: compiled(native.weights, x))


def _predict(model: Any, images: Array) -> Any:
    return model.native.apply(model.native.weights, images)


def _build_sizeless(shape: tuple[int, ...]) -> Any:
    model = Model(build_small_network(shape), engine="jax")
    jax = importlib.import_module("jax")
    weights = {name: np.array(value) for name, value in model.weights.items()}

    def apply(w: Any, x: Any) -> Any:
        layout = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(
            x, w["conv2d.weight"], (1, 1), "SAME", dimension_numbers=layout
        )
        y = jax.nn.relu(y + w["conv2d.bias"]).mean(axis=(1, 2))
        return y @ w["dense.weight"] + w["dense.bias"]

    return SimpleNamespace(apply=apply, weights=weights)


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
        devices=(("LiteRT (jax2tf, .tflite)", "ai_edge_litert"),),
        languages={
            "C": from_saved_model(engine, _SAVED, run_in_c),
            "C++": from_saved_model(engine, _SAVED, run_in_cpp),
            "JavaScript in Node": run_in_node(engine, _ONNX, channels_first=False),
            "JavaScript in a browser": run_in_browser(
                engine, _ONNX, channels_first=False
            ),
            "Java": from_saved_model(engine, _SAVED, run_in_java),
        },
    )
