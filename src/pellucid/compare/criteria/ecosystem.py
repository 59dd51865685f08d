"""Criterion "Does it work with the rest of Python?"."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.compare.criteria.criterion import Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.attempts import build_attempt
from pellucid.compare.methods.failure import first_line
from pellucid.compare.methods.programs import find_programs
from pellucid.compare.methods.scripts import silence
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.engines.registry import REFERENCE

Array = npt.NDArray[Any]
_INPUTS, _UNITS = 6, 3

#: scikit-learn's estimator around the script's model
_WRAPPER = '''
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Wrapped(ClassifierMixin, BaseEstimator):
    """The model as scikit-learn knows estimators: a row of numbers per example."""

    def fit(self, rows, labels):
        self.classes_ = np.unique(labels)
        self.predict_ = fitted(rows.reshape(len(rows), *SHAPE), labels)
        return self

    def predict(self, rows):
        return self.predict_(rows.reshape(len(rows), *SHAPE)).argmax(axis=1)
'''


@dataclass(frozen=True, slots=True)
class ForeignObject:
    """An object of another library, as numbers, and where its memory can be changed."""

    name: str
    object: Any
    values: Array
    source: Any = None


def measure(task: Task) -> list[Measurement]:
    """Hand objects in, and take results out."""
    inside = [*_try_inputs(task), *_try_outputs(task)]
    inside.append(_cross_validate(task))
    known = [f for f in inside if f.value is not None]
    works = [f for f in known if str(f.value).startswith(("as it is", "works"))]
    return [
        Measurement(
            name="objects that work as they are",
            value=round(100 * len(works) / len(known)) if known else None,
            unit="%",
            note=f"{len(works)} of {len(known)}, without a line to convert them.",
        ),
        *inside,
    ]


def _try_inputs(task: Task) -> Iterator[Measurement]:
    weight = np.linspace(-1, 1, _INPUTS * _UNITS, dtype=np.float32)
    weight = weight.reshape(_INPUTS, _UNITS)
    program: dict[str, Any] = {"weight": weight}
    with silence():
        exec(find_programs(task.engine).dense, program)
    for name, make in _OBJECTS.items():
        try:
            given = make()
        except ImportError as error:
            yield _describe_missing(f"in: {name}", error)
            continue
        yield _try_input(name, given, program, weight)


def _try_input(
    name: str, given: ForeignObject, program: dict[str, Any], weight: Array
) -> Measurement:
    """Try it as it is, then by the framework's own conversion."""
    try:
        with silence():
            result = np.asarray(program["dense"](given.object), np.float64)
        if np.allclose(result, given.values @ weight, atol=1e-4):
            return Measurement(name=f"in: {name}", value="as it is")
        reason = "it gave wrong numbers"
    except Exception as error:  # noqa: BLE001 - refusing is an answer
        reason = first_line(error, 160)
    try:
        with silence():
            converted = program["convert"](given.object)
            same = np.allclose(np.asarray(converted, np.float64), given.values)
        if not same:
            raise TypeError("the conversion gave an object without the numbers")
    except Exception as error:  # noqa: BLE001 - as above
        note = f"As it is: {reason}; converted: {first_line(error, 160)}"
        return Measurement(name=f"in: {name}", value="refused", note=note)
    shared = _is_shared(given, converted)
    word = "converted, memory shared" if shared else "converted, copied"
    return Measurement(name=f"in: {name}", value=word, note=f"As it is: {reason}")


def _is_shared(given: ForeignObject, converted: Any) -> bool:
    """Change the source, and look whether the converted object changed."""
    source = given.source
    if not isinstance(source, np.ndarray) or not source.flags.writeable:
        array = np.asarray(given.object)
        is_array = array.dtype != object
        return is_array and np.shares_memory(array, np.asarray(converted))
    before = float(np.asarray(converted).ravel()[0])
    source[...] += 1
    return float(np.asarray(converted).ravel()[0]) != before


def _make_array(dtype: str = "float32") -> Array:
    return np.arange(4 * _INPUTS).reshape(4, _INPUTS).astype(dtype) / 8


def _make_plain() -> ForeignObject:
    array = _make_array()
    return ForeignObject("array", array, array.astype(np.float64).copy(), array)


def _make_double() -> ForeignObject:
    array = _make_array("float64")
    return ForeignObject("array", array, array.copy(), array)


def _make_reversed() -> ForeignObject:
    array = _make_array()
    view = array[::-1]
    return ForeignObject("view", view, view.astype(np.float64).copy(), array)


def _make_read_only() -> ForeignObject:
    array = _make_array()
    array.flags.writeable = False
    return ForeignObject("array", array, array.astype(np.float64), None)


def _make_lists() -> ForeignObject:
    return ForeignObject("lists", _make_array().tolist(), _make_array("float64"))


