"""Workers where programs run: threads, forks, other processes, death."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from pellucid import engines
from pellucid.engines.compiled.codegen import cpu
from pellucid.engines.compiled.program import workers
from pellucid.engines.state import initial_state
from pellucid.errors import EngineError
from pellucid.network import Network, layers
from pellucid.objectives import SGD, CrossEntropy


def network():
    image = layers.Input(6, 6, 1)
    x = layers.Conv2D(4, kernel_size=3, activation="relu")(image)
    return Network(inputs=image, outputs=layers.Dense(3)(layers.Flatten()(x)))


def session(**options):
    one = network()
    state = initial_state(one, seed=0, dtype="float32")
    return engines.make("compiled", **options).build(
        one, state=state, loss=CrossEntropy(), optimizer=SGD(0.1)
    )


X = np.random.default_rng(0).normal(size=(20, 6, 6, 1)).astype(np.float32)
LABELS = np.arange(20) % 3


def losses(one, steps=3):
    return [one.train_step(X, LABELS, learning_rate=0.1).loss for _ in range(steps)]


def test_more_workers_than_cores_give_the_same_result_to_rounding():
    wanted = losses(session(threads=1))
    assert losses(session(threads=5)) == pytest.approx(wanted, rel=1e-5)


def test_a_session_works_in_another_thread():
    found = []
    one = session(threads=2)
    thread = threading.Thread(target=lambda: found.extend(losses(one)))
    thread.start()
    thread.join()
    assert found == losses(session(threads=2))


def test_threads_may_share_a_session():
    one = session(threads=2)
    wanted = one.predict(X)
    wrong = []

    def ask(count):
        for _ in range(50):
            if not np.allclose(one.predict(X[:count]), wanted[:count], atol=1e-6):
                wrong.append(count)

    threads = [threading.Thread(target=ask, args=(n,)) for n in (1, 3, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_in_the_middle_starts_its_own_workers():
    one = session(threads=2)
    wanted = losses(session(threads=2), steps=4)
    assert losses(one, steps=2) == wanted[:2]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(losses(one, steps=2)))
    child.start()
    assert queue.get(timeout=60) == wanted[2:]
    child.join(timeout=60)
    assert child.exitcode == 0
    assert losses(one, steps=2) == wanted[2:]


def test_a_new_process_predicts():
    code = (
        "import numpy as np;"
        "from pellucid import engines;"
        "from pellucid.network import zoo;"
        "from pellucid.engines.state import initial_state;"
        "n = zoo('xor-one-hidden');"
        "s = engines.make('compiled', threads=2).build("
        "n, state=initial_state(n, seed=0, dtype='float32'));"
        "print(s.predict(np.zeros((40, 2), np.float32)).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "(40, 1)", done.stderr


def test_two_processes_may_start_at_once(tmp_path):
    code = (
        "import numpy as np;"
        "from pellucid import engines;"
        "from pellucid.network import zoo;"
        "from pellucid.engines.state import initial_state;"
        "n = zoo('lenet5');"
        "s = engines.make('compiled', threads=1).build("
        "n, state=initial_state(n, seed=0, dtype='float32'));"
        "print(s.predict(np.ones((2, 28, 28, 1), np.float32))[0, :3])"
    )
    environment = {**os.environ, "PELLUCID_CACHE": str(tmp_path)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for _ in range(2)
    ]
    ends = [one.communicate(timeout=240) for one in started]
    assert ends[0][0] == ends[1][0] != "", ends
    assert not list(tmp_path.rglob("*.part"))


def test_a_worker_that_stops_in_the_middle_is_an_error_not_a_hang():
    one = session(threads=2)
    losses(one, steps=1)
    program = one.plan
    program.set(patience=1000)
    slot = program._phase_slots
    run = program._pool.run

    def lose_a_task(function, context):
        # as if a worker had taken a task and died: its ticket is gone, never done
        phase = next(i for i, p in enumerate(program.low.phases) if p.grain != "tasks")
        program.context[program._counters + 16 * phase] = 1
        assert program.context[slot + 2 * phase] > 1
        run(function, context)

    program._pool = type("Pool", (), {"run": staticmethod(lose_a_task), "count": 2})()
    with pytest.raises(EngineError, match="workers must stay alive"):
        losses(one, steps=1)


def test_threads_that_cannot_start_are_an_error(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    pool = workers.Pool(3, cpu.target())
    with pytest.raises(EngineError, match="threads must be startable; got can't start"):
        pool.run(0, 0)


def test_default_threads_are_those_the_process_may_use():
    assert 1 <= cpu.default_threads() <= (os.cpu_count() or 1)


def open_descriptors():
    """Return how many descriptors the process has."""
    return len(os.listdir("/proc/self/fd"))


def workers_alive():
    return sum(t.name.startswith("pellucid-") for t in threading.enumerate())


needs_proc = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="no /proc on this system"
)


class Failing:
    """What fails when it is called for the n-th time."""

    def __init__(self, real, at, error):
        self.real, self.at, self.error, self.calls = real, at, error, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return self.real(*args, **kwargs)


@needs_proc
@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("threading.Thread.start", RuntimeError("can't start new thread")),
        ("threading.Thread.start", MemoryError()),
        ("os.pipe", OSError(24, "Too many open files")),
        ("numpy.zeros", MemoryError()),
    ],
)
def test_a_failed_start_leaves_no_thread_and_no_pipe(monkeypatch, what, error, at):
    pool = workers.Pool(5, cpu.target())
    module, _, name = what.rpartition(".")
    owner = {"threading.Thread": threading.Thread, "os": os, "numpy": np}[module]
    before = workers_alive(), open_descriptors()
    real = getattr(owner, name)
    if what != "threading.Thread.start":
        at = 1
    failing = Failing(real, at, error)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, lambda *a, **k: failing(*a, **k))
        for _ in range(3):
            failing.calls = 0
            with pytest.raises(EngineError, match="threads must be startable; got"):
                pool.run(0, 0)
    assert (workers_alive(), open_descriptors()) == before


@needs_proc
def test_an_interrupt_of_a_start_leaves_no_thread(monkeypatch):
    pool = workers.Pool(4, cpu.target())
    before = workers_alive(), open_descriptors()
    failing = Failing(threading.Thread.start, 3, KeyboardInterrupt())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: failing(thread))
        with pytest.raises(KeyboardInterrupt):
            pool.run(0, 0)
    assert (workers_alive(), open_descriptors()) == before


def test_a_model_works_after_a_start_that_failed(monkeypatch):
    workers._pools.pop((3, cpu.target().key), None)
    one = session(threads=3)
    failing = Failing(threading.Thread.start, 2, RuntimeError("no"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: failing(thread))
        with pytest.raises(EngineError, match="threads must be startable; got no"):
            losses(one, steps=1)
    assert losses(one) == losses(session(threads=3))


@needs_proc
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_closes_its_copies_of_the_pipe():
    one = session(threads=2)
    losses(one, steps=1)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child():
        before = open_descriptors()
        losses(one, steps=1)
        queue.put(open_descriptors() - before)

    process = context.Process(target=child)
    process.start()
    assert queue.get(timeout=60) == 0
    process.join(timeout=60)
