"""`CNNClassifier` and `CNNRegressor`: networks behind scikit-learn's interface."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from pellucid.model import Model
from pellucid.network.layers import Softmax
from pellucid.sklearn.inputs import (
    NetworkLike,
    are_paths,
    as_images,
    network_for,
    read_pictures,
)

Array = npt.NDArray[Any]
_FLOATS = (np.float32, np.float64)


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators do.

    Parameters
    ----------
    network : str, Network or callable, optional
        A name of the zoo; a description; or a function of (input shape, number of
        outputs) that returns one. Left out: two convolutions with pools and two dense
        layers for images, two dense layers for rows of numbers.
    image_shape : tuple of int, optional
        (height, width, channels) that each row of X is brought to, and the size of
        pictures where X holds paths; else X's own.
    engine : str or Engine
        What it runs on.
    optimizer : str or Optimizer
        As `Model` takes it.
    epochs, batch_size : int
        Passes over the data; examples of one update.
    random_state : int, RandomState or None
        Of the initial weights and the order of examples.
    verbose : bool
        Whether progress is shown on stderr.
    """

    _loss = ""

    def __init__(
        self,
        network: NetworkLike = None,
        *,
        image_shape: tuple[int, ...] | None = None,
        engine: Any = "compiled",
        optimizer: Any = "adam",
        epochs: int = 20,
        batch_size: int = 32,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.image_shape = image_shape
        self.engine = engine
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _checked(self, X: Any, *, reset: bool, **given: Any) -> Any:
        """Return X, and y where it is given, as scikit-learn checks them."""
        if are_paths(X):
            X = read_pictures(X, self.image_shape)
        dtype = _FLOATS
        if getattr(X, "dtype", None) == np.uint8:
            dtype = (*_FLOATS, np.uint8)  # type: ignore[assignment]
        return validate_data(
            self, X, reset=reset, allow_nd=True, dtype=dtype, order="C", **given
        )

    def _train(
        self, images: Array, targets: Array, sample_weight: Any, *, epochs: int
    ) -> None:
        self.model_.fit(
            (images, targets),
            epochs=epochs,
            batch_size=self.batch_size,
            sample_weight=sample_weight,
            metrics=(),
            progress=self.verbose,
        )

    def _make_model(self, images: Array, outputs: int) -> Model:
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        network = network_for(self.network, images.shape[1:], outputs)
        return Model(
            network,
            engine=self.engine,
            loss=self._loss,
            optimizer=self.optimizer,
            seed=int(seed),
        )

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        images = as_images(self._checked(X, reset=False), self.image_shape)
        found: Array = self.model_.predict(images)
        return found

    def _weights(self, sample_weight: Any, X: Array) -> Array | None:
        if sample_weight is None:
            return None
        weights: Array = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        return weights


class CNNClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A convolutional network that tells classes apart.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The classes, sorted.
    model_ : Model
        The trained model, with all that `pellucid.Model` can do.
    n_features_in_ : int
        Of X, its second axis.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(40, 8, 8, 1))
    >>> y = np.where(X.mean((1, 2, 3)) > 0, "bright", "dark")
    >>> CNNClassifier(engine="numpy", random_state=0).fit(X, y).predict(X[:1]).shape
    (1,)
    """

    _loss = "cross_entropy"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : array, shape (N, …), or list of paths
            Rows of numbers, images, or picture files.
        y : array, shape (N,)
            The class of each.
        sample_weight : array, shape (N,), optional
            What each example counts in the loss.
        """
        X, y = self._checked(X, reset=True, y=y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(
            column_or_1d(y, warn=True), return_inverse=True
        )
        if len(self.classes_) < 2:
            raise ValueError(
                "CNNClassifier: y must hold at least two classes; got one class alone: "
                f"{self.classes_[0].item()!r}."
            )
        images = as_images(X, self.image_shape)
        self.model_ = self._make_model(images, len(self.classes_))
        weights = self._weights(sample_weight, X)
        self._train(images, codes, weights, epochs=self.epochs)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Train one epoch more.

        Parameters
        ----------
        X, y, sample_weight
            As `fit` takes them.
        classes : array, optional
            All classes; needed in the first call.
        """
        is_new = not hasattr(self, "model_")
        X, y = self._checked(X, reset=is_new, y=y)
        check_classification_targets(y)
        images = as_images(X, self.image_shape)
        if is_new:
            if classes is None:
                raise ValueError(
                    "CNNClassifier: classes must be given in the first call of "
                    "partial_fit; got none."
                )
            self.classes_ = np.unique(classes)
            self.model_ = self._make_model(images, len(self.classes_))
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(
                f"CNNClassifier: y must hold classes known from the first call; got "
                f"{unknown[0].item()!r}."
            )
        codes = np.searchsorted(self.classes_, y)
        self._train(images, codes, self._weights(sample_weight, X), epochs=1)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (N, K)."""
        z = self._outputs(X).astype(np.float64)
        network = self.model_.network
        if isinstance(network.node(network.outputs[0]).layer, Softmax):
            return np.asarray(z / z.sum(1, keepdims=True))
        exponentials = np.exp(z - z.max(1, keepdims=True))
        found: Array = exponentials / exponentials.sum(1, keepdims=True)
        return found

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each example, shape (N,)."""
        outputs = self._outputs(X)
        found: Array = self.classes_[outputs.argmax(1)]
        return found


class CNNRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A convolutional network that gives numbers; it trains on standardized targets.

    Attributes
    ----------
    model_ : Model
        The trained model; its outputs are standardized.
    n_features_in_ : int
        Of X, its second axis.
    """

    _loss = "mse"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : array, shape (N, …), or list of paths
            Rows of numbers, images, or picture files.
        y : array, shape (N,) or (N, K)
            The targets.
        sample_weight : array, shape (N,), optional
            What each example counts in the loss.
        """
        X, y = self._checked(X, reset=True, y=y, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._is_flat = y.ndim == 1
        targets = np.asarray(y, np.float64).reshape(len(y), -1)
        self._mean = targets.mean(0)
        spread = targets.std(0)
        self._scale = np.where(spread > 0, spread, 1.0)
        images = as_images(X, self.image_shape)
        self.model_ = self._make_model(images, targets.shape[1])
        standardized = ((targets - self._mean) / self._scale).astype(np.float32)
        weights = self._weights(sample_weight, X)
        self._train(images, standardized, weights, epochs=self.epochs)
        return self

    def predict(self, X: Any) -> Array:
        """Return the targets of each example, shape (N,) or (N, K)."""
        found = self._outputs(X).astype(np.float64) * self._scale + self._mean
        return np.asarray(found[:, 0] if self._is_flat else found)


def _add_parameters(*kinds: type) -> None:
    """Put what both estimators take into their documentation."""
    shared = str(_Estimator.__doc__)
    parameters = shared[shared.index("    Parameters\n") :].rstrip()
    for kind in kinds:
        own = str(kind.__doc__)
        at = own.index("    Attributes\n")
        kind.__doc__ = f"{own[:at]}{parameters}\n\n{own[at:]}"


_add_parameters(CNNClassifier, CNNRegressor)
