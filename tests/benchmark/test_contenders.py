"""Every installed peer computes what pellucid computes, before it is timed."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

import pellucid as pl
from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders import PREDICTORS, TRAINERS, select_contenders
from pellucid.benchmark.contenders.models import strip_softmax, use_same_padding
from pellucid.benchmark.networks import get_network
from pellucid.errors import EngineError

# torch.compile takes half a minute and computes what eager computes
FAST = [p for p in TRAINERS if "bound" not in p.name and "compile" not in p.name]
SINGLE = [p for p in PREDICTORS if p.name.endswith("1 thread")]


def call_of(contender, task, case):
    if not contender.is_installed:
        pytest.skip(f"{' or '.join(contender.needs)} is not installed")
    options = dict(contender.options)
    options.pop("threads", None)  # holds for the whole process
    return getattr(import_module(contender.module), task)(case, **options)


def losses(contender, case, count=3):
    step = call_of(contender, "trainer", case)
    return [step(i) for i in range(count)]


CASES = [(contender, "lenet5") for contender in FAST] + [
    (contender, "mnist-keras")
    for contender in FAST
    if contender.name == contender.framework
]


@pytest.mark.parametrize(
    ("contender", "network"),
    CASES,
    ids=[f"{contender.name}-{net}" for contender, net in CASES],
)
def test_trainers_follow_the_numpy_engine(contender, network):
    case = Case(name="x", network=get_network(network), batch_size=8, batches=3)
    ours = import_module("pellucid.benchmark.contenders.pellucid")
    reference = ours.trainer(case, engine="numpy")
    expected = [reference(i) for i in range(3)]
    # Keras' and optax's Adam place epsilon elsewhere: 1e-3 after two updates
    np.testing.assert_allclose(losses(contender, case), expected, rtol=2e-3)


@pytest.mark.parametrize("contender", SINGLE, ids=lambda contender: contender.name)
def test_predictors_give_the_same_logits(contender, tmp_path):
    case = Case(
        name="x",
        network=get_network("lenet5"),
        batch_size=4,
        batches=2,
        files=str(tmp_path),
    )
    ours = import_module("pellucid.benchmark.contenders.pellucid")
    expected = ours.predictor(case, engine="numpy")(1)
    found = np.asarray(call_of(contender, "predictor", case)(1))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_weights_that_were_trained_reach_every_peer(tmp_path):
    network = get_network("lenet5")
    path = tmp_path / "some.pellucid"
    pl.Model(network, engine="numpy", seed=5).save(path)
    case = Case(name="x", network=network, batch_size=4, batches=1)
    other = case.with_weights(str(path), 1)
    ours = import_module("pellucid.benchmark.contenders.pellucid")
    initial, trained = (ours.predictor(c, engine="numpy")(0) for c in (case, other))
    assert np.abs(initial - trained).max() > 1e-3
    for contender in (p for p in FAST if p.name in ("torch", "jax")):
        step = ours.trainer(other, engine="numpy")
        assert losses(contender, other, 1)[0] == pytest.approx(step(0), rel=1e-5)


def test_the_softmax_at_the_end_is_taken_off():
    network = get_network("mnist-keras")
    logits = strip_softmax(network)
    assert len(logits.nodes) == len(network.nodes) - 1
    assert strip_softmax(logits) is logits


def test_padding_becomes_same_where_the_size_stays():
    network = use_same_padding(get_network("resnet20"))
    paddings = {node.layer.padding for node in network.nodes if "conv" in node.name}
    assert paddings == {"same"}
    kept = use_same_padding(get_network("mnist-keras"))
    assert [n.layer for n in kept.nodes] == [
        n.layer for n in get_network("mnist-keras").nodes
    ]


def shared():
    """A convolution and a dense layer that are called twice."""
    image = pl.Input(28, 28, 1)
    conv = pl.Conv2D(4, kernel_size=3, padding=1, activation="relu")
    x = pl.Conv2D(4, kernel_size=5, stride=3)(image)
    x = conv(conv(x))
    dense = pl.Dense(6, activation="tanh")
    x = pl.Add()(dense(pl.GlobalAvgPool2D()(x)), dense(pl.GlobalMaxPool2D()(x)))
    return pl.Network(inputs=image, outputs=pl.Dense(10)(x), name="shared")


def test_nodes_that_share_weights_train_as_one_in_every_peer(tmp_path):
    (tmp_path / "shared.json").write_text(pl.network.dumps(shared()))
    network = get_network(str(tmp_path / "shared.json"))
    assert use_same_padding(network).shared.keys() == network.shared.keys()
    case = Case(name="x", network=network, batch_size=8, batches=3)
    ours = import_module("pellucid.benchmark.contenders.pellucid")
    reference = ours.trainer(case, engine="numpy")
    expected = [reference(i) for i in range(3)]
    for contender in (p for p in FAST if p.name in ("torch", "tensorflow")):
        np.testing.assert_allclose(losses(contender, case), expected, rtol=2e-3)


def joined():
    """An image and a vector; classes by logits and by softmax, and three numbers."""
    image, vector = pl.Input(6, 6, 2, name="image"), pl.Input(5, name="a_vector")
    x = pl.Flatten()(pl.Conv2D(4, kernel_size=3, activation="relu")(image))
    x = pl.Concat()(x, pl.Dense(6, activation="tanh")(vector))
    kind = pl.Dense(3, name="kind", activation="softmax")(x)
    place = pl.Dense(3, name="place", activation="sigmoid")(x)
    return pl.Network(
        inputs=[image, vector],
        outputs=[place, kind, pl.Dense(4, name="logits")(x)],
        name="joined",
    )


SEVERAL = ("torch", "torch channels_last fused", "tensorflow", "jax")


@pytest.mark.parametrize("name", SEVERAL)
def test_trainers_sum_the_losses_of_several_outputs(name):
    case = Case(name="x", network=joined(), batch_size=8, batches=3)
    ours = import_module("pellucid.benchmark.contenders.pellucid")
    reference = ours.trainer(case, engine="numpy")
    expected = [reference(i) for i in range(3)]
    (contender,) = (p for p in TRAINERS if p.name == name)
    np.testing.assert_allclose(losses(contender, case), expected, rtol=2e-3)


@pytest.mark.parametrize("contender", SINGLE, ids=lambda contender: contender.name)
def test_predictors_give_all_outputs(contender, tmp_path):
    folder = str(tmp_path)
    case = Case(name="x", network=joined(), batch_size=4, batches=2, files=folder)
    ours = import_module("pellucid.benchmark.contenders.pellucid")
    place, kind, logits = ours.predictor(case, engine="numpy")(1)
    found = list(call_of(contender, "predictor", case)(1))
    if contender.framework != "pellucid":  # peers give logits
        shares = np.exp(found[1])
        found[1] = shares / shares.sum(axis=1, keepdims=True)
    for mine, theirs in zip((place, kind, logits), found, strict=True):
        np.testing.assert_allclose(theirs, mine, rtol=1e-4, atol=1e-5)


def test_keras_fits_several_ports():
    pytest.importorskip("tensorflow")
    case = Case(name="x", network=joined(), batch_size=8, batches=3)
    reference = import_module("pellucid.benchmark.contenders.pellucid")
    step = reference.trainer(case, engine="numpy")
    fit = import_module("pellucid.benchmark.contenders.keras").trainer(case)
    mean = np.mean([step(i) for i in range(3)])
    assert fit(0) == pytest.approx(mean, rel=2e-3)


def test_peers_are_chosen_by_name_or_framework():
    names = [
        contender.name for contender in select_contenders(TRAINERS, ["torch compile"])
    ]
    assert names == ["pellucid", "torch compile"]
    names = [
        contender.name for contender in select_contenders(TRAINERS, ["tensorflow"])
    ]
    assert names == ["pellucid", "tensorflow", "tensorflow xla"]


def test_an_unknown_peer_is_refused():
    with pytest.raises(EngineError, match=r"must be among pellucid, torch.*'caffe'"):
        select_contenders(TRAINERS, ["caffe"])


def test_a_missing_peer_is_refused_with_what_to_install(fake):
    missing = fake("absent")
    object.__setattr__(missing, "needs", ("no_such_package",))
    with pytest.raises(EngineError, match="pip install no_such_package"):
        select_contenders([missing], ["absent"])
    assert select_contenders([missing], None) == []
