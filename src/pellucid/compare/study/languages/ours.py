"""This file is pellucid's C and JavaScript, run from five languages."""

from __future__ import annotations

import base64
import importlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid import exchange
from pellucid.errors import ExchangeError
from pellucid.exchange.proof import run as run_format
from pellucid.model import Model

Array = npt.NDArray[Any]
#: from a model, images and an empty folder to outputs
Run = Callable[[Model, Array, Path], Array]

#: one program for C and C++: images in, outputs out
_MAIN = """
#include <stdio.h>
#ifdef __cplusplus
extern "C" {
#endif
#include "model.h"
#ifdef __cplusplus
}
#endif

static float image[INPUTS], output[OUTPUTS], workspace[MODEL_WORKSPACE + 1];

int main(void) {
    while (fread(image, sizeof(float), INPUTS, stdin) == INPUTS) {
        model_predict(image, output, workspace);
        fwrite(output, sizeof(float), OUTPUTS, stdout);
    }
    return 0;
}
"""

_JAVA = """
import java.io.*;
import java.nio.*;

public class Main {
    static native void predict(float[] image, float[] output);

    public static void main(String[] arguments) throws IOException {
        System.load(arguments[0]);
        byte[] bytes = System.in.readAllBytes();
        FloatBuffer images =
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
        float[] image = new float[INPUTS], output = new float[OUTPUTS];
        ByteBuffer answer = ByteBuffer.allocate(4 * OUTPUTS);
        answer.order(ByteOrder.LITTLE_ENDIAN);
        while (images.hasRemaining()) {
            images.get(image);
            predict(image, output);
            answer.clear();
            answer.asFloatBuffer().put(output);
            System.out.write(answer.array(), 0, 4 * OUTPUTS);
        }
        System.out.flush();
    }
}
"""
_JNI = """
#include <jni.h>
#include "model.h"

static float workspace[MODEL_WORKSPACE + 1];

JNIEXPORT void JNICALL Java_Main_predict(
    JNIEnv *env, jclass self, jfloatArray image, jfloatArray output) {
    jfloat *x = (*env)->GetFloatArrayElements(env, image, 0);
    jfloat *y = (*env)->GetFloatArrayElements(env, output, 0);
    (void)self;
    model_predict(x, y, workspace);
    (*env)->ReleaseFloatArrayElements(env, image, x, JNI_ABORT);
    (*env)->ReleaseFloatArrayElements(env, output, y, 0);
}
"""

#: a module from its text, then every image
_PAGE = """
async ([text, encoded, size]) => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const model = await import(url);
  const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  const images = new Float32Array(bytes.buffer);
  const outputs = [];
  for (let i = 0; i < images.length; i += size)
    outputs.push(...model.predict(images.subarray(i, i + size)));
  return outputs;
}
"""


def tool(*names: str) -> str:
    """Return the path of the first of some programs.

    Raises
    ------
    ExchangeError
        If none is there.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise ExchangeError(
        f"languages: {names[0]} must be there; got none. Install {names[0]}."
    )


def called(command: list[str], given: bytes = b"") -> bytes:
    """Run a program.

    Raises
    ------
    ExchangeError
        If it does not end well.
    """
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        name = Path(command[0]).name
        raise ExchangeError(f"languages: {name} must end well; got {said!r}.")
    return done.stdout


def floats(raw: bytes) -> Array:
    """Return bytes as numbers."""
    return np.frombuffer(raw, np.float32)


def _sized(text: str, model: Model) -> str:
    inputs = int(np.prod(model.network.input_shape))
    outputs = int(np.prod(model.network.output_shape))
    return text.replace("INPUTS", str(inputs)).replace("OUTPUTS", str(outputs))


def _c(model: Model, images: Array, folder: Path) -> Array:
    compiler = tool("gcc", "cc", "clang")
    return _linked(compiler, "main.c", (model, images, folder))


def _cpp(model: Model, images: Array, folder: Path) -> Array:
    return _linked(tool("g++", "c++", "clang++"), "main.cpp", (model, images, folder))


def _linked(compiler: str, name: str, given: tuple[Model, Array, Path]) -> Array:
    model, images, folder = given
    exchange.write(model, folder / "model.c", format="c")
    (folder / name).write_text(_sized(_MAIN, model), encoding="utf-8")
    plain, program = tool("gcc", "cc", "clang"), folder / "program"
    model_object = str(folder / "model.o")
    called([plain, "-O2", "-c", str(folder / "model.c"), "-o", model_object])
    sources = [str(folder / name), model_object]
    called([compiler, "-O2", *sources, "-lm", "-o", str(program)])
    return floats(called([str(program)], images.tobytes()))


def _java(model: Model, images: Array, folder: Path) -> Array:
    """Java has no runtime of ours: it calls the C through its native interface."""
    compiler = tool("javac")
    exchange.write(model, folder / "model.c", format="c")
    (folder / "Main.java").write_text(_sized(_JAVA, model), encoding="utf-8")
    (folder / "bridge.c").write_text(_JNI, encoding="utf-8")
    home = Path(compiler).resolve().parents[1] / "include"
    library = str(folder / "libmodel.so")
    headers = [f"-I{home}", f"-I{home / 'linux'}"]
    sources = [str(folder / "bridge.c"), str(folder / "model.c")]
    shared = ["-shared", "-fPIC", "-O2"]
    called([tool("gcc", "cc"), *shared, *headers, *sources, "-lm", "-o", library])
    called([compiler, "-d", str(folder), str(folder / "Main.java")])
    command = [tool("java"), "-cp", str(folder), "Main", library]
    return floats(called(command, images.tobytes()))


def _node(model: Model, images: Array, folder: Path) -> Array:
    path = folder / "model.mjs"
    exchange.write(model, path)
    return run_format(path, "javascript", model.network, images).outputs


def _browser(model: Model, images: Array, folder: Path) -> Array:
    playwright = importlib.import_module("playwright.sync_api")
    path = folder / "model.mjs"
    exchange.write(model, path)
    given = [
        path.read_text(encoding="utf-8"),
        base64.b64encode(images.tobytes()).decode(),
        int(np.prod(model.network.input_shape)),
    ]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=tool("chromium", "chromium-browser", "google-chrome"),
            args=["--no-sandbox"],
        )
        try:
            page = browser.new_page()
            outputs = json.loads(json.dumps(page.evaluate(_PAGE, given)))
        finally:
            browser.close()
    return np.asarray(outputs, np.float32)


OURS: Mapping[str, Run] = {
    "C": _c,
    "C++": _cpp,
    "JavaScript in Node": _node,
    "JavaScript in a browser": _browser,
    "Java": _java,
}
