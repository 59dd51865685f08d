"""This file is the files for browsers, run in Chromium."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

playwright = pytest.importorskip("playwright.sync_api")

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - as in its base
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; a missing one is skipped over."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("PELLUCID_REQUIRE_TOOLS"):
            pytest.fail("chromium must be installed here")
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as runner:
        started = runner.chromium.launch(
            executable_path=program, headless=True, args=list(FLAGS)
        )
        yield started
        started.close()


@pytest.fixture
def answer(browser: Any, tmp_path: Any) -> Iterator[Any]:
    """Serve the folder; return what a module's `answer` gives in a page of it."""
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)

    def run(script: str, images: Any, head: str = "") -> Any:
        numbers = json.dumps(np.ravel(images).tolist())
        (tmp_path / "index.html").write_text(
            f"<!doctype html><title>t</title>{head}<script type=module>{script}"
            f"window.answer = () => answer(new Float32Array({numbers}));</script>"
        )
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        page.wait_for_function("window.answer")
        return page.evaluate("window.answer()")

    yield run
    context.close()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def model(model_of: Any) -> pl.Model:
    """A network of the zoo with weights that matter."""
    made: pl.Model = model_of(pl.zoo("mnist-torch"))
    return made


def test_the_es_module_gives_the_same_in_chromium(
    model, images_of, agree, answer, tmp_path
):
    exchange.write(model, tmp_path / "model.mjs")
    images = images_of(model, 1)
    script = """
      import { predict } from "./model.mjs";
      const answer = (image) => Array.from(predict(image));
    """
    agree([answer(script, images)], model.predict(images))


def test_tensorflow_js_gives_the_same_in_chromium(
    model, images_of, agree, answer, tmp_path, tfjs_package
):
    exchange.write(model, tmp_path / "model.tfjs")
    shutil.copy(tfjs_package / "dist/tf.min.js", tmp_path)
    images = images_of(model, 2)
    script = """
      await tf.setBackend("cpu");
      const model = await tf.loadLayersModel("model.tfjs/model.json");
      const answer = (images) =>
        Array.from(model.predict(tf.tensor(images, [2, 28, 28, 1])).dataSync());
    """
    got = answer(script, images, '<script src="tf.min.js"></script>')
    agree(np.reshape(got, (2, 10)), model.predict(images))


def test_onnxruntime_web_gives_the_same_in_chromium(
    model, images_of, agree, answer, tmp_path, onnxruntime_web
):
    exchange.write(model, tmp_path / "model.onnx")
    for name in (
        "ort.wasm.min.mjs",
        "ort-wasm-simd-threaded.mjs",
        "ort-wasm-simd-threaded.wasm",
    ):
        shutil.copy(onnxruntime_web / "dist" / name, tmp_path)
    images = images_of(model, 2)
    script = """
      import * as ort from "./ort.wasm.min.mjs";
      ort.env.wasm.numThreads = 1;
      const session = await ort.InferenceSession.create("./model.onnx");
      const answer = async (images) => {
        const x = new ort.Tensor("float32", images, [2, 1, 28, 28]);
        const outputs = await session.run({ [session.inputNames[0]]: x });
        return Array.from(outputs[session.outputNames[0]].data);
      };
    """
    got = answer(script, images.transpose(0, 3, 1, 2))
    agree(np.reshape(got, (2, 10)), model.predict(images))
