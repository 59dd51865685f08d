"""Convolutional networks as estimators of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.sklearn.estimators import CNNClassifier, CNNRegressor

__all__ = ["CNNClassifier", "CNNRegressor"]


def __getattr__(name: str) -> Any:
    """Import scikit-learn when an estimator is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from pellucid.sklearn import estimators
    except ModuleNotFoundError as error:
        from pellucid.errors import MissingExtraError

        raise MissingExtraError(
            f"sklearn: {name} needs scikit-learn; got {error}. "
            "Run: pip install 'pellucid[sklearn]'"
        ) from error
    return getattr(estimators, name)
