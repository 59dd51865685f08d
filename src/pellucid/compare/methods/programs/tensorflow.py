"""Programs of TensorFlow and Keras."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from pellucid.compare.methods.languages.programs import (
    run_in_c,
    run_in_cpp,
    run_in_java,
)
from pellucid.compare.methods.languages.tensorflow_c import from_saved_model
from pellucid.compare.methods.languages.web import run_in_browser, run_in_node
from pellucid.compare.methods.programs.record import Array, Call, EnginePrograms

_SAVED, _ONNX = "SavedModel", "ONNX (Model.export)"
_FIT = """

def attempt(images, labels):
    keras.utils.set_random_seed(0)
    options = argparse.Namespace(epochs=1)
    model = make_model()
COMPILE
    history = model.fit(images, labels, batch_size=BATCH_SIZE, verbose=0)
    return history.history["loss"][-1]
"""
_SOFTMAX_TWICE = """

def make_model(right=make_model):
    return keras.Sequential([right(), layers.Softmax()])
"""
_DENSE = """
import tensorflow as tf

convert = tf.convert_to_tensor
layer = tf.keras.layers.Dense(3, use_bias=False)
layer.build((None, 6))
layer.set_weights([weight])
dense = layer
"""
_ESTIMATOR = """
def fitted(images, labels):
    model = make_model()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=BATCH_SIZE, verbose=0)
    return lambda x: model.predict(x, verbose=0)
"""
_CONTROL_FLOW = """
import tensorflow as tf
from tensorflow import reduce_sum as total
from tensorflow import stack

array = tf.constant
MODES = {
    "eager": lambda f, x: f,
    "tf.function": lambda f, x: tf.function(f),
    "XLA": lambda f, x: tf.function(f, jit_compile=True),
}
"""
_OWN_FORMS = """

def other_counted(x):
    y = x * 0
    for _ in tf.range(tf.cast(tf.abs(x[0]), tf.int32)):
        y = y + x
    return y


def other_listed(x):
    found = tf.TensorArray(x.dtype, size=0, dynamic_size=True)
    for value in x:
        if value > 0:
            found = found.write(found.size(), value * 2)
    return found.stack()


def other_recursive(x):
    return tf.while_loop(lambda x: total(x * x) > 1, lambda x: (x / 2,), (x,))[0]


count = tf.Variable(0.0)


def other_remembered(x):
    count.assign_add(1.0)
    return x * 2 + count
"""
#: the same two lines inside every forward pass, and the modes it is run in
_BREAKPOINTS = """
import tensorflow as tf


def modes(native):
    def forward(x):
        y = native(x)
        breakpoint()
        return y

    def model():
        x = tf.keras.Input(native.input_shape[1:])

        class Watched(tf.keras.layers.Layer):
            def call(self, x):
                breakpoint()
                return x

        return tf.keras.Model(x, Watched()(native(x)))

    yield "eager", forward
    yield "tf.function", tf.function(forward)
    yield "XLA", tf.function(forward, jit_compile=True)
    predicted = model()
    predicted.compile()
    yield "Keras predict", lambda x: predicted.predict(x, verbose=0)
    eager = model()
    eager.compile(run_eagerly=True)
    yield "Keras run_eagerly", lambda x: eager.predict(x, verbose=0)


def step(function, images):
    function(tf.constant(images))
"""


def _list_modes(model: Any) -> Iterator[tuple[str, Call]]:
    tf = importlib.import_module("tensorflow")
    native = model.native

    def called(function: Any) -> Call:
        return lambda images: function(tf.constant(images)).numpy()

    yield "eager", called(lambda x: native(x, training=False))
    yield "tf.function", called(tf.function(lambda x: native(x, training=False)))
    yield (
        "XLA",
        called(tf.function(lambda x: native(x, training=False), jit_compile=True)),
    )


def _predict(model: Any, images: Array) -> Any:
    return model.native(images)


def _build_sizeless(shape: tuple[int, ...]) -> Any:
    keras = importlib.import_module("tensorflow").keras
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((None, None, shape[2])),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
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
        devices=(
            ("LiteRT (.tflite)", "ai_edge_litert"),
            ("LiteRT int8", "ai_edge_litert"),
        ),
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
