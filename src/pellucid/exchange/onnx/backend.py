"""ONNX's backend API: run models as `onnx.backend.base` asks for, on our engines.

``onnx.backend.test.BackendTest(pellucid.exchange.onnx.backend, __name__)`` runs ONNX's
own tests; what is no network of ours is skipped, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

from pellucid.engines.protocol import Engine
from pellucid.errors import ExchangeError, PellucidError
from pellucid.exchange.errors import show_batch
from pellucid.exchange.onnx.half import HALVES
from pellucid.exchange.onnx.read import Graph
from pellucid.model import Model, from_file

Array = npt.NDArray[Any]


class UnsupportedModelError(ExchangeError, BackendIsNotSupposedToImplementIt):
    """A model that is no network of ours; ONNX's test runner skips it."""


class PreparedModel(BackendRep):
    """A model ready to run.

    Parameters
    ----------
    model : ModelProto
        Its inputs are the network's as far as that is possible. Where it is not, the
        first input alone is, and the others are constants: the network is then built
        for their values when it is run.
    engine : str or Engine
        Where to run it.

    Raises
    ------
    UnsupportedModelError
        If it is no network whatever the constants are.
    """

    def __init__(self, model: onnx.ModelProto, engine: str | Engine) -> None:
        self.model, self.engine = model, engine
        known = {tensor.name for tensor in model.graph.initializer}
        entries = [entry for entry in model.graph.input if entry.name not in known]
        self.inputs = [str(entry.name) for entry in entries]
        for value in model.graph.output:
            kind = value.type.tensor_type.elem_type
            if kind not in (*_FLOATS, *HALVES):
                raise UnsupportedModelError(
                    "onnx.backend: outputs must be of floats; got "
                    f"'{value.name}' of {onnx.TensorProto.DataType.Name(kind)}."
                )
        self._built: tuple[dict[str, Array], Graph, Model] | None = None
        try:
            self._build({})
        except PellucidError as error:
            if len(self.inputs) < 2:
                raise UnsupportedModelError(show_batch(str(error))) from error

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs, in the model's order.

        Parameters
        ----------
        inputs : sequence of array, mapping of str to array, or array
            In the model's order, without its initializers; or by name.

        Raises
        ------
        UnsupportedModelError
            If it is no network for these constants.
        ExchangeError
            If the inputs are not as many as the model has.
        """
        given = self._name(inputs)
        if self._built is None or not _is_same(self._built[0], given):
            others = {name: _widened(given[name]) for name in self.inputs[1:]}
            try:
                self._build(others)
            except PellucidError as error:
                raise UnsupportedModelError(show_batch(str(error))) from error
        _, graph, model = self._built  # type: ignore[misc]
        wide = {name: _widened(array) for name, array in given.items()}
        images = graph.ports.images(model.file(), wide)
        made = model.predict(images)
        values = made if isinstance(made, tuple) else (made,)
        kinds = [value.type.tensor_type.elem_type for value in self.model.graph.output]
        return tuple(
            _as_kind(output.to_foreign(np.asarray(value)), kind)
            for output, value, kind in zip(
                graph.outputs.values(), values, kinds, strict=True
            )
        )

    def _name(self, inputs: Any) -> dict[str, Array]:
        if isinstance(inputs, Mapping):
            arrays = dict(inputs)
        else:
            several = inputs if isinstance(inputs, list | tuple) else [inputs]
            arrays = dict(zip(self.inputs, several, strict=False))
            if len(several) != len(self.inputs):
                arrays = {}
        if set(arrays) != set(self.inputs):
            raise ExchangeError(
                f"onnx.backend: inputs must be {', '.join(self.inputs)}; "
                f"got {len(inputs)}."
            )
        return {name: _to_array(value) for name, value in arrays.items()}

    def _build(self, constants: dict[str, Array]) -> None:
        name = self.model.graph.name or "graph"
        graph = Graph(self.model, None, constants)
        try:
            file = graph.file(name)
        except PellucidError:
            graph = Graph(self.model, None, constants, of_one=True)
            try:
                file = graph.file(name)
            except PellucidError:
                graph = Graph(self.model, None, constants)
                file = graph.file(name)  # refused for the first reason
        self._built = constants, graph, from_file(file, engine=self.engine)


class PellucidBackend(Backend):
    """ONNX's backend interface; ``engine=`` is numpy unless it is given."""

    @classmethod
    def is_compatible(
        cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any
    ) -> bool:
        """Return whether a model is a network of ours, or may be for some constants."""
        try:
            cls.prepare(model, device, **kwargs)
        except ExchangeError:
            return False
        return True

    @classmethod
    def prepare(
        cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any
    ) -> PreparedModel:
        """Return a model that can be run repeatedly.

        Parameters
        ----------
        model : ModelProto
        device : str
            ``"CPU"``, as `onnx.backend.base.Device` reads it.
        **kwargs
            ``engine``: a name or an `Engine`.

        Raises
        ------
        UnsupportedModelError
            If it cannot be represented exactly; ONNX's test runner skips it then.
        ExchangeError
            If the device is none of ours, or ONNX's checker finds the model invalid.
        """
        if not cls.supports_device(device):
            raise ExchangeError(f"onnx.backend: device must be CPU; got {device!r}.")
        try:
            super().prepare(model, device)
        except onnx.checker.ValidationError as error:
            reason = " ".join(str(error).split())[:200].rstrip(".")
            raise ExchangeError(
                f"onnx.backend: model must be valid; got {reason}."
            ) from error
        return PreparedModel(model, kwargs.get("engine", "numpy"))

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run one operator.

        Parameters
        ----------
        node : NodeProto
        inputs : sequence of array
            One for each input that has a name.
        device : str
        outputs_info : sequence of (dtype, shape), optional
            Of the outputs; floats if left out.
        **kwargs
            ``engine``, and ``opset_version``: the newest if left out.

        Returns
        -------
        tuple of array
            By place, and by name.
        """
        super().run_node(node, inputs, device, outputs_info, **kwargs)
        names = [name for name in node.input if name]
        arrays = [_to_array(value) for value in inputs]
        kinds = [np.dtype(kind) for kind, _ in outputs_info or ()]
        kinds += [np.dtype(np.float32)] * (len(node.output) - len(kinds))
        opset = kwargs.get("opset_version", onnx.defs.onnx_opset_version())
        graph = onnx.helper.make_graph(
            [node],
            "node",
            [_info(n, a.dtype, a.shape) for n, a in zip(names, arrays, strict=True)],
            [_info(n, k, None) for n, k in zip(node.output, kinds, strict=True)],
        )
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", opset)]
        )
        made = PreparedModel(model, kwargs.get("engine", "numpy")).run(arrays)
        outputs: tuple[Any, ...] = namedtupledict("Outputs", node.output)(*made)
        return outputs

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Return whether engines run there: on the CPU."""
        try:
            return bool(Device(device).type == DeviceType.CPU)
        except (AttributeError, ValueError):
            return False


