"""Drop-ins in the hands of trainers: Lightning and skorch."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import pellucid as pl


def network() -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.filterwarnings("ignore")  # Lightning's own
def test_lightning_trains_a_drop_in_as_the_module_itself(
    tmp_path: Any, same_state: Any
) -> None:
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")

    class Step(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self, net: Any) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: Any, index: int) -> Any:
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("loss", F.cross_entropy(self.net(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]

    data = TensorDataset(torch.randn(24, 6), torch.randint(0, 3, (24,)))
    loader = DataLoader(data, batch_size=8)
    module = network()
    losses, steps = [], []
    for one in (module, pl.compile(copy.deepcopy(module), threads=1)):
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=0.5,
            default_root_dir=tmp_path / str(len(steps)),
        )
        steps.append(Step(one))
        trainer.fit(steps[-1], loader, loader)
        losses.append(float(trainer.callback_metrics["loss"]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    same_state(steps[1], steps[0])
    path = trainer.checkpoint_callback.best_model_path
    same_state(Step.load_from_checkpoint(path, net=network()), steps[0])


def test_skorch_fits_pickles_and_predicts() -> None:
    skorch = pytest.importorskip("skorch", reason="skorch is not installed")
    random = np.random.default_rng(0)
    x = random.normal(size=(30, 6)).astype(np.float32)
    y = random.integers(0, 3, 30)
    module, found = network(), []
    for one in (module, pl.compile(copy.deepcopy(module), threads=1)):
        classifier = skorch.NeuralNetClassifier(
            one,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            max_epochs=2,
            iterator_train__shuffle=False,
            verbose=0,
        )
        found.append(classifier.fit(x, y).predict_proba(x))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    other = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(other.predict_proba(x), found[1])
