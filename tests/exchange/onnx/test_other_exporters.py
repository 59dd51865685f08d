"""What other people's exporters make of a CNN, brought in."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

from pellucid.exchange.onnx.read import Graph
from pellucid.model import from_file


def predicted(path: Path, x: np.ndarray) -> np.ndarray:
    """Return what pellucid makes of a file, in the file's own layout."""
    model = onnx.load(path, load_external_data=False)
    graph = Graph(model, path.parent, {})
    ready = from_file(graph.file("model"), engine="numpy")
    (entry,), (output,) = graph.entries.values(), graph.outputs.values()
    return output.to_foreign(ready.predict(entry.from_foreign(x)))


def _plain(torch):
    nn = torch.nn

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1, stride=2)
            self.norm = nn.BatchNorm2d(8)
            self.second = nn.Conv2d(8, 12, 3)
            self.hidden = nn.Linear(48, 20)
            self.last = nn.Linear(20, 5)

        def forward(self, x):
            x = nn.functional.silu(self.norm(self.first(x)))
            x = nn.functional.max_pool2d(x, 2, padding=1)
            x = nn.functional.gelu(self.second(x)).view(x.size(0), -1)
            return self.last(nn.functional.dropout(self.hidden(x), 0.5, self.training))

    return Plain(), (2, 3, 12, 12)


def _residual(torch):
    nn = torch.nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
            self.second = nn.Conv2d(8, 8, 3, padding=1)
            self.up = nn.ConvTranspose2d(
                16, 16, 3, stride=2, padding=1, output_padding=1, groups=2
            )
            self.last = nn.Linear(16, 5)

        def forward(self, x):
            x = torch.relu(self.first(x))
            y = torch.cat([x + self.second(x) * 0.5, x], 1)
            y = nn.functional.interpolate(
                nn.functional.avg_pool2d(y, 2), scale_factor=2
            )
            y = self.up(nn.functional.leaky_relu(y, 0.2))
            y = torch.flatten(nn.functional.adaptive_avg_pool2d(y, 1), 1)
            return torch.softmax(self.last(y), -1)

    return Residual(), (2, 3, 8, 8)


def _shuffled(torch):
    nn = torch.nn

    class Shuffled(nn.Module):
        """Channels of groups exchanged, as in ShuffleNet."""

        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(4, 12, 1, groups=2)
            self.second = nn.Conv2d(12, 6, 3, groups=3)

        def forward(self, x):
            y = self.first(x)
            n, c, h, w = y.shape
            y = y.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
            return self.second(y).mean((2, 3))

    return Shuffled(), (2, 4, 6, 5)


def _contrasted(torch):
    """A local response norm, which PyTorch spells out."""
    nn = torch.nn
    layers = [
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.LocalResponseNorm(5, alpha=0.9, beta=0.7, k=2.0),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 4, 3),
        nn.LocalResponseNorm(3),
    ]
    return nn.Sequential(*layers), (2, 3, 12, 11)


def _normed(torch):
    """Layer norms, which opsets before 17 spell out by their moments."""
    nn = torch.nn

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 6, 3)
            self.on_pixels = nn.LayerNorm(6, eps=1e-3)
            self.hidden = nn.Linear(6 * 24, 10)
            self.on_features = nn.LayerNorm(10)
            for norm in (self.on_pixels, self.on_features):
                nn.init.uniform_(norm.weight)
                nn.init.normal_(norm.bias)

        def forward(self, x):
            x = self.first(x).permute(0, 2, 3, 1)
            x = torch.tanh(self.on_pixels(x)).permute(0, 3, 1, 2)
            return self.on_features(self.hidden(x.flatten(1)))

    return Normed(), (2, 3, 8, 6)


BUILDERS = (_plain, _residual, _shuffled, _contrasted, _normed)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("how", ["dynamo", "script-11", "script-17"])
@pytest.mark.filterwarnings("ignore")
def test_pytorch_exports_come_in(build, how, agree, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if how == "dynamo":
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    torch.manual_seed(0)
    module, shape = build(torch)
    module.eval()
    x = torch.randn(*shape)
    path = tmp_path / "model.onnx"
    options = {"dynamo": True, "verbose": False}
    if how != "dynamo":
        names = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
        options = {"dynamo": False, "opset_version": int(how[7:]), **names}
    torch.onnx.export(module, (x,), path, **options)
    agree(predicted(path, x.numpy()), module(x).detach().numpy())


def test_a_scikit_learn_classifier_comes_in(agree, tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    network = pytest.importorskip("sklearn.neural_network")
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 10)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it need not converge
        classifier = network.MLPClassifier((16, 8), max_iter=5, random_state=0)
        classifier.fit(x, random.integers(0, 4, 200))
        made = skl2onnx.to_onnx(classifier, x[:1], options={"zipmap": False})
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString())
    agree(predicted(path, x[:5]), classifier.predict_proba(x[:5]))
