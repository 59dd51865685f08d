"""Import TensorFlow and Keras on the right backend, without their banners.

TensorFlow's libraries write half a dozen lines to stderr when they load and when they
first compute, whatever TF_CPP_MIN_LOG_LEVEL says. People who set that variable see
all of it; for the others the lines of that form are left out, and no others.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

from pellucid.errors import EngineError

_CHATTER = re.compile(
    rb"(WARNING: All log messages before absl|[IWE]\d{4} [\d:.]+ +\d+ "
    rb"|To enable the following instructions)"
)
_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Leave out what TensorFlow's libraries write to stderr meanwhile."""
    if _VARIABLE in os.environ:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        os.environ[_VARIABLE] = "2"
        try:
            yield
        finally:
            del os.environ[_VARIABLE]
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            for line in said:
                if not _CHATTER.match(line):
                    os.write(2, line)


def check_backend(name: str) -> None:
    """Check that Keras runs, or would run, on TensorFlow.

    Raises
    ------
    EngineError
        If it does not.
    """
    if name != "tensorflow":
        raise EngineError(
            "engine 'tensorflow': Keras must run on TensorFlow; got "
            f"KERAS_BACKEND={name}. Unset KERAS_BACKEND (or mend ~/.keras/keras.json)."
        )


check_backend(os.environ.get("KERAS_BACKEND") or "tensorflow")
with quiet():
    import keras
    import tensorflow as tf
check_backend(keras.backend.backend())

__all__ = ["check_backend", "keras", "quiet", "tf"]
