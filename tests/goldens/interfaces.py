"""What programs rely on: keys of `--json`, HTTP routes and schemas, public names.

Run as a program, it records them anew: after a change that is meant to change them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pellucid as pl
from pellucid.cli.main import main
from pellucid.serving import Log, create_app
from pellucid.studio import SharedModel

FILE = Path(__file__).with_name("interfaces.json")

#: in this order, in one folder: the first makes the run that the others read
COMMANDS = (
    "train xor-one-hidden --epochs 2 --run xor --engine numpy --quiet",
    "train lenet5 --epochs 1 --limit 64 --run digits --engine numpy --quiet",
    "evaluate digits --engine numpy",
    "evaluate xor --engine numpy",
    "predict digits digit.png --engine numpy",
    "explain digits digit.png --node dense --at 3 --engine numpy",
    "explain digits digit.png --node conv2d --at 5,7,3 --gradient --label 7",
    "explain digits digit.png --picture looked.png",
    "export digits --to onnx",
    "export digits --to c",
    "convert runs/digits/digits.onnx again.npz",
    "import runs/digits/digits.onnx --as again",
    "code xor-one-hidden --framework numpy --output script.py",
    "verify xor-one-hidden --gradients",
    "verify xor-one-hidden --engines numpy,compiled --steps 2",
    "data",
    "engines",
)


def shape(value: Any) -> Any:
    """Return a JSON value with its leaves' types in place of the leaves."""
    if isinstance(value, dict):
        return {key: shape(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        kinds = {json.dumps(shape(item), sort_keys=True) for item in value}
        return [json.loads(kind) for kind in sorted(kinds)]
    return "null" if value is None else type(value).__name__


def answers() -> Iterator[tuple[str, Any]]:
    """Give (command, shapes of its lines of JSON)."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        _, test = pl.data.load("mnist")
        from PIL import Image

        Image.fromarray(test.images[0, :, :, 0]).save("digit.png")
        for command in COMMANDS:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main([*command.split(), "--json"])
            lines = [json.loads(line) for line in out.getvalue().splitlines()]
            yield command, {"code": int(code), "lines": shape(lines)}


def openapi() -> dict[str, Any]:
    """Return the server's and the studio's routes, with their schemas."""
    from starlette.testclient import TestClient

    model = pl.Model(pl.zoo("lenet5"), engine="numpy")
    app = create_app([], bench=SharedModel(model, "lenet5"), log=Log("none"))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        document = client.get("/openapi.json").json()
    return {
        f"{method.upper()} {path}": {
            "parameters": sorted(p["name"] for p in operation.get("parameters", [])),
            "body": operation.get("requestBody", {}).get("content", {}),
            "statuses": sorted(operation["responses"]),
        }
        for path, item in sorted(document["paths"].items())
        for method, operation in sorted(item.items())
        if method in ("get", "post", "put", "delete")
    }


def studio() -> list[str]:
    """Return the routes that the studio's page asks."""
    from pellucid.studio.routes import router

    model = pl.Model(pl.zoo("lenet5"), engine="numpy")
    app = create_app([], bench=SharedModel(model, "lenet5"), log=Log("none"))
    routes = router(app.studio).routes
    return sorted(f"{method} {r.path}" for r in routes for method in r.methods)  # type: ignore[attr-defined]


def public_names() -> list[str]:
    """Return what `import pellucid` offers."""
    return sorted(pl.__all__)


def interfaces() -> dict[str, Any]:
    """Return everything that is recorded."""
    return {
        "json": dict(answers()),
        "routes": openapi(),
        "studio": studio(),
        "names": public_names(),
    }


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "100")
    FILE.write_text(json.dumps(interfaces(), indent=1) + "\n")
