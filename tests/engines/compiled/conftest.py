"""What the compiled engine's tests share: two engines, one comparison."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import engines
from pellucid.engines.state import initial_state

# The reference runs in float64. float32 with other orders of summation differs by
# about 1e-6 of the largest number; 1e-5 and 1e-4 leave room for deep sums.
FORWARD, BACKWARD = 1e-5, 1e-4


def relative(found, wanted, least=0.0):
    """Return ‖found − wanted‖∞ / ‖wanted‖∞, the latter at least ``least``."""
    size = max(np.abs(wanted).max(), least) if wanted.size else 0.0
    return float(np.abs(found - wanted).max() / (size or 1.0)) if wanted.size else 0.0


def close(found, wanted, tolerance, what, least=0.0):
    assert found.shape == wanted.shape, what
    assert found.dtype == np.float32, what
    error = relative(found.astype(np.float64), wanted, least)
    assert error <= tolerance, f"{what}: {error:.2e}"


class Twins:
    """The same network and state on both engines, and what must agree."""

    def __init__(self, network, *, loss=None, optimizer=None, seed=0, **options):
        self.network = network
        state = initial_state(network, seed=seed, dtype="float64")
        random = np.random.default_rng(seed)
        for name, array in state.items():
            role = name.rpartition(".")[2]
            if role in ("bias", "offset", "running_mean"):
                state[name] = random.normal(size=array.shape) * 0.3
            elif role in ("scale", "running_variance"):
                state[name] = random.uniform(0.5, 1.5, array.shape)
        state = {
            k: v.astype(np.float32).astype(np.float64) if v.dtype == np.float64 else v
            for k, v in state.items()
        }
        build = {"state": state, "loss": loss, "optimizer": optimizer}
        self.slow = engines.make("numpy").build(network, dtype="float64", **build)
        self.rough = engines.make("numpy").build(network, **build)
        self.fast = engines.make("compiled", **options).build(network, **build)

    def images(self, count, seed=1):
        random = np.random.default_rng(seed)
        shape = (count, *self.network.input_shape)
        return random.normal(size=shape).astype(np.float32)

    def check_predict(self, count=3):
        x = self.images(count)
        wanted = self.slow.predict(x.astype(np.float64))
        close(self.fast.predict(x), wanted, FORWARD, "predict")

    def check_forward(self, count=3):
        self.check_predict(count)
        x = self.images(count)
        wide = x.astype(np.float64)
        for training in (False, True):
            slow = self.slow.activations(wide, training=training)
            fast = self.fast.activations(x, training=training)
            assert list(slow) == list(fast)
            for node, wanted in slow.items():
                close(fast[node], wanted, FORWARD, f"{node}, training={training}")

    def check_vjp(self, count=3, tolerance=BACKWARD, modes=(True, False)):
        x = self.images(count)
        random = np.random.default_rng(2)
        shape = (count, *self.network.output_shape)
        given = random.normal(size=shape).astype(np.float32)
        for training in modes:
            slow = self.slow.vjp(
                x.astype(np.float64), given.astype(np.float64), training=training
            )
            fast = self.fast.vjp(x, given, training=training)
            close(fast[0], slow[0], tolerance, f"grad_input, training={training}")
            self.check_grads(fast[1], slow[1], tolerance)

    def check_grads(self, fast, slow, tolerance=BACKWARD):
        assert list(fast) == list(slow)
        # a derivative may be zero but for rounding: a bias before a batch norm
        least = 0.01 * max((np.abs(g).max() for g in slow.values()), default=0.0)
        for name, wanted in slow.items():
            close(fast[name], wanted, tolerance, name, least)

    def check_learning(self, labels, count=None, sample_weight=None):
        x = self.images(len(labels) if count is None else count)
        slow = self.slow.gradients(
            x.astype(np.float64), labels, sample_weight=sample_weight
        )
        fast = self.fast.gradients(x, labels, sample_weight=sample_weight)
        assert fast[0] == pytest.approx(slow[0], rel=1e-5, abs=1e-7)
        # a ReLU that float32 puts on the other side of 0 moves a whole derivative: the
        # reference's own float32 says how far that goes on this batch
        rough = self.rough.gradients(x, labels, sample_weight=sample_weight)[1]
        floor = max(relative(rough[name], slow[1][name]) for name in rough)
        self.check_grads(fast[1], slow[1], max(BACKWARD, 10 * floor))

    def check_steps(self, labels, steps=20, rate=0.01, tolerance=1e-3):
        for step in range(steps):
            x = self.images(len(labels), seed=step)
            slow = self.slow.train_step(
                x.astype(np.float64), labels, learning_rate=rate
            )
            fast = self.fast.train_step(x, labels, learning_rate=rate)
            assert fast.loss == pytest.approx(slow.loss, rel=tolerance, abs=1e-6)
        wanted, found = self.slow.state(), self.fast.state()
        assert list(wanted) == list(found)
        for name, array in wanted.items():
            error = relative(found[name].astype(np.float64), array)
            assert error <= tolerance, f"{name}: {error:.2e}"


@pytest.fixture(scope="session")
def twins():
    return Twins
