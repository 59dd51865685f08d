"""Exceptions that pellucid raises on purpose.

::

    PellucidError
    ├── NetworkError (ValueError)             the description of a network is wrong
    │   └── ShapeError                        shapes do not fit together
    ├── DataError (ValueError)                images, labels or their files are wrong
    ├── EngineError (RuntimeError)            an engine cannot do what it was asked
    │   ├── EngineUnavailableError            … its package cannot be imported
    │   ├── UnsupportedLayerError             … it cannot express that layer exactly
    │   ├── UnsupportedObjectiveError         … it has no such loss or optimizer
    │   └── DivergenceError                   … the loss is no longer finite
    ├── MissingExtraError (ImportError)       an optional package is not installed
    │   └── EngineUnavailableError
    ├── ExchangeError (ValueError)            a model file cannot be read or written
    └── RunError (RuntimeError)               a run folder or recipe is wrong or in use

Every message has one form: who, the rule with "must", what came, what to do.
"""


class PellucidError(Exception):
    """Base of every exception that pellucid raises on purpose."""


class NetworkError(PellucidError, ValueError):
    """The description of a network is wrong."""


class ShapeError(NetworkError):
    """Shapes in a network, or of arrays handed to it, do not fit together."""


class DataError(PellucidError, ValueError):
    """Images, labels or the files that hold them are wrong."""


class EngineError(PellucidError, RuntimeError):
    """An engine cannot do what it was asked."""


class MissingExtraError(PellucidError, ImportError):
    """An optional package is needed and cannot be imported."""


class EngineUnavailableError(EngineError, MissingExtraError):
    """The package an engine stands on cannot be imported."""


class UnsupportedLayerError(EngineError):
    """An engine cannot express a layer exactly."""


class UnsupportedObjectiveError(EngineError):
    """An engine does not have a loss or an optimizer."""


class DivergenceError(EngineError):
    """The loss of a training step is no longer finite."""


class ExchangeError(PellucidError, ValueError):
    """A model file cannot be read or written."""


class RunError(PellucidError, RuntimeError):
    """A run folder, checkpoint or recipe is wrong, missing or in use."""
