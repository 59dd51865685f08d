"""Files for browsers, run in Chromium."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pages import blocks

import pellucid as pl
from pellucid import exchange

playwright = pytest.importorskip("playwright.sync_api")

#: of npm's onnxruntime-web
RUNTIME = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)


#: by which a page may share memory among its threads
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - as in its base
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def __init__(self, *given: Any, headers: dict[str, str], **named: Any) -> None:
        self._headers = headers
        super().__init__(*given, **named)

    def end_headers(self) -> None:
        for name, value in self._headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of a browser that has seen nothing."""
    context = browser.new_context()
    made = context.new_page()
    made.set_default_timeout(60_000)
    yield made
    context.close()


@pytest.fixture
def headers() -> dict[str, str]:
    """What the server says besides."""
    return {}


@pytest.fixture
def show(page: Any, tmp_path: Any, headers: dict[str, str]) -> Iterator[Any]:
    """Serve the folder; return a function that opens a page of it."""
    handler = functools.partial(_Quiet, directory=str(tmp_path), headers=headers)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def open_page(body: str) -> None:
        (tmp_path / "index.html").write_text(f"<!doctype html><title>t</title>{body}")
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")

    yield open_page
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def answer(page: Any, show: Any) -> Any:
    """Return a function that returns what a module's `answer` gives in a page."""

    def run(script: str, images: Any, head: str = "") -> Any:
        numbers = json.dumps(np.ravel(images).tolist())
        show(
            f"{head}<script type=module>{script}"
            f"window.answer = () => answer(new Float32Array({numbers}));</script>"
        )
        page.wait_for_function("window.answer")
        return page.evaluate("window.answer()")

    return run


@pytest.fixture
def said(page: Any, show: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that returns what a page of docs/formats logs in a browser."""

    def run(name: str) -> list[float]:
        monkeypatch.chdir(tmp_path)
        exec(blocks(name, "python")[0], {})  # writes the model
        (html,) = blocks(name, "html")
        with page.expect_console_message(lambda m: m.type == "log") as logged:
            show(html)
        value = logged.value.args[0].json_value()
        return list(value.values()) if isinstance(value, dict) else value

    return run


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


@pytest.mark.skipif(shutil.which("wasm-ld") is None, reason="there is no wasm-ld")
@pytest.mark.parametrize(
    ("target", "headers", "threads"),
    [("wasm32-threads", {}, 1), ("wasm32-threads", ISOLATED, 3)],
)
def test_webassembly_predicts_and_trains_in_chromium(
    target, threads, images_of, agree, answer, tmp_path
):
    network = pl.Sequential(
        pl.Input(8, 8, 1),
        pl.Conv2D(4, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(3),
    )
    options = {"loss": "cross_entropy", "optimizer": pl.Adam(1e-2), "seed": 1}
    model = pl.Model(network, engine="compiled", **options)
    exchange.write(model, tmp_path / "model.wasm.mjs", train=True, target=target)
    images = images_of(model, 3)
    script = """
      import { predict, trainStep, saveState, loadState, threads, ready }
        from "./model.wasm.mjs?threads=3";
      const come = (await ready).filter((one) => one.status === "fulfilled");
      const kept = saveState();
      const answer = (images) => {
        loadState(kept); // Playwright calls once more, to see whether it is there
        const first = [...predict(images)];
        const losses = [1, 2, 3].map(() => trainStep(images, [2, 0, 1]));
        return [...first, ...losses, threads, come.length];
      };
    """
    *got, most, come = answer(script, images)
    assert (most, come) == (threads, threads - 1)
    agree(np.reshape(got[:9], (3, 3)), model.predict(images))
    losses = [model.train_step(images, np.array([2, 0, 1])) for _ in range(3)]
    agree(got[9:], losses)


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
    for name in RUNTIME:
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


def test_the_page_of_tensorflow_js_shows_what_runs(said, tfjs_package, tmp_path):
    shutil.copy(tfjs_package / "dist/tf.min.js", tmp_path)
    assert said("tensorflow-js.md") == [1, 10]


def test_the_page_of_onnx_shows_what_runs(said, onnxruntime_web, agree, tmp_path):
    for name in RUNTIME:
        shutil.copy(onnxruntime_web / "dist" / name, tmp_path)
    model = pl.Model(pl.zoo("mnist-torch"), engine="numpy")
    expected = model.predict(np.zeros((1, 28, 28, 1), np.float32))
    agree([said("onnx.md")], expected)