def _make_frame() -> ForeignObject:
    pandas = importlib.import_module("pandas")
    return ForeignObject(
        "frame", pandas.DataFrame(_make_array()), _make_array("float64")
    )


def _make_sparse() -> ForeignObject:
    sparse = importlib.import_module("scipy.sparse")
    return ForeignObject(
        "sparse", sparse.csr_array(_make_array()), _make_array("float64")
    )


_OBJECTS: dict[str, Callable[[], ForeignObject]] = {
    "NumPy array, float32": _make_plain,
    "NumPy array, float64": _make_double,
    "NumPy view with negative strides": _make_reversed,
    "NumPy array, read-only": _make_read_only,
    "Python lists": _make_lists,
    "pandas DataFrame": _make_frame,
    "SciPy sparse array": _make_sparse,
}


def _native_output(task: Task) -> Any:
    """Return what the framework's own model returns for eight images, as it is."""
    model = build_model(task)
    train, _ = load_data(task)
    images = model.preprocessing.apply(train.images[:8], np.float32)
    return find_programs(task.engine).predict_natively(model, images)


def _try_outputs(task: Task) -> Iterator[Measurement]:
    with silence():
        output = _native_output(task)
    uses: dict[str, Callable[[Any], Any]] = {
        "np.asarray(output)": np.asarray,
        "pandas.DataFrame(output)": lambda y: _import("pandas").DataFrame(y),
        "scipy.special.softmax(output)": lambda y: _import("scipy.special").softmax(
            y, axis=1
        ),
        "sklearn confusion_matrix(labels, output.argmax(1))": lambda y: _import(
            "sklearn.metrics"
        ).confusion_matrix(range(len(y)), y.argmax(1)),
    }
    for name, use in uses.items():
        yield _try_use(name, use, output)


def _try_use(name: str, use: Callable[[Any], Any], output: Any) -> Measurement:
    try:
        result = use(output)
        word = "works"
        if name.startswith("np."):
            is_view = np.shares_memory(result, np.asarray(output))
            word = "works, memory shared" if is_view else "works, copied"
        return Measurement(name=f"out: {name}", value=word)
    except ImportError as error:
        return _describe_missing(f"out: {name}", error)
    except Exception as error:  # noqa: BLE001 - refusing is an answer
        reason = first_line(error, 160)
    try:
        detached = output.detach() if hasattr(output, "detach") else output
        use(np.asarray(detached))
    except Exception as error:  # noqa: BLE001 - as above
        note = f"As it is: {reason}; converted: {first_line(error, 160)}"
        return Measurement(name=f"out: {name}", value="refused", note=note)
    return Measurement(
        name=f"out: {name}", value="converted", note=f"As it is: {reason}"
    )


def _cross_validate(task: Task) -> Measurement:
    """Wrap the script's model for scikit-learn, and run its cross-validation."""
    name = "scikit-learn cross_val_score"
    try:
        selection = importlib.import_module("sklearn.model_selection")
    except ImportError as error:
        return _describe_missing(name, error)
    train, _ = load_data(task)
    images = build_model(task, REFERENCE).preprocessing.apply(
        train.images[:192], np.float32
    )
    module = build_attempt(task)
    module.__dict__["SHAPE"] = images.shape[1:]
    text = find_programs(task.engine).estimator + _WRAPPER
    exec(text, module.__dict__)
    rows, labels = images.reshape(len(images), -1), train.labels[:192]
    try:
        with silence():
            folds = selection.KFold(3)
            scores = selection.cross_val_score(
                module.Wrapped(), rows, labels, cv=folds, error_score="raise"
            )
    except Exception as error:  # noqa: BLE001 - refusing is an answer
        return Measurement(name=name, value="refused", note=first_line(error, 160))
    lines = sum(bool(line.strip()) for line in text.splitlines())
    return Measurement(
        name=name,
        value=f"needs a wrapper of {lines} lines",
        note=f"Three folds ran, mean accuracy {scores.mean():.2f} after a step or two.",
        detail=text,
    )


def _describe_missing(name: str, error: ImportError) -> Measurement:
    note = f"{error}. Run: pip install 'pellucid[compare]'."
    return Measurement(name=name, value=None, note=note)


def _import(name: str) -> Any:
    return importlib.import_module(name)


ROW = Criterion(
    name="ecosystem",
    question="Does it work with the rest of Python?",
    how="Objects of NumPy, SciPy and pandas go into a dense layer of each framework: "
    "as they are where it gives the right numbers; else through the framework's own "
    "conversion, and whether memory is shared is seen by changing the source. What "
    "the network returns goes to NumPy, pandas, SciPy and scikit-learn as it is, "
    "else converted. Last, scikit-learn's cross_val_score runs over the network's "
    "script, in a wrapper whose lines are counted.",
    measure=measure,
    is_timed=False,
    needs=("numpy", "scipy", "scikit-learn", "pandas"),
    aspects=(ScoredMetric.higher("ecosystem", "objects that work as they are"),),
)
