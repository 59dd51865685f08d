"""The programs of one engine, and where they are found."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from pellucid.compare.methods.languages.ours import Run
from pellucid.engines.registry import ENGINES

Array = npt.NDArray[Any]
Call = Callable[[Array], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePrograms:
    """What the criteria run on an engine, as its own users write it.

    Attributes
    ----------
    fit : str
        Put at the end of the engine's script: ``attempt(images, labels)`` trains for
        an epoch. ``COMPILE`` stands for the script's own call of `compile`.
    softmax_twice : str
        Put there too: a softmax where the loss expects logits.
    dense : str
        A dense layer of ``weight``, as ``dense``, and ``convert`` to its arrays.
    estimator : str
        ``fitted(images, labels)`` trains the script's model; returns its prediction.
    list_modes : callable
        Yields (mode, function from images to what is ready) of a model.
    predict_natively : callable
        Returns what the engine's own model gives for images.
    build_sizeless : callable, optional
        Returns a native network for images of any size, given one shape; None where
        every size is another network.
    control_flow, own_forms : str
        What comes before the programs of `control_flow`, and the engine's own form of
        some; "" where networks are no programs.
    breakpoints : str
        ``modes`` and ``step`` with a breakpoint in the forward pass; "" where a user
        writes none.
    refused_mode : str
        The mode of ``breakpoints`` that cannot even be made.
    devices : tuple of (str, str)
        Exporters for small machines, and the package whose runtime opens each file.
    languages : mapping
        Language to what runs the engine's file from it.
    slow_languages : tuple of str
        Those that take a minute to compile.
    """

    fit: str
    softmax_twice: str
    dense: str
    estimator: str
    list_modes: Callable[[Any], Iterator[tuple[str, Call]]]
    predict_natively: Callable[[Any, Array], Any]
    build_sizeless: Callable[[tuple[int, ...]], Any] | None = None
    control_flow: str = ""
    own_forms: str = ""
    breakpoints: str = ""
    refused_mode: str = "a mode"
    devices: tuple[tuple[str, str], ...] = ()
    languages: Mapping[str, Run] = field(default_factory=dict)
    slow_languages: tuple[str, ...] = ()


def find_programs(engine: str) -> EnginePrograms:
    """Return an engine's programs: a framework's own, or pellucid's."""
    home = engine if ENGINES[engine].is_framework else "pellucid"
    module = importlib.import_module(f"{__package__}.{home}")
    found: EnginePrograms = module.make_programs(engine)
    return found
