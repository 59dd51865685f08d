"""Models on data that comes in batches of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import DataError

N, SHAPE = 10, (6, 6, 2)


def model() -> pl.Model:
    network = pl.Sequential(
        pl.Input(*SHAPE),
        pl.Conv2D(3, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(3),
    )
    return pl.Model(
        network, engine="numpy", loss="cross_entropy", optimizer=pl.Adam(0.01), seed=1
    )


@pytest.fixture
def arrays() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    images = random.standard_normal((N, *SHAPE)).astype(np.float32)
    return images, random.integers(0, 3, N)


def batches(arrays: tuple[Any, Any], size: int = 4) -> list[tuple[Any, Any]]:
    images, labels = arrays
    return [(images[i : i + size], labels[i : i + size]) for i in range(0, N, size)]


class Again:
    """An iterable of batches that begins anew."""

    def __init__(self, given: list[Any]) -> None:
        self.given = given

    def __iter__(self) -> Iterator[Any]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def torch_loader(arrays: tuple[Any, Any]) -> Any:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    images = torch.from_numpy(np.moveaxis(arrays[0], -1, 1).copy())
    dataset = torch.utils.data.TensorDataset(images, torch.from_numpy(arrays[1]))
    return torch.utils.data.DataLoader(dataset, batch_size=4)


SOURCES: dict[str, Any] = {
    "list": batches,
    "iterable": lambda arrays: Again(batches(arrays)),
    "loader": torch_loader,
    "dataset": lambda arrays: torch_loader(arrays).dataset,
}


def check(source: Any, arrays: tuple[Any, Any]) -> None:
    """Check that a source trains, evaluates and predicts as its arrays do."""
    ours, theirs = model(), model()
    options: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}
    found = ours.fit(source, shuffle=False, **options)
    wanted = theirs.fit(arrays, shuffle=False, **options)
    assert found[-1]["loss"] == wanted[-1]["loss"]
    assert found[-1]["accuracy"] == wanted[-1]["accuracy"]
    state, expected = ours.state(), theirs.state()
    for name in expected:
        np.testing.assert_array_equal(state[name], expected[name])
    found_figures, figures = ours.evaluate(source), theirs.evaluate(arrays)
    assert found_figures == pytest.approx(figures, rel=1e-6)
    np.testing.assert_allclose(
        ours.predict(source), theirs.predict(arrays[0]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", [name for name in SOURCES if name != "list"])
def test_batches_of_a_source_give_what_its_arrays_give(
    kind: str, arrays: tuple[Any, Any]
) -> None:
    check(SOURCES[kind](arrays), arrays)


def test_sources_of_tensorflow_and_keras(arrays: tuple[Any, Any]) -> None:
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    keras = pytest.importorskip("keras")

    class Cut(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            return batches(arrays)[index]

    check(tf.data.Dataset.from_tensor_slices(arrays).batch(4), arrays)
    check(Cut(), arrays)


def test_a_map_style_dataset_is_shuffled_anew_each_epoch(
    arrays: tuple[Any, Any],
) -> None:
    from pellucid.data.streams import Stream

    stream = Stream(SOURCES["dataset"](arrays), batch_size=4, seed=2, shuffle=True)
    epochs = [[batch.labels for batch in stream.epoch(n)] for n in (0, 1, 0)]
    flat = [np.concatenate(epoch) for epoch in epochs]
    np.testing.assert_array_equal(flat[0], flat[2])
    assert not np.array_equal(flat[0], flat[1])
    rest = [batch.labels for batch in stream.epoch(0, start=1)]
    np.testing.assert_array_equal(np.concatenate(rest), flat[0][4:])


def test_weights_of_a_batch_count(arrays: tuple[Any, Any]) -> None:
    weights = np.linspace(0.5, 2, N)
    given = [
        (*batch, weights[4 * i : 4 * i + 4]) for i, batch in enumerate(batches(arrays))
    ]
    ours, theirs = model(), model()
    ours.fit(given, validation_data=batches(arrays), progress=False)
    theirs.fit(
        arrays, batch_size=4, shuffle=False, sample_weight=weights, progress=False
    )
    state, expected = ours.state(), theirs.state()
    for name in expected:
        np.testing.assert_allclose(state[name], expected[name], rtol=1e-5, atol=1e-7)


def test_a_generator_serves_one_pass(arrays: tuple[Any, Any]) -> None:
    one = model()
    figures = one.evaluate(batch for batch in batches(arrays))
    assert figures == pytest.approx(one.evaluate(arrays), rel=1e-6)
    assert one.predict(image for image, _ in batches(arrays)).shape == (N, 3)
    history = one.fit((batch for batch in batches(arrays)), progress=False)
    assert history[-1]["loss"] == pytest.approx(figures["loss"], rel=0.5)
    with pytest.raises(DataError, match=r"data must be iterable .* serves one of 2"):
        one.fit((batch for batch in batches(arrays)), epochs=2, progress=False)
    held = (batch for batch in batches(arrays))
    with pytest.raises(DataError, match=r"validation_data must be iterable"):
        one.fit(batches(arrays), epochs=2, validation_data=held, progress=False)


def endless(arrays: tuple[Any, Any]) -> Any:
    while True:
        yield from batches(arrays)


def test_steps_per_epoch_cut_a_generator_and_a_list_alike(
    arrays: tuple[Any, Any],
) -> None:
    given: dict[str, Any] = {"epochs": 4, "steps_per_epoch": 2, "progress": False}
    given["schedule"] = "cosine"
    ours, theirs, whole = model(), model(), model()
    ours.fit(endless(arrays), **given)
    theirs.fit(batches(arrays), **given)  # of 3, begun anew at its end
    eight = (batches(arrays) * 3)[:8]
    assert whole.fit(eight, schedule="cosine", progress=False)[-1]["loss"] > 0
    for name, wanted in whole.weights.items():
        np.testing.assert_array_equal(ours.weights[name], theirs.weights[name])
        np.testing.assert_allclose(ours.weights[name], wanted, rtol=1e-5, atol=1e-7)


def test_fits_of_a_dataset_in_steps_go_on_where_the_last_one_ended(
    arrays: tuple[Any, Any],
) -> None:
    dataset = torch_loader(arrays).dataset
    given: dict[str, Any] = {"steps_per_epoch": 2, "batch_size": 4, "progress": False}
    ours, theirs = model(), model()
    for _ in range(4):
        ours.fit(dataset, **given)
    theirs.fit(dataset, epochs=4, **given)
    for name, wanted in theirs.weights.items():
        np.testing.assert_array_equal(ours.weights[name], wanted)


def test_data_of_unknown_length(
    arrays: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    class Uncounted:
        def __iter__(self) -> Any:
            return iter(batches(arrays))

    ours, theirs = model(), model()
    by_epoch = {"epochs": 2, "schedule": lambda epoch: 0.1 / (1 + epoch)}
    ours.fit(Uncounted(), average="ema", **by_epoch)
    assert "s left" not in capsys.readouterr().err
    theirs.fit(batches(arrays), average="ema", progress=False, **by_epoch)
    for name, wanted in theirs.state().items():
        np.testing.assert_array_equal(ours.state()[name], wanted)
    for more in ({"schedule": "cosine"}, {"average": "lookahead"}):
        with pytest.raises(
            DataError, match=r"how many batches it has for a .*steps_per"
        ):
            model().fit(Uncounted(), progress=False, **more)


def test_steps_per_epoch_that_do_not_fit(arrays: tuple[Any, Any]) -> None:
    with pytest.raises(DataError, match=r"4 batches for each epoch; got 3 for epoch 1"):
        model().fit(iter(batches(arrays)), steps_per_epoch=4, progress=False)
    with pytest.raises(DataError, match="left out where an epoch is all examples"):
        model().fit(arrays, steps_per_epoch=4, progress=False)
    with pytest.raises(pl.NetworkError, match="must be an int of at least 1"):
        model().fit(batches(arrays), steps_per_epoch=0, progress=False)


def test_data_without_an_end_is_refused_before_it_is_read(
    arrays: tuple[Any, Any],
) -> None:
    class Repeated:
        def __iter__(self) -> Any:
            return endless(arrays)

        def cardinality(self) -> int:
            return -1

    with pytest.raises(DataError, match=r"data must come to an end.*steps_per_epoch"):
        model().fit(Repeated(), progress=False)
    held: Any = Repeated()
    with pytest.raises(DataError, match=r"validation_data must .* a part of it\.$"):
        model().fit(batches(arrays), validation_data=held, progress=False)


class Once:
    """An iterable with a length that does not begin anew."""

    def __init__(self, given: list[Any]) -> None:
        self.given, self.next = given, 0

    def __iter__(self) -> Once:
        return self

    def __next__(self) -> Any:
        if self.next == len(self.given):
            raise StopIteration
        self.next += 1
        return self.given[self.next - 1]

    def __len__(self) -> int:
        return len(self.given)


def test_an_iterator_cannot_serve_two_epochs(arrays: tuple[Any, Any]) -> None:
    with pytest.raises(DataError, match="iterable once for each epoch; got a Once"):
        model().fit(Once(batches(arrays)), epochs=2, progress=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"validation_split": 0.5}, "validation_split must be left out"),
        ({"class_weight": "balanced"}, "class_weight must be left out"),
        ({"augment": pl.Augment(shift=1)}, "augment must be left out"),
        ({"run": "here"}, "run must be left out"),
    ],
)
def test_what_needs_all_examples_is_refused(
    given: dict[str, Any], message: str, arrays: tuple[Any, Any]
) -> None:
    with pytest.raises(DataError, match=message):
        model().fit(batches(arrays), progress=False, **given)


def test_batches_without_labels_and_of_other_forms_are_refused(
    arrays: tuple[Any, Any],
) -> None:
    images = arrays[0]
    with pytest.raises(DataError, match="must have labels; got images alone"):
        model().fit(Again([images[:4]]), progress=False)
    with pytest.raises(DataError, match="must be \\(images, labels\\)"):
        model().fit(Again([({"a": 1}, arrays[1])]), progress=False)
    with pytest.raises(DataError, match="at least one batch; got none"):
        model().fit(Again([]), progress=False)


def test_lists_of_batches_show_progress_and_are_predicted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = pl.Sequential(pl.Input(3), pl.Dense(2))
    model = pl.Model(
        network, engine="numpy", loss="cross_entropy", optimizer=pl.SGD(0.1)
    )
    x, y = np.ones((4, 3), np.float32), np.zeros(4, np.int64)
    model.fit([(x, y), (x[:2], y[:2])], epochs=2)
    assert "epoch 2/2" in capsys.readouterr().err
    assert model.predict([(x,), (x[:2],)]).shape == (6, 2)
    assert model.predict([(1, 2, 3), (4, 5, 6)]).shape == (2, 2)
    with pytest.raises(pl.DataError, match="images must be one array, all of one"):
        model.predict([x, x[:2]])
