"""One batch through a model: update, activations, gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.loss_input import require
from pellucid.engines.ports import join
from pellucid.errors import ShapeError
from pellucid.model import ports
from pellucid.model.inference import InferenceModel
from pellucid.model.inputs import (
    Examples,
    check_examples,
)
from pellucid.network.ports import has_several
from pellucid.objectives import (
    Loss,
    Optimizer,
)

Array = npt.NDArray[Any]


class DifferentiableModel(InferenceModel):
    """A model that takes single steps and computes gradients."""

    def train_step(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        *,
        learning_rate: float | None = None,
        sample_weight: npt.ArrayLike | None = None,
        masks: Mapping[str, Array] | None = None,
    ) -> float:
        """Do one optimizer update and return the loss before it.

        Parameters
        ----------
        images : array, shape (N, *input shape)
            The batch; with several inputs a tuple, or a dict by node name.
        labels : array, shape (N, …)
            As the loss takes them; with several outputs a tuple or dict.
        learning_rate : float, optional
            The optimizer's own if left out.
        sample_weight : array, shape (N,), optional
            Weight of each example in the loss.
        masks : mapping of node name to ndarray, optional
            Dropout masks of 0 and 1 / (1 − rate), instead of those drawn.

        Returns
        -------
        float
            Mean loss in nats, before the update.
        """
        x, y, weight = self._examples(images, labels, sample_weight, is_training=True)
        optimizer: Optimizer = require("optimizer", self.optimizer)
        rate = optimizer.learning_rate if learning_rate is None else learning_rate
        result = self._session.train_step(
            x, y, learning_rate=rate, sample_weight=weight, masks=masks
        )
        return result.loss

    def activations(
        self, images: npt.ArrayLike, *, training: bool = False
    ) -> dict[str, Array]:
        """Return every node's output by name, each of shape (N, …).

        Parameters
        ----------
        images : array, shape (N, *input shape)
            The batch; with several inputs a tuple or dict.
        training : bool
            Whether batch norm and dropout behave as in training.

        Returns
        -------
        dict of node name to ndarray
            In topological order.
        """
        return self._session.activations(self._inputs(images), training=training)

    def gradients(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient of each parameter, in training mode.

        Parameters
        ----------
        images : array, shape (N, *input shape)
            The batch; with several inputs a tuple or dict.
        labels : array, shape (N, …)
            As the loss takes them.
        sample_weight : array, shape (N,), optional
            Weight of each example in the loss.

        Returns
        -------
        tuple of float and dict
            Loss in nats, and {weight name: gradient, of the weight's shape}.
        """
        x, y, weight = self._examples(images, labels, sample_weight)
        return self._session.gradients(x, y, sample_weight=weight)

    def vjp(
        self,
        images: npt.ArrayLike,
        grad_output: npt.ArrayLike,
        *,
        training: bool = True,
    ) -> tuple[Array, dict[str, Array]]:
        """Return the vector-Jacobian product with respect to images and parameters.

        Parameters
        ----------
        images : array, shape (N, *input shape)
            The batch.
        grad_output : array, shape (N, *output shape)
            Gradient of a scalar with respect to the network's output.
        training : bool
            Whether batch norm and dropout behave as in training.

        Returns
        -------
        grad_input : ndarray, shape (N, *input shape)
            Gradient of that scalar with respect to the images.
        grad_weights : dict of weight name to ndarray
            Gradient of that scalar with respect to each parameter.
        """
        if has_several(self.network):
            given = ports.prepare_inputs(self, images)
            grads = ports.check_grad_outputs(self, grad_output, len(given[0]))
            return self._session.vjp(join(given), grads, training=training)
        x = self._input(images)
        grad = np.asarray(grad_output, self.dtype)
        expected = (len(x), *self.network.output_shape)
        if grad.shape != expected:
            raise ShapeError(
                f"vjp: grad_output must have shape {expected}; got shape={grad.shape}."
            )
        return self._session.vjp(x, grad, training=training)

    def _examples(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        sample_weight: Any,
        *,
        is_training: bool = False,
    ) -> Examples | ports.SeveralExamples:
        if has_several(self.network):
            return ports.check_step(self, images, labels, sample_weight)
        loss: Loss = require("loss", self.loss)
        shape = self.network.output_shape
        x = self._input(images, is_training=is_training)
        return check_examples(x, labels, sample_weight, loss, shape)
