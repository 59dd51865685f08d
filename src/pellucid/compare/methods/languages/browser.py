"""Page in Chromium that is given some files, and no network."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.compare.methods.languages.programs import Array, find_tool

_ADDRESS = "http://localhost"  # answered by the files alone: nothing listens there
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".json": "text/plain"}
_TYPES |= {".wasm": "application/wasm", ".html": "text/html"}


def run_in_page(script: str, given: list[Any], files: Mapping[str, Path]) -> Array:
    """Return the numbers that a page's asynchronous function gives.

    Parameters
    ----------
    script : str
        The function, of one argument.
    given : list
        The argument, plain values.
    files : dict of str to Path
        What the page finds beside itself, by name.
    """

    def answer(route: Any) -> None:
        name = route.request.url.removeprefix(f"{_ADDRESS}/")
        if name == "":
            route.fulfill(body="<!doctype html>", content_type="text/html")
        elif name in files:
            kind = _TYPES.get(files[name].suffix, "application/octet-stream")
            route.fulfill(path=files[name], content_type=kind)
        else:
            route.abort()

    playwright = importlib.import_module("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=find_tool("chromium", "chromium-browser", "google-chrome"),
            args=["--no-sandbox"],
        )
        try:
            page = browser.new_page()
            page.route("**/*", answer)
            page.goto(f"{_ADDRESS}/")
            outputs = page.evaluate(script, given)
        finally:
            browser.close()
    return np.asarray(outputs, np.float32)
