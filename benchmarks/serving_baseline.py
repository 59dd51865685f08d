"""What people write themselves: FastAPI in front of PyTorch.

One model, a raw float32 body, `inference_mode`, no batching: the plain way, done well
(uvicorn on uvloop and httptools, no access log, bytes back). Started by
`benchmarks/serving.py`.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request, Response

import pellucid as pl

MODEL = sys.argv[1]
PORT, THREADS = int(sys.argv[2]), int(sys.argv[3])

torch.set_num_threads(THREADS)
network = pl.load(MODEL, engine="torch").native.eval()
app = FastAPI()


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Answer raw float32 images, NCHW as PyTorch has them, with raw logits."""
    body = await request.body()
    images = torch.from_numpy(np.frombuffer(body, np.float32).copy())
    with torch.inference_mode():
        logits = network(images.reshape(-1, 1, 28, 28))
    return Response(logits.numpy().tobytes(), media_type="application/octet-stream")


uvicorn.run(
    app,
    port=PORT,
    loop="uvloop",
    http="httptools",
    log_level="error",
    access_log=False,
)
