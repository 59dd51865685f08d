"""What every engine must do, layer by layer, loss by loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pellucid import objectives as obj
from pellucid.engines import Engine, Session
from pellucid.engines.state import initial_state
from pellucid.errors import EngineError
from pellucid.network import Network, Sequential
from pellucid.network import layers as pl
from pellucid.network.composites import Bidirectional, MultiHeadAttention
from pellucid.network.initializers import Normal

pytestmark = pytest.mark.sweep(every=3, engines=("jax", "tensorflow"))

BATCH = 4
ODD = ((1, 0), (2, 1))  # zeros that differ from side to side


def image(*layers: pl.Layer, shape: tuple[int, ...] = (7, 6, 4)) -> Network:
    return Sequential(pl.Input(*shape), *layers)


def conv(**arguments: Any) -> Network:
    return image(pl.Conv2D(6, **{"kernel_size": 3, **arguments}))


def transposed(**arguments: Any) -> Network:
    return image(
        pl.ConvTranspose2D(6, **{"kernel_size": 3, **arguments}), shape=(4, 3, 4)
    )


def branches() -> Network:
    entry = pl.Input(5, 6, 3)
    x = pl.Conv2D(4, kernel_size=3, padding="same", bias=False)(entry)
    y = pl.ReLU()(pl.BatchNorm()(x))
    z = pl.Conv2D(4, kernel_size=1)(y)
    joined = pl.Concat()(pl.Add()(x, y, z), y)
    return Network(inputs=entry, outputs=pl.Dense(3)(pl.GlobalAvgPool2D()(joined)))


def boxes() -> Network:
    """Two scales of a detection head, joined along the boxes."""
    entry = pl.Input(6, 4, 3)
    x = pl.Conv2D(6, kernel_size=3, padding=1)(entry)
    y = pl.Conv2D(6, kernel_size=3, stride=2, padding=1)(x)
    rows = [pl.Reshape((-1, 3))(value) for value in (x, y)]
    return Network(inputs=entry, outputs=pl.Sigmoid()(pl.Concat(axis=0)(*rows)))


def gated(kind: type[pl.Layer]) -> Network:
    """An image with a number per channel and, where there may be, one per pixel."""
    entry = pl.Input(4, 5, 3)
    x = pl.Conv2D(4, kernel_size=3, padding="same")(entry)
    y = pl.Dense(4, activation="sigmoid")(pl.GlobalAvgPool2D()(x))
    z = pl.Conv2D(1, kernel_size=1)(x)
    others = (y,) if kind is pl.Subtract else (y, z)
    return Network(inputs=entry, outputs=kind()(x, *others))


def gated_rows(kind: type[pl.Layer]) -> Network:
    """An image with rows (W, C), and an equal value."""
    entry = pl.Input(4, 5, 3)
    rows = pl.Dense(2)(entry)
    ones = pl.AvgPool2D((4, 1))(rows)
    return Network(inputs=entry, outputs=kind()(kind()(ones, rows), rows))


def products() -> Network:
    """Products of images, of an image and one matrix for all, and of more axes."""
    entry = pl.Input(4, 5, 3)
    x, y = pl.Dense(3)(entry), pl.Dense(4)(entry)
    scores = pl.MatMul(transpose_b=True, scale=0.5)(x, entry)
    turned = pl.MatMul(transpose_a=True, scale=0.2)(x, y)
    row = pl.Reshape((4, 5))(pl.Slice(0, 1, axis=1)(pl.Permute((2, 0, 1))(y)))
    wide = pl.MatMul(True, True, 0.2)(pl.Reshape((2, 2, 5, 3))(x), row)
    one = pl.MatMul()(scores, pl.Reshape((5, 2))(pl.Dense(10)(pl.Flatten()(turned))))
    ends = pl.Flatten()(wide), pl.Flatten()(one)
    return Network(inputs=entry, outputs=pl.Tanh()(pl.Concat()(*ends)))


def attention() -> Network:
    """A class token and positions that are learned, self- and cross-attention."""
    entry = pl.Input(5, 6)
    token = pl.Parameter((1, 6), Normal(0.5))(entry)
    x = pl.Concat(axis=0)(token, entry)
    x = pl.Add()(x, pl.Parameter((6, 6), Normal(0.5))(x))
    y = MultiHeadAttention(2)(pl.LayerNorm()(x))
    z = MultiHeadAttention(3, head_size=2, units=4, bias=False)(y, entry)
    image = pl.Reshape((2, 3, 4))(z)
    return Network(
        inputs=entry,
        outputs=pl.Add()(image, pl.Parameter((2, 3, 4), Normal(0.5))(entry)),
    )


def split(axis: int) -> Network:
    """Parts of an image, one of them changed, in another order."""
    entry = pl.Input(5, 6, 3)
    first, second = pl.Split((2, entry.shape[axis] - 2), axis=axis)(entry)
    joined = pl.Concat(axis=axis)(pl.Tanh()(second), first, second)
    return Network(inputs=entry, outputs=pl.Conv2D(2, kernel_size=2)(joined))


def flat(*between: pl.Layer) -> Network:
    """Flatten with something between it and the dense layer."""
    return image(pl.Flatten(), *between, pl.Dense(3), shape=(3, 4, 5))


def flat_branches() -> Network:
    entry = pl.Input(3, 4, 2)
    x = pl.Flatten()(entry)
    return Network(
        inputs=entry, outputs=pl.Add()(pl.Dense(5)(x), pl.Dense(5)(pl.ReLU()(x)))
    )


def frozen_middle() -> Network:
    network = image(
        pl.Conv2D(4, kernel_size=3, bias=False),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.Conv2D(3, kernel_size=3),
    )
    return network.frozen("conv2d", "batch_norm")


LAYERS: dict[str, Callable[[], Network]] = {
    "conv": conv,
    "conv without bias": lambda: conv(bias=False),
    "conv same": lambda: conv(padding="same"),
    "conv same, even kernel": lambda: conv(kernel_size=(2, 4), padding="same"),
    "conv same, stride 2": lambda: conv(padding="same", stride=2),
    "conv padding 2, stride (2, 1)": lambda: conv(padding=2, stride=(2, 1)),
    "conv asymmetric padding, stride 3": lambda: conv(padding=ODD, stride=3),
    "conv dilation 2": lambda: conv(dilation=2, padding=1),
    "conv dilation (1, 2), stride 2": lambda: conv(
        dilation=(1, 2), stride=2, padding="same"
    ),
    "conv groups 2": lambda: conv(groups=2, padding=1),
    "conv groups 2, stride 2, dilation 2": lambda: conv(
        groups=2, stride=2, dilation=2, padding=ODD
    ),
    "conv depthwise": lambda: image(
        pl.Conv2D(8, kernel_size=3, groups=4, padding="same", stride=2)
    ),
    "conv 1×1": lambda: conv(kernel_size=1, stride=2),
    "transposed": transposed,
    "transposed same, stride 2": lambda: transposed(stride=2, padding="same"),
    "transposed kernel 2, stride 3 (gaps)": lambda: transposed(
        kernel_size=2, stride=3, padding="same"
    ),
    "transposed asymmetric": lambda: transposed(stride=2, padding=ODD),
    "transposed output padding": lambda: transposed(
        stride=2, padding=1, output_padding=1
    ),
    "transposed large output padding": lambda: transposed(stride=2, output_padding=3),
    "transposed groups, dilation": lambda: transposed(
        groups=2, dilation=2, stride=2, padding=1
    ),
    "transposed without bias": lambda: transposed(bias=False, dilation=(1, 2)),
    "max-pool": lambda: image(pl.MaxPool2D(2)),
    "max-pool same": lambda: image(pl.MaxPool2D(2, padding="same")),
    "max-pool overlapping": lambda: image(pl.MaxPool2D(3, stride=2, padding=1)),
    "max-pool wide padding": lambda: image(pl.MaxPool2D((2, 3), stride=1, padding=ODD)),
    "avg-pool": lambda: image(pl.AvgPool2D((2, 3))),
    "avg-pool same": lambda: image(pl.AvgPool2D(3, stride=2, padding="same")),
    "avg-pool padding 1": lambda: image(pl.AvgPool2D(3, stride=2, padding=1)),
    "avg-pool asymmetric": lambda: image(
        pl.AvgPool2D(3, stride=(1, 2), padding=((2, 0), (0, 1)))
    ),
    "global avg-pool": lambda: image(pl.GlobalAvgPool2D()),
    "dense": lambda: image(pl.Dense(3), shape=(5,)),
    "dense without bias": lambda: image(pl.Dense(3, bias=False), shape=(5,)),
    "dense on pixels": lambda: image(pl.Dense(3)),
    "dense on a sequence": lambda: image(pl.Dense(3), pl.Tanh(), shape=(6, 5)),
    "flatten alone": lambda: image(pl.Flatten()),
    "flatten of a sequence": lambda: image(pl.Flatten(), pl.Dense(2), shape=(6, 5)),
    "flatten, dense": flat,
    "flatten, relu, dropout, dense": lambda: flat(pl.ReLU(), pl.Dropout(0.3)),
    "flatten, batch norm, dense": lambda: flat(pl.BatchNorm()),
    "flatten, layer norm, dense": lambda: flat(pl.LayerNorm()),
    "flatten, two dense": flat_branches,
    "batch norm": lambda: image(pl.BatchNorm()),
    "batch norm, momentum and epsilon": lambda: image(
        pl.BatchNorm(momentum=0.7, epsilon=1e-3)
    ),
    "batch norm on features": lambda: image(pl.BatchNorm(), shape=(5,)),
    "batch norm on a sequence": lambda: image(pl.BatchNorm(), shape=(3, 5)),
    "layer norm": lambda: image(pl.LayerNorm()),
    "layer norm on features": lambda: image(pl.LayerNorm(epsilon=1e-3), shape=(5,)),
    "local response norm": lambda: image(
        pl.Conv2D(7, kernel_size=1), pl.LocalResponseNorm(size=3, alpha=0.5)
    ),
    "local response norm, wider than its channels": lambda: image(
        pl.LocalResponseNorm(size=11, alpha=2.0, beta=1.25, bias=0.5)
    ),
    "conv 1-D": lambda: image(
        pl.Conv1D(6, 3, stride=2, padding=(2, 1)), pl.Tanh(), shape=(9, 4)
    ),
    "conv 1-D same, groups": lambda: image(
        pl.Conv1D(6, 4, groups=2, padding="same", bias=False), shape=(9, 4)
    ),
    "conv 1-D, strided and dilated": lambda: image(
        pl.Conv1D(3, 3, stride=2, dilation=2, padding=2), shape=(9, 4)
    ),
    "max-pool 1-D": lambda: image(pl.MaxPool1D(3, 2, padding=1), shape=(8, 3)),
    "avg-pool 1-D": lambda: image(pl.AvgPool1D(3, 2, "same"), shape=(8, 3)),
    "sequence to classes": lambda: image(
        pl.Conv1D(4, 3), pl.GlobalAvgPool1D(), pl.Dense(2), shape=(8, 3)
    ),
    "lstm, both ways": lambda: Sequential(
        pl.Input(4, 3), Bidirectional(pl.LSTM(3, return_sequences=True)), pl.LSTM(2)
    ),
    "gru": lambda: image(
        pl.GRU(3, return_sequences=True, reverse=True),
        pl.GRU(2, bias=False, reverse=True),
        shape=(4, 3),
    ),
    "gru, reset before, and simple rnn": lambda: image(
        pl.GRU(3, return_sequences=True, reset_after=False),
        pl.SimpleRNN(2),
        shape=(4, 3),
    ),
    "group norm": lambda: image(pl.Conv2D(6, kernel_size=1), pl.GroupNorm(2)),
    "group norm on a sequence": lambda: image(pl.GroupNorm(3), shape=(5, 6)),
    "group norm on features": lambda: image(pl.GroupNorm(2), shape=(8,)),
    "instance norm": lambda: image(pl.InstanceNorm(epsilon=1e-3)),
    "l2 normalize": lambda: image(pl.L2Normalize()),
    "l2 normalize, clamped": lambda: image(pl.L2Normalize(2.0), shape=(3,)),
    "prelu": lambda: image(pl.PReLU()),
    "prelu, shared": lambda: image(pl.PReLU(shared=True)),
    "prelu on a sequence": lambda: image(pl.Dense(4), pl.PReLU(), shape=(3, 5)),
    "rescale": lambda: image(pl.Rescale(0.5, -1.0), pl.Conv2D(2, kernel_size=1)),
    "rescale per channel": lambda: image(
        pl.Rescale((1.0, 0.1, 3.0, -2.0), (0.0, 1.0, -1.0, 0.3))
    ),
    "global max-pool": lambda: image(pl.GlobalMaxPool2D()),
    "dropout": lambda: image(
        pl.Conv2D(3, kernel_size=1), pl.Dropout(0.4), pl.Flatten(), pl.Dense(3)
    ),
    "dropout 0": lambda: image(pl.Dense(3), pl.Dropout(0.0), shape=(5,)),
    "zero pad": lambda: image(pl.ZeroPad2D(ODD)),
    "upsample nearest": lambda: image(pl.Upsample2D((2, 3))),
    "upsample bilinear": lambda: image(pl.Upsample2D((3, 2), mode="bilinear")),
    "branches": branches,
    "slice of channels": lambda: image(pl.Slice(1, 3), pl.Conv2D(3, 3)),
    "slice backwards": lambda: image(
        pl.Slice((-1, 1), (None, 5), (-2, 3), axis=(0, -1)), pl.Conv2D(2, 1)
    ),
    "reshape to boxes": lambda: image(
        pl.Conv2D(6, kernel_size=3), pl.Reshape((-1, 3)), pl.Dense(2)
    ),
    "reshape to an image": lambda: image(
        pl.Dense(24), pl.Reshape((3, 2, 4)), pl.Conv2D(3, 2), shape=(5,)
    ),
    "reshape image to image": lambda: image(pl.Reshape((6, 14, 2)), pl.Conv2D(3, 2)),
    "permute an image": lambda: image(pl.Permute((2, 0, 1)), pl.Conv2D(3, 2)),
    "permute tokens": lambda: image(
        pl.Reshape((7, 2, 3, 4)), pl.Permute((3, 0, 2, 1)), pl.Flatten(), pl.Dense(2)
    ),
    "crop": lambda: image(pl.Crop2D(ODD), pl.Conv2D(2, 1)),
    "pad channels": lambda: image(pl.PadChannels(1, 2), pl.Conv2D(2, 2)),
    "pad features": lambda: image(pl.PadChannels(2), pl.Dense(2), shape=(5,)),
    "depth to space": lambda: image(pl.DepthToSpace(2), shape=(3, 2, 12)),
    "depth to space CRD": lambda: image(
        pl.DepthToSpace(2, order="CRD"), pl.Conv2D(2, 2), shape=(3, 2, 12)
    ),
    "space to depth": lambda: image(pl.SpaceToDepth(2), shape=(4, 6, 3)),
    "space to depth CRD": lambda: image(
        pl.SpaceToDepth(2, order="CRD"), pl.Conv2D(2, 2), shape=(4, 6, 3)
    ),
    "channel shuffle": lambda: image(pl.ChannelShuffle(2)),
    "resize bicubic": lambda: image(pl.Resize((4, 9), mode="bicubic"), pl.Conv2D(2, 2)),
    "resize nearest": lambda: image(pl.Resize((4, 9), coordinates="asymmetric")),
    "resize bilinear": lambda: image(
        pl.Resize(scale=(1.6, 0.7), mode="bilinear"), pl.Conv2D(2, 2)
    ),
    "products": products,
    "attention": attention,
    "concat of boxes": boxes,
    "concat of rows": lambda: split(0),
    "concat of columns": lambda: split(1),
    **{
        f"{kind.stem}, stretched": lambda kind=kind: gated(kind)
        for kind in (pl.Add, pl.Maximum, pl.Multiply, pl.Subtract)
    },
    **{
        f"{kind.stem}, the first stretched": lambda kind=kind: gated_rows(kind)
        for kind in (pl.Add, pl.Maximum, pl.Multiply, pl.Subtract)
    },
    "relu": lambda: image(pl.ReLU()),
    "leaky relu": lambda: image(pl.LeakyReLU(slope=0.2)),
    "sigmoid": lambda: image(pl.Sigmoid()),
    "tanh": lambda: image(pl.Tanh()),
    "gelu": lambda: image(pl.GELU()),
    "silu": lambda: image(pl.SiLU()),
    "softmax": lambda: image(pl.Dense(5), pl.Softmax(), shape=(4,)),
    "softmax over rows": lambda: image(pl.Softmax(axis=0), pl.Conv2D(2, 2)),
    "log-softmax": lambda: image(
        pl.LogSoftmax(), pl.Flatten(), pl.Dense(21), pl.LogSoftmax(), shape=(2, 3, 4)
    ),
    "softmax over channels": lambda: image(pl.Softmax()),
    "frozen in the middle": frozen_middle,
    "all frozen": lambda: image(pl.Dense(3), shape=(5,)).frozen(),
}


def labels_for(loss: obj.Loss, network: Network, count: int, kind: str) -> np.ndarray:
    random = np.random.default_rng(7)
    shape = (count, *network.output_shape)
    if isinstance(loss, obj.CrossEntropy) and kind == "classes":
        return random.integers(0, shape[-1], shape[:-1])
    values = random.random(shape)
    if isinstance(loss, obj.CrossEntropy):
        values /= values.sum(axis=-1, keepdims=True)
    return values


def images_for(network: Network, count: int, seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.standard_normal((count, *network.input_shape))


@dataclass(frozen=True)
class Pair:
    """One network on an engine and on the reference, with a batch."""

    ours: Session
    theirs: Session
    network: Network
    images: np.ndarray
    labels: np.ndarray
    sample_weight: np.ndarray | None = None

    def steps(self, count: int) -> None:
        for number in range(count):
            for session in (self.ours, self.theirs):
                session.train_step(
                    self.images,
                    self.labels,
                    learning_rate=0.05 / (1 + number),
                    sample_weight=self.sample_weight,
                )


def pair_of(
    engine: Engine,
    reference: Engine,
    network: Network,
    *,
    dtype: str,
    loss: obj.Loss | None = None,
    optimizer: obj.Optimizer | None = None,
    labels: str = "classes",
    weighted: bool = False,
) -> Pair:
    loss = loss or obj.MeanSquaredError()
    optimizer = optimizer or obj.SGD(0.05, momentum=0.9)
    state = initial_state(network, seed=11, dtype=dtype)
    make = {"state": state, "loss": loss, "optimizer": optimizer}
    return Pair(
        engine.build(network, **make, dtype=dtype),
        reference.build(network, **make, dtype="float64"),
        network,
        images_for(network, BATCH).astype(dtype),
        labels_for(loss, network, BATCH, labels),
        np.array([0.5, 2.0, 0.0, 1.0], dtype) if weighted else None,
    )


def assert_same(before: Any, after: Any) -> None:
    assert list(before) == list(after)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


@pytest.fixture(scope="module", params=LAYERS)
def pair(request: Any, engine: Engine, reference: Engine, tolerance: Any) -> Pair:
    network = LAYERS[request.param]()
    return pair_of(engine, reference, network, dtype=tolerance.dtype)


def has_two_modes(network: Network) -> bool:
    return any(isinstance(n.layer, pl.BatchNorm | pl.Dropout) for n in network.nodes)


def test_layers_give_the_references_numbers_and_derivatives(
    pair: Pair, tolerance: Any, agree: Any
) -> None:
    before = pair.ours.state()
    ours, theirs, images = pair.ours, pair.theirs, pair.images
    shape = len(images), *pair.network.output_shape
    upstream = np.random.default_rng(5).standard_normal(shape)
    for training in (True, False) if has_two_modes(pair.network) else (True,):
        agree(
            ours.activations(images, training=training),
            theirs.activations(images, training=training),
            tolerance.activations,
        )
        grad_x, grads = ours.vjp(images, upstream, training=training)
        expected_x, expected = theirs.vjp(images, upstream, training=training)
        agree(grad_x, expected_x, tolerance.gradients)
        agree(grads, expected, tolerance.gradients)
    loss, grads = ours.gradients(images, pair.labels)
    expected_loss, expected = theirs.gradients(images, pair.labels)
    agree(loss, expected_loss, tolerance.activations)
    agree(grads, expected, tolerance.gradients)
    assert_same(before, ours.state())


def test_layers_learn_as_the_reference_does(
    pair: Pair, tolerance: Any, agree: Any
) -> None:
    if not pair.network.parameters:
        pytest.skip("there is nothing to learn")
    pair.steps(5)
    ours, theirs = pair.ours.state(), pair.theirs.state()
    assert ours.pop("step") == theirs.pop("step") == 5
    agree(ours, theirs, tolerance.gradients)


def test_the_last_batch_of_an_epoch_may_be_smaller(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any
) -> None:
    pair = pair_of(engine, reference, branches(), dtype=tolerance.dtype)
    for count in (4, 3, 1, 4):
        batch = pair.images[:count], pair.labels[:count]
        ours, theirs = (
            session.train_step(*batch, learning_rate=0.01)
            for session in (pair.ours, pair.theirs)
        )
        agree(ours.loss, theirs.loss, tolerance.gradients)
        agree(ours.output, theirs.output, tolerance.gradients)
        images = pair.images[:count]
        agree(
            pair.ours.predict(images),
            pair.theirs.predict(images),
            tolerance.gradients,
        )


def test_frozen_weights_stay_and_a_step_without_parameters_counts(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any
) -> None:
    network = frozen_middle().frozen()
    pair = pair_of(engine, reference, network, dtype=tolerance.dtype)
    before = pair.ours.state()
    pair.steps(2)
    after = pair.ours.state()
    assert after.pop("step") == 2
    del before["step"]
    assert_same(before, after)


@pytest.mark.parametrize(
    ("layer", "slope"), [(pl.ReLU(), 0.0), (pl.LeakyReLU(slope=0.25), 0.25)]
)
def test_the_derivative_at_a_kink_is_that_of_the_left(
    layer: pl.Layer, slope: float, engine: Engine, tolerance: Any
) -> None:
    network = Sequential(pl.Input(3), pl.Dense(3), type(layer)(**arguments(layer)))
    state = initial_state(network, seed=0, dtype=tolerance.dtype)
    state["weights/dense.weight"] = np.eye(3, dtype=tolerance.dtype)
    session = engine.build(network, state=state, dtype=tolerance.dtype)
    images = np.array([[-1.0, 0.0, 1.0]], tolerance.dtype)
    grad_x, _ = session.vjp(images, np.ones_like(images))
    np.testing.assert_allclose(grad_x, [[slope, slope, 1.0]])


def arguments(layer: pl.Layer) -> dict[str, float]:
    return {"slope": layer.slope} if isinstance(layer, pl.LeakyReLU) else {}


def test_of_equal_values_the_first_gets_the_max_pools_gradient(
    engine: Engine, tolerance: Any
) -> None:
    network = Sequential(pl.Input(3, 3, 1), pl.MaxPool2D(2, stride=1))
    state = initial_state(network, seed=0, dtype=tolerance.dtype)
    session = engine.build(network, state=state, dtype=tolerance.dtype)
    images = np.ones((1, 3, 3, 1), tolerance.dtype)
    grad_x, _ = session.vjp(images, np.ones((1, 2, 2, 1)))
    expected = [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(grad_x[0, :, :, 0], expected)


def test_padding_never_wins_a_max_pool(engine: Engine, tolerance: Any) -> None:
    network = Sequential(pl.Input(3, 3, 1), pl.MaxPool2D(2, padding="same"))
    state = initial_state(network, seed=0, dtype=tolerance.dtype)
    session = engine.build(network, state=state, dtype=tolerance.dtype)
    images = np.full((1, 3, 3, 1), -5.0, tolerance.dtype)
    np.testing.assert_array_equal(session.predict(images), -5.0)


def image_head(*layers: pl.Layer) -> Network:
    return image(pl.Conv2D(3, kernel_size=3), *layers, shape=(4, 5, 2))


def vector_head(*layers: pl.Layer) -> Network:
    return image(pl.Dense(3), *layers, shape=(5,))


def sequence_head(*layers: pl.Layer) -> Network:
    return image(pl.Dense(3), *layers, shape=(4, 5))


LOSSES: dict[str, tuple[obj.Loss, Callable[[], Network], str]] = {
    "cross-entropy of logits": (obj.CrossEntropy(), vector_head, "classes"),
    "cross-entropy after softmax": (
        obj.CrossEntropy(),
        lambda: vector_head(pl.Softmax()),
        "classes",
    ),
    "cross-entropy, smooth labels": (
        obj.CrossEntropy(label_smoothing=0.1),
        vector_head,
        "classes",
    ),
    "cross-entropy, soft labels": (
        obj.CrossEntropy(label_smoothing=0.2),
        vector_head,
        "soft",
    ),
    "cross-entropy of pixels": (
        obj.CrossEntropy(label_smoothing=0.1),
        lambda: image_head(pl.Softmax()),
        "classes",
    ),
    "cross-entropy of pixels, soft": (obj.CrossEntropy(), image_head, "soft"),
    "cross-entropy of a sequence": (obj.CrossEntropy(), sequence_head, "classes"),
    "cross-entropy of a sequence, soft": (obj.CrossEntropy(), sequence_head, "soft"),
    "binary cross-entropy of logits": (obj.BinaryCrossEntropy(), vector_head, "soft"),
    "binary cross-entropy after sigmoid": (
        obj.BinaryCrossEntropy(label_smoothing=0.1),
        lambda: image_head(pl.Sigmoid()),
        "soft",
    ),
    "mean squared error": (obj.MeanSquaredError(), image_head, "soft"),
    "half squared error sum": (
        obj.HalfSquaredErrorSum(),
        lambda: vector_head(pl.Sigmoid()),
        "soft",
    ),
    "formula, a weighted sum": (
        obj.BinaryCrossEntropy() + 0.5 * obj.Dice(),
        lambda: image_head(pl.Sigmoid()),
        "soft",
    ),
    "NumPy functions": (
        obj.NumpyLoss(
            lambda z, t: np.abs(z - t).sum(axis=(1, 2, 3)),
            lambda z, t: np.sign(z - t),
            title="absolute",
        ),
        image_head,
        "soft",
    ),
    "mean squared error after softmax": (
        obj.MeanSquaredError(),
        lambda: vector_head(pl.Softmax()),
        "soft",
    ),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("case", LOSSES)
def test_losses_give_the_references_value_and_gradients(
    case: str,
    weighted: bool,
    engine: Engine,
    reference: Engine,
    tolerance: Any,
    agree: Any,
) -> None:
    loss, network, labels = LOSSES[case]
    pair = pair_of(
        engine,
        reference,
        network(),
        dtype=tolerance.dtype,
        loss=loss,
        labels=labels,
        weighted=weighted,
    )
    arguments = pair.images, pair.labels
    value, grads = pair.ours.gradients(*arguments, sample_weight=pair.sample_weight)
    expected_value, expected = pair.theirs.gradients(
        *arguments, sample_weight=pair.sample_weight
    )
    agree(value, expected_value, tolerance.activations)
    agree(grads, expected, tolerance.gradients)


def test_cross_entropy_after_softmax_does_not_saturate(
    engine: Engine, tolerance: Any
) -> None:
    network = Sequential(pl.Input(2), pl.Softmax())
    state = initial_state(network, seed=0, dtype=tolerance.dtype)
    session = engine.build(
        network, state=state, loss=obj.CrossEntropy(), dtype=tolerance.dtype
    )
    images = np.array([[40.0, 0.0]], tolerance.dtype)
    loss, _ = session.gradients(images, np.array([1]))
    assert loss == pytest.approx(40.0, rel=1e-6)  # clipped probabilities give 16.118
    assert session.predict(images).sum() == pytest.approx(1.0)


GROUPS = (
    obj.ParameterGroup("conv", rate_factor=0.1, weight_decay=0.0),
    obj.ParameterGroup(roles=("bias", "offset"), rate_factor=3.0, weight_decay=0.2),
)
OPTIMIZERS: dict[str, obj.Optimizer] = {
    "sgd": obj.SGD(0.1),
    "sgd, decay": obj.SGD(0.1, weight_decay=0.1),
    "momentum": obj.SGD(0.1, momentum=0.9),
    "nesterov, decay": obj.SGD(0.1, momentum=0.8, nesterov=True, weight_decay=0.01),
    "rmsprop": obj.RMSprop(0.01),
    "rmsprop, decay, large epsilon": obj.RMSprop(
        0.01, rho=0.7, epsilon=0.1, weight_decay=0.05
    ),
    "adam": obj.Adam(0.01),
    "adam, decay, large epsilon": obj.Adam(
        0.01, beta1=0.8, beta2=0.9, epsilon=0.1, weight_decay=0.05
    ),
    "adam without memory": obj.Adam(0.01, beta1=0.0, beta2=0.0),
    "adamw": obj.AdamW(0.01, weight_decay=0.3),
    "nadam, decay": obj.NAdam(0.01, weight_decay=0.05),
    "adagrad": obj.Adagrad(0.05, weight_decay=0.05),
    "adamw, groups": obj.AdamW(0.01, weight_decay=0.3, groups=GROUPS),
    "momentum, groups, clipped": obj.SGD(
        0.1, momentum=0.9, weight_decay=0.1, clip_norm=0.05, groups=GROUPS
    ),
    "sgd, clipped": obj.SGD(0.1, momentum=0.9, clip_norm=0.05),
    "adam, clipped, decay": obj.Adam(0.01, clip_norm=0.05, weight_decay=0.1),
    "adamw, clip norm not reached": obj.AdamW(0.01, clip_norm=1e6),
}


def optimized() -> Network:
    return image(
        pl.Conv2D(
            4, kernel_size=3, stride=2, bias=False
        ),  # batch norm's would be 0 / 0
        pl.BatchNorm(),
        pl.Flatten(),
        pl.Dense(3),
        shape=(6, 5, 2),
    )


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_optimizers_update_as_the_reference_does_while_the_rate_changes(
    case: str, engine: Engine, reference: Engine, tolerance: Any, agree: Any
) -> None:
    pair = pair_of(
        engine,
        reference,
        optimized(),
        dtype=tolerance.dtype,
        optimizer=OPTIMIZERS[case],
    )
    pair.steps(5)
    agree(pair.ours.state(), pair.theirs.state(), tolerance.gradients)


def test_adam_takes_no_difference_of_rounded_numbers_in_float32(
    engine: Engine,
) -> None:
    """1 − 0.999 in float32 is 1.3e-5 off, and the first step half of that."""
    network = Sequential(pl.Input(3), pl.Dense(2))
    state = initial_state(network, seed=0, dtype="float32")
    state["weights/dense.weight"] *= 0  # so that what it moves by is not rounded
    adam, loss = obj.Adam(), obj.MeanSquaredError()
    session = engine.build(
        network, state=state, loss=loss, optimizer=adam, dtype="float32"
    )
    random = np.random.default_rng(0)
    images = random.uniform(0.5, 1.0, (BATCH, 3)).astype(np.float32)
    labels = np.ones((BATCH, 2), np.float32)
    _, gradients = session.gradients(images, labels)
    session.train_step(images, labels, learning_rate=0.01)
    after = session.state()
    for name, array in gradients.items():
        g = array.astype(np.float64)
        moved, m, v = (
            after[f"{slot}/{name}"]
            for slot in (
                "weights",
                "optimizer/first_moment",
                "optimizer/second_moment",
            )
        )
        np.testing.assert_allclose(m, (1 - adam.beta1) * g, rtol=1e-6)
        np.testing.assert_allclose(v, (1 - adam.beta2) * g**2, rtol=1e-6)
        np.testing.assert_allclose(moved, -0.01 * np.sign(g), rtol=1e-6)


def test_a_state_goes_in_and_comes_out_with_the_same_bits(
    engine: Engine, tolerance: Any
) -> None:
    network = image(
        pl.Conv2D(4, kernel_size=3, groups=2),
        pl.BatchNorm(),
        pl.ConvTranspose2D(6, kernel_size=2, groups=2),
        pl.LayerNorm(),
        pl.Dropout(0.5),
        pl.Flatten(),
        pl.Dense(3),
    )
    optimizer = obj.Adam()
    random = np.random.default_rng(1)
    state = {
        f"weights/{w.name}": random.random(w.shape).astype(tolerance.dtype)
        for w in network.weights
    }
    for slot in optimizer.slots:
        for w in network.parameters:
            values = random.random(w.shape).astype(tolerance.dtype)
            state[f"optimizer/{slot}/{w.name}"] = values
    state |= {"step": np.asarray(2**33, np.int64), "seed": np.asarray(9, np.uint64)}
    start = initial_state(network, seed=0, dtype=tolerance.dtype)
    session = engine.build(
        network,
        state=start,
        loss=obj.MeanSquaredError(),
        optimizer=optimizer,
        dtype=tolerance.dtype,
    )
    session.load_state(state)
    came = session.state()
    assert set(came) == set(state)
    for key, array in state.items():
        assert came[key].dtype == array.dtype, key
        np.testing.assert_array_equal(came[key], array, err_msg=key)


def test_what_state_returns_is_a_copy(engine: Engine, tolerance: Any) -> None:
    network = vector_head()
    start = initial_state(network, seed=0, dtype=tolerance.dtype)
    session = engine.build(network, state=start, dtype=tolerance.dtype)
    images = images_for(network, BATCH).astype(tolerance.dtype)
    before = session.predict(images)
    for array in (*session.state().values(), *start.values()):
        array[...] = 3
    np.testing.assert_array_equal(session.predict(images), before)


def test_a_training_goes_on_where_another_engine_stopped(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any
) -> None:
    network = flat(pl.Dropout(0.3))
    pair = pair_of(
        engine, reference, network, dtype=tolerance.dtype, optimizer=obj.Adam(0.01)
    )
    pair.theirs.train_step(pair.images, pair.labels, learning_rate=0.1)
    pair.ours.load_state(pair.theirs.state())
    pair.steps(3)
    agree(pair.ours.state(), pair.theirs.state(), tolerance.gradients)


def test_masks_may_be_handed_in(
    engine: Engine, reference: Engine, tolerance: Any, agree: Any
) -> None:
    network = flat(pl.Dropout(0.5))
    pair = pair_of(engine, reference, network, dtype=tolerance.dtype)
    mask = np.zeros((BATCH, 60), tolerance.dtype)
    mask[:, ::3] = 2
    for session in (pair.ours, pair.theirs):
        session.train_step(
            pair.images, pair.labels, learning_rate=0.1, masks={"dropout": mask}
        )
    agree(pair.ours.state(), pair.theirs.state(), tolerance.gradients)
    bare = pair.ours.activations(pair.images)
    np.testing.assert_array_equal(bare["dropout"], bare["flatten"])


def test_read_only_and_strided_images_are_taken_as_they_are(
    engine: Engine, tolerance: Any
) -> None:
    network = conv()
    state = initial_state(network, seed=0, dtype=tolerance.dtype)
    session = engine.build(network, state=state, dtype=tolerance.dtype)
    images = images_for(network, 2 * BATCH).astype(tolerance.dtype)
    expected = session.predict(images[::-2].copy())
    images.flags.writeable = False
    np.testing.assert_array_equal(session.predict(images[::-2]), expected)


@pytest.mark.parametrize("missing", ["loss", "optimizer"])
def test_training_without_a_loss_or_an_optimizer_says_so(
    engine: Engine, tolerance: Any, missing: str
) -> None:
    network = vector_head()
    given = {"loss": obj.CrossEntropy(), "optimizer": obj.SGD()}
    del given[missing]
    state = initial_state(network, seed=0, dtype=tolerance.dtype)
    session = engine.build(network, state=state, dtype=tolerance.dtype, **given)
    images = images_for(network, BATCH).astype(tolerance.dtype)
    with pytest.raises(EngineError, match=f"{missing} must be given to train"):
        session.train_step(images, np.zeros(BATCH, np.int64), learning_rate=0.1)


def test_an_unknown_dtype_is_refused(engine: Engine) -> None:
    network = vector_head()
    state = initial_state(network, seed=0, dtype="float32")
    with pytest.raises(EngineError, match="dtype must be"):
        engine.build(network, state=state, dtype="float16")
