"""Programs of pellucid's own engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pellucid.compare.methods.languages.ours import OURS as LANGUAGES
from pellucid.compare.methods.programs.record import Call, EnginePrograms
from pellucid.engines.registry import ENGINES
from pellucid.model import Model

_FIT = """

def attempt(images, labels):
    history = make_model().fit(
        (images, labels), epochs=1, batch_size=BATCH_SIZE, progress=False
    )
    return history["loss"][-1]
"""
_SOFTMAX_TWICE = """

def make_network(right=make_network):
    network = right()
    layers = [node.layer for node in network.nodes]
    return pl.Sequential(*layers, pl.Softmax(), pl.Softmax())
"""
_DENSE = """
import numpy as np
import pellucid as pl

convert = np.asarray
network = pl.Sequential(pl.Input(6), pl.Dense(3, bias=False))
model = pl.Model(network, engine="{engine}")
model.load_weights({{"dense.weight": weight}})
dense = model.predict
"""
_ESTIMATOR = """
def fitted(images, labels):
    model = make_model()
    model.fit((images, labels), epochs=1, batch_size=BATCH_SIZE, progress=False)
    return model.predict
"""


def make_programs(engine: str) -> EnginePrograms:
    """Return the programs of one of our engines."""
    return EnginePrograms(
        fit=_FIT,
        softmax_twice=_SOFTMAX_TWICE,
        dense=_DENSE.format(engine=engine),
        estimator=_ESTIMATOR,
        list_modes=_one_mode("as it is" if ENGINES[engine].is_reference else engine),
        predict_natively=lambda model, images: model.predict(images),
        languages=LANGUAGES,
    )


def _one_mode(name: str) -> Callable[[Model], Iterator[tuple[str, Call]]]:
    def list_modes(model: Model) -> Iterator[tuple[str, Call]]:
        yield name, model.predict

    return list_modes
