"""The engine on TensorFlow: Keras layers in a model, trained in a tf.function."""

from pellucid.engines.tensorflow.engine import TensorflowEngine, make

__all__ = ["TensorflowEngine", "make"]
