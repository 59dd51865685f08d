"""Recurrent layers: Keras' own cells, a sequence's end first where asked."""

from __future__ import annotations

from typing import Any

from pellucid.engines.tensorflow.imports import keras, tf
from pellucid.network import layers as network_layers
from pellucid.network.layers import Shape

_registered: Any = keras.saving.register_keras_serializable("pellucid")


@_registered
class GRUCell(keras.layers.GRUCell):  # type: ignore[misc]
    """Keras' cell, whose two biases are two variables."""

    def build(self, input_shape: Any) -> None:
        """Make the variables; Keras would make one of both biases."""
        self.use_bias, uses_bias = False, self.use_bias
        super().build(input_shape)
        self.use_bias = uses_bias
        shape = (3 * self.units,)
        self.input_bias, self.recurrent_bias = (
            self.add_weight(shape=shape, name=name, initializer="zeros")
            for name in ("input_bias", "recurrent_bias")
        )

    @property
    def bias(self) -> Any:
        """Both biases, as Keras computes with them."""
        return tf.stack([self.input_bias.value, self.recurrent_bias.value])

    @bias.setter
    def bias(self, value: Any) -> None:
        """Leave it to `build`."""


@_registered
class Recurrent(keras.layers.RNN):  # type: ignore[misc]
    """A cell run along a sequence; read backwards, states stand at their places."""

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        """Run it, and turn what is turned."""
        y = super().call(sequences, initial_state, mask, training)
        is_turned = self.go_backwards and self.return_sequences
        return tf.reverse(y, axis=[1]) if is_turned else y

    @property
    def own_weights(self) -> dict[str, Any]:
        """The variables by role."""
        cell = self.cell
        found = {"weight": cell.kernel, "recurrent_weight": cell.recurrent_kernel}
        if isinstance(cell, GRUCell):
            found["bias"] = cell.input_bias
            found["recurrent_bias"] = cell.recurrent_bias
        elif cell.use_bias:
            found["bias"] = cell.bias
        return found


def recurrent(
    layer: network_layers.Recurrent, shape: Shape, *, dtype: Any, **arguments: Any
) -> Any:
    """Return a layer's Keras layer."""
    del shape
    given = {"use_bias": layer.bias, "dtype": dtype}
    cell: Any
    if isinstance(layer, network_layers.LSTM):
        cell = keras.layers.LSTMCell(layer.units, unit_forget_bias=False, **given)
    elif not isinstance(layer, network_layers.GRU):
        cell = keras.layers.SimpleRNNCell(layer.units, **given)
    else:
        kind = GRUCell if layer.has_recurrent_bias else keras.layers.GRUCell
        cell = kind(layer.units, reset_after=layer.reset_after, **given)
    return Recurrent(
        cell,
        return_sequences=layer.return_sequences,
        go_backwards=layer.reverse,
        dtype=dtype,
        **arguments,
    )
