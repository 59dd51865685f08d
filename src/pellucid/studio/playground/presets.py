"""Experiments that show a lesson each: settings before and after a change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pellucid.studio.playground.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Two runs that differ in one thing.

    Parameters
    ----------
    title : str
        Of the button.
    lesson : str
        What to see, in a sentence.
    base, change : dict
        Settings of the first run, and what is different in the second.
    """

    title: str
    lesson: str
    base: dict[str, Any] = field(default_factory=dict)
    change: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it with all settings of both runs."""
        runs = [Settings(**self.base), Settings(**self.base | self.change)]
        return {
            "title": self.title,
            "lesson": self.lesson,
            "runs": [run.model_dump() for run in runs],
        }


_SGD = {"optimizer": "sgd", "learning_rate": 0.3}
_FEW = {
    "points": 24,
    "noise": 0.6,
    "hidden": [32, 32],
    "steps": 1500,
    "learning_rate": 0.02,
}
_DEEP = {"hidden": [8] * 6, "start": "small", "steps": 600}

PRESETS: dict[str, Preset] = {
    "rate": Preset(
        title="Learning rate × 10",
        lesson="Steps that are too large jump over the valley, and the loss rises.",
        base=_SGD | {"hidden": [8, 8], "learning_rate": 2.0},
        change={"learning_rate": 20.0},
    ),
    "zeros": Preset(
        title="Zeros as initial weights",
        lesson="Units that start alike get the same gradients; here all are 0, and "
        "nothing is learned.",
        change={"start": "zeros"},
    ),
    "linear": Preset(
        title="No ReLU",
        lesson="Without an activation any number of layers is one linear function: "
        "its boundary is a straight line.",
        base={"hidden": [8, 8]},
        change={"activation": "none"},
    ),
    "layer": Preset(
        title="XOR without a hidden layer",
        lesson="One line cannot part XOR's quarters; a hidden layer bends it.",
        base={"problem": "xor", "noise": 0.0},
        change={"hidden": []},
    ),
    "depth": Preset(
        title="Spirals: one layer or three",
        lesson="Each further layer folds the plane again, so as many units a layer can "
        "follow the arms.",
        base={"problem": "spirals", "hidden": [8], "steps": 1200, "noise": 0.05},
        change={"hidden": [8, 8, 8]},
    ),
    "overfitting": Preset(
        title="Overfitting, and augmentation",
        lesson="A large network learns few noisy points by heart; points that are "
        "moved a little in each step are harder to remember.",
        base=_FEW,
        change={"jitter": 0.6},
    ),
    "data": Preset(
        title="Overfitting, and more points",
        lesson="The same network on many points has too many of them to remember, and "
        "learns what they have in common.",
        base=_FEW,
        change={"points": 400},
    ),
    "batch norm": Preset(
        title="Batch norm",
        lesson="In a deep network with small weights the signal dies on its way; "
        "batch norm makes each layer's numbers large again.",
        base=_SGD | _DEEP,
        change={"batch_norm": True},
    ),
    "dead": Preset(
        title="Dead ReLUs",
        lesson="One large step can push a ReLU below 0 for every point; its gradient "
        "is 0 from then on.",
        base={"hidden": [16], **_SGD},
        change={"learning_rate": 30.0, "steps": 60},
    ),
}
