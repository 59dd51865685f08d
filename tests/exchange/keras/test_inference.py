"""Layers of Keras that do nothing at inference: each comes in as nothing."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange.keras.operators import IN_TRAINING_ALONE

keras = pytest.importorskip("keras", reason="keras is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")
ARGUMENTS = (
    {},
    {"factor": 0.2},
    {"rate": 0.3},
    {"stddev": 0.3},
    {"l2": 0.1},
    {"factor": 4},
    {"height_factor": 0.2, "width_factor": 0.2},
)
OLD = {"RandomHeight", "RandomWidth"}  # of Keras 2
ELSEWHERE = {"StochasticDepth"}  # of keras.applications, not of keras.layers
RANK_5 = {"SpatialDropout3D"}
RANK_3 = {"SpatialDropout1D"}
IN_NO_MODEL = {"Equalization"}  # Keras itself cannot build one with it
LEFT_OUT = OLD | ELSEWHERE | RANK_3 | RANK_5 | IN_NO_MODEL


def layer_of(name):
    for given in ARGUMENTS:
        try:
            return getattr(keras.layers, name)(**given)
        except (TypeError, ValueError):
            continue
    pytest.fail(f"{name} takes other arguments")


def same_outputs(model, path):
    model.save(path)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    expected = np.asarray(model(x, training=False))
    back = exchange.read(path, engine="numpy")
    assert np.allclose(back.predict(x), expected, atol=1e-5)
    return back


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_what_acts_in_training_alone_comes_in_as_nothing(suffix, tmp_path):
    names = [n for n in IN_TRAINING_ALONE if n not in LEFT_OUT]
    if suffix == ".h5":  # in which Keras can save few of them
        names = ["GaussianNoise", "RandomFlip", "RandomRotation", "SpatialDropout2D"]
    chosen = [layer_of(name) for name in [*names, "Identity"]]
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            *chosen,
            layers.Activation("linear"),
            layers.Conv2D(4, 3),
            layers.Dropout(0.3, noise_shape=(None, 1, 1, 4)),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    back = same_outputs(model, tmp_path / f"m{suffix}")
    assert [type(n.layer) for n in back.network.nodes] == [
        pl.Input,
        pl.Conv2D,
        pl.Flatten,
        pl.Dense,
    ]


def test_a_model_of_augmentation_inside_a_model_comes_in_as_nothing(tmp_path):
    layers = keras.layers
    inside = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)])
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(inside(image))
    same_outputs(
        keras.Model(image, layers.PReLU(shared_axes=[1, 2])(x)), tmp_path / "m.keras"
    )


def test_what_acts_at_inference_is_still_refused(tmp_path):
    layers = keras.layers
    model = keras.Sequential([layers.Input((8, 8, 3)), layers.AutoContrast()])
    model.save(tmp_path / "m.keras")
    with pytest.raises(pl.ExchangeError, match=r"AutoContrast .* must be a layer that"):
        exchange.read(tmp_path / "m.keras", engine="numpy")
