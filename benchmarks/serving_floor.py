"""Floor: a server on the same uvicorn that answers without a thought.

What its slowest requests take is the machine's and the load's, no model's. Started by
`benchmarks/serving.py`.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

import uvicorn


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Read the body and answer forty bytes."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"40")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(40)})


gc.freeze()
uvicorn.run(
    answer,
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    lifespan="off",
    log_level="error",
    access_log=False,
)