_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)


def _widened(array: Array) -> Array:
    """Return numbers of 16 bits as float32."""
    is_half = array.dtype.kind in "fV" and array.dtype.itemsize == 2
    return array.astype(np.float32) if is_half else array


def _as_kind(array: Array, kind: int) -> Array:
    """Return an output in a model's type, if that has 16 bits."""
    if kind not in HALVES:
        return array
    return array.astype(onnx.helper.tensor_dtype_to_np_dtype(kind))


def _to_array(value: Any) -> Array:
    is_proto = isinstance(value, onnx.TensorProto)
    return np.asarray(numpy_helper.to_array(value) if is_proto else value)


def _info(name: str, kind: Any, shape: Any) -> onnx.ValueInfoProto:
    element = onnx.helper.np_dtype_to_tensor_dtype(kind)
    return onnx.helper.make_tensor_value_info(name, element, shape)


def _is_same(constants: Mapping[str, Array], given: Mapping[str, Array]) -> bool:
    """Return whether constants have the values that they were built for."""
    return all(
        array.dtype == given[name].dtype and np.array_equal(array, given[name])
        for name, array in constants.items()
    )


is_compatible = PellucidBackend.is_compatible
prepare = PellucidBackend.prepare
run_model = PellucidBackend.run_model
run_node = PellucidBackend.run_node
supports_device = PellucidBackend.supports_device

__all__ = [
    "PellucidBackend",
    "PreparedModel",
    "UnsupportedModelError",
    "is_compatible",
    "prepare",
    "run_model",
    "run_node",
    "supports_device",
]
