"""The two calls for loops that are not ours: forward, then backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pellucid import objectives as obj
from pellucid.engines import Engine, Session, make
from pellucid.engines.state import initial_state
from pellucid.errors import EngineError, ShapeError
from pellucid.network import Network
from pellucid.network import layers as pl

pytestmark = pytest.mark.sweep(every=3, engines=("jax", "tensorflow"))

COUNT = 4


def network() -> Network:
    """Every kind of thing that a pass keeps: masks, maxima, statistics, sums."""
    entry = pl.Input(6, 6, 3)
    x = pl.Conv2D(8, kernel_size=3, padding="same", activation="relu", name="first")(
        entry
    )
    x = pl.MaxPool2D(2)(x)
    y = pl.ReLU()(pl.BatchNorm(name="norm")(pl.Conv2D(8, kernel_size=1, bias=False)(x)))
    joined = pl.Dropout(0.4)(pl.Flatten()(pl.Add()(x, y)))
    return Network(inputs=entry, outputs=pl.Dense(3, name="last")(joined))


@dataclass
class Pair:
    """A session and the reference's, with the same state; images and gradients."""

    ours: Session
    theirs: Session

    def __post_init__(self) -> None:
        random = np.random.default_rng(3)
        self.images = random.standard_normal((COUNT, 6, 6, 3)).astype(np.float32)
        self.grad = random.standard_normal((COUNT, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def sessions(engine: Engine, reference: Engine, tolerance: Any) -> Pair:
    state = initial_state(network(), seed=2, dtype="float64")
    mine = {
        name: array.astype(tolerance.dtype) if array.dtype == np.float64 else array
        for name, array in state.items()
    }
    losses = {"loss": obj.CrossEntropy(), "optimizer": obj.SGD(0.1)}
    return Pair(
        engine.build(network(), state=mine, dtype=tolerance.dtype, **losses),
        reference.build(network(), state=state, dtype="float64", **losses),
    )


@pytest.fixture
def pair(sessions: Pair, tolerance: Any) -> Pair:
    """Both sessions, with the state they began with."""
    state = initial_state(network(), seed=2, dtype="float64")
    sessions.theirs.load_state(state)
    sessions.ours.load_state(state)
    return sessions


@pytest.mark.parametrize("training", [True, False])
def test_the_two_calls_give_what_vjp_gives_and_move_buffers(
    pair: Pair, tolerance: Any, agree: Any, training: bool
) -> None:
    expected_x, expected = pair.theirs.vjp(pair.images, pair.grad, training=training)
    wanted = pair.theirs.activations(pair.images, training=training)["last"]
    output, saved = pair.ours.forward(pair.images, training)
    agree(output, wanted, tolerance.activations)
    grad_x, grads = pair.ours.backward(saved, pair.grad)
    agree(grad_x, expected_x, tolerance.gradients)
    agree(grads, expected, tolerance.gradients)
    pair.theirs.forward(pair.images, training)
    before = initial_state(network(), seed=2, dtype="float64")
    after = pair.ours.state()
    agree(after, pair.theirs.state(), tolerance.gradients)
    assert after["step"] == int(training)
    moved = after["weights/norm.running_mean"] - before["weights/norm.running_mean"]
    assert bool(np.abs(moved).max() > 1e-3) is training


def test_what_is_saved_outlives_other_passes_and_serves_twice(
    pair: Pair, tolerance: Any, agree: Any
) -> None:
    _, first = pair.ours.forward(pair.images, True)
    _, second = pair.ours.forward(pair.images * 2, True)
    for _ in range(2):
        found = pair.ours.backward(first, pair.grad)
        pair.ours.backward(second, pair.grad)
    _, saved = pair.theirs.forward(pair.images, True)
    expected = pair.theirs.backward(saved, pair.grad)
    agree(found[0], expected[0], tolerance.gradients)
    agree(found[1], expected[1], tolerance.gradients)


def test_the_gradient_of_the_images_can_be_spared(
    pair: Pair, tolerance: Any, agree: Any
) -> None:
    _, saved = pair.ours.forward(pair.images, True, input_gradient=False)
    grad_x, grads = pair.ours.backward(saved, pair.grad)
    assert grad_x is None
    agree(grads, pair.theirs.vjp(pair.images, pair.grad)[1], tolerance.gradients)


def test_predictions_see_the_statistics_that_a_pass_has_moved(
    pair: Pair, tolerance: Any, agree: Any
) -> None:
    for training in (True, False):
        for session in (pair.ours, pair.theirs):
            session.predict(pair.images)
            session.forward(pair.images, False)
            session.forward(2 * pair.images, training)
        found, wanted = (
            (s.predict(pair.images), *s.forward(pair.images, False))
            for s in (pair.ours, pair.theirs)
        )
        agree(found[0], wanted[0], tolerance.activations)
        agree(found[1], wanted[1], tolerance.activations)
        grad_x, _ = pair.ours.backward(found[2], pair.grad)
        expected, _ = pair.theirs.backward(wanted[2], pair.grad)
        agree(grad_x, expected, tolerance.gradients)


def test_each_training_pass_draws_other_masks(pair: Pair) -> None:
    first, _ = pair.ours.forward(pair.images, True)
    second, _ = pair.ours.forward(pair.images, True)
    assert np.abs(first - second).max() > 1e-3


def test_backward_refuses_what_it_cannot_use(pair: Pair) -> None:
    _, saved = pair.ours.forward(pair.images, True)
    pair.ours.load_state(pair.theirs.state())
    with pytest.raises(EngineError, match="weights that have changed since"):
        pair.ours.backward(saved, pair.grad)
    _, foreign = pair.theirs.forward(pair.images, True)
    with pytest.raises(EngineError, match="another session's"):
        pair.ours.backward(foreign, pair.grad)
    _, saved = pair.ours.forward(pair.images, True)
    saved.release()
    with pytest.raises(EngineError, match="released already"):
        pair.ours.backward(saved, pair.grad)


def _session(name: str, **options: Any) -> Session:
    state = initial_state(network(), seed=2, dtype="float32")
    return make(name, **options).build(network(), state=state)


def test_the_compiled_halves_make_the_calls_of_the_whole_once() -> None:
    session: Any = _session("compiled", profile=True, threads=1)
    images = np.ones((COUNT, 6, 6, 3), np.float32)
    grad = np.ones((COUNT, 3), np.float32)
    session.vjp(images, grad)
    _, saved = session.forward(images, True)
    programs = {p.kind: program for p, program in session._programs.items()}
    whole = programs["vjp"].low.phases
    halves = programs["halves"].low.phases
    names = sorted(s.kernel.name for phase in whole for s in phase.steps())
    assert names == sorted(s.kernel.name for phase in halves for s in phase.steps())

    def cycles() -> dict[str, list[int]]:
        ours = programs["halves"]
        found: dict[str, list[int]] = {"forward": [], "backward": []}
        for phase in ours.low.phases:
            half = "backward" if phase.is_backward else "forward"
            found[half] += [ours.cycles(step) for step in phase.steps()]
        return found

    first = cycles()
    assert any(first["forward"])
    assert not any(first["backward"])
    session.backward(saved, grad)
    second = cycles()
    assert first["forward"] == second["forward"]
    assert any(second["backward"])


def test_numpy_runs_each_layer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.engines.numpy import session as module

    calls: list[str] = []
    run = module.run

    def counted(layer: Any, *arguments: Any) -> Any:
        calls.append(type(layer).__name__)
        return run(layer, *arguments)

    monkeypatch.setattr(module, "run", counted)
    session = _session("numpy")
    _, saved = session.forward(np.ones((COUNT, 6, 6, 3), np.float32), True)
    assert len(calls) == len(network().nodes) - 1
    session.backward(saved, np.ones((COUNT, 3), np.float32))
    assert len(calls) == len(network().nodes) - 1


def test_pytorch_computes_no_forward_operator_again() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    calls: list[str] = []

    class Count(TorchDispatchMode):
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            calls.append(function.overloadpacket.__name__)
            return function(*args, **(kwargs or {}))

    session = _session("torch")
    _, saved = session.forward(np.ones((COUNT, 6, 6, 3), np.float32), True)
    with Count():
        session.backward(saved, np.ones((COUNT, 3), np.float32))
    assert calls.count("convolution_backward") == 2
    assert not {"convolution", "native_batch_norm", "addmm"}.intersection(calls)


def test_a_memory_of_the_compiled_engine_is_used_again() -> None:
    session: Any = _session("compiled")
    images = np.ones((COUNT, 6, 6, 3), np.float32)
    places = set()
    for _ in range(3):
        _, saved = session.forward(images, True)
        places.add(
            saved.open(session, "compiled", session._version)[1].memory.places[0]
        )
        del saved
    assert len(places) == 1


def test_the_compiled_backward_names_the_shape_it_must_get() -> None:
    session = _session("compiled")
    _, saved = session.forward(np.ones((COUNT, 6, 6, 3), np.float32), True)
    with pytest.raises(ShapeError, match=r"backward: grad_output must have"):
        session.backward(saved, np.ones((COUNT, 2), np.float32))
