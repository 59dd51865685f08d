"""The protocol over gRPC: clients of others, and every way to get it wrong."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from serving_models import png, small_model

import pellucid as pl
from pellucid.errors import PellucidError, RunError
from pellucid.serving import Batching, Limits, Log, Settings, Source, create_app
from pellucid.serving.rpc.grpc_server import start

grpc = pytest.importorskip("grpc", reason="the extra [grpc] is not installed")
triton = pytest.importorskip("tritonclient.grpc")

messages = pytest.importorskip("pellucid.serving.rpc.messages")
SERVICE = messages.SERVICE
Request = messages.message("ModelInferRequest")
Response = messages.message("ModelInferResponse")


@pytest.fixture
def run_grpc() -> Iterator[Callable[..., tuple[str, Any]]]:
    """Run servers in threads; returns their address and their state."""
    running: list[tuple[Any, asyncio.AbstractEventLoop, threading.Thread]] = []

    def run(sources: list[Source], **how: Any) -> tuple[str, Any]:
        settings_ = Settings(grpc_port=0, **{"batching": Batching(size=8), **how})
        state = create_app(sources, settings=settings_, log=Log("none")).state
        is_up = threading.Event()
        loop = asyncio.new_event_loop()

        async def live() -> None:
            await state.start()
            task = await start(state)
            is_up.set()
            assert task is not None
            await task
            await state.stop()

        thread = threading.Thread(target=loop.run_until_complete, args=(live(),))
        thread.start()
        assert is_up.wait(30)
        running.append((state, loop, thread))
        return state.grpc_address, state

    yield run
    for state, loop, thread in running:
        loop.call_soon_threadsafe(state.stopping.set)
        thread.join(30)
        assert not thread.is_alive()
        loop.close()


@pytest.fixture
def served(run_grpc: Any) -> str:
    """The address of a server of the small model, as "pets" 1 and 2."""
    sources = [
        Source(name="pets", origin=small_model()),
        Source(name="pets", origin=small_model(2), version="2"),
    ]
    address: str = run_grpc(sources)[0]
    return address


@pytest.fixture
def client(served: str) -> Iterator[Any]:
    """Triton's client."""
    with triton.InferenceServerClient(served) as opened:
        yield opened


@pytest.fixture
def ask(served: str) -> Iterator[Callable[[Any], Any]]:
    """Ask with a message of our own making."""
    with grpc.insecure_channel(served) as channel:
        yield asking(channel)


def asking(channel: Any) -> Callable[..., Any]:
    return channel.unary_unary(  # type: ignore[no-any-return]
        f"/{SERVICE}/ModelInfer",
        request_serializer=Request.SerializeToString,
        response_deserializer=Response.FromString,
    )


def tensor(images: Any, kind: str = "FP32") -> Any:
    given_ = triton.InferInput("input", list(images.shape), kind)
    given_.set_data_from_numpy(images)
    return given_


def request(**changes: Any) -> Any:
    """One image as raw bytes, with changes to its input; None takes a field away."""
    raw = changes.pop("raw", [np.zeros(64, "<f4").tobytes()])
    entry = {"name": "input", "datatype": "FP32", "shape": [1, 8, 8, 1], **changes}
    kept = {key: value for key, value in entry.items() if value is not None}
    return Request(model_name="pets", inputs=[kept], raw_input_contents=raw)


def test_triton_client_finds_what_there_is(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("pets")
    assert client.is_model_ready("pets", "1")
    about = client.get_model_metadata("pets", as_json=True)
    assert about["versions"] == ["1", "2"]
    assert about["inputs"][0]["shape"] == ["-1", "8", "8", "1"]
    assert client.get_server_metadata().name == "pellucid"
    index = client.get_model_repository_index().models
    assert [(m.name, m.version, m.state) for m in index] == [
        ("pets", "1", "READY"),
        ("pets", "2", "READY"),
    ]


def test_triton_client_gets_what_the_model_gives(client: Any, images: Any) -> None:
    for version, seed in (("1", 0), ("2", 2), ("", 2)):
        answer = client.infer("pets", [tensor(images)], version, request_id="seven")
        found = answer.as_numpy("dense")
        np.testing.assert_array_equal(found, small_model(seed).predict(images))
        assert answer.get_response().id == "seven"


@pytest.mark.parametrize("kind", ["FP16", "FP64", "UINT8"])
def test_other_types_are_taken_as_predict_takes_them(client: Any, kind: str) -> None:
    dtype = {"FP16": np.float16, "FP64": np.float64, "UINT8": np.uint8}[kind]
    values = np.arange(64).reshape(1, 8, 8, 1)
    values = (values if kind == "UINT8" else values / 64).astype(dtype)
    found = client.infer("pets", [tensor(values, kind)], "1").as_numpy("dense")
    np.testing.assert_allclose(found, small_model().predict(values), rtol=1e-6)


def test_typed_numbers_are_answered_by_typed_numbers(ask: Any, images: Any) -> None:
    contents = {"fp32_contents": images.ravel().tolist()}
    given_ = request(shape=images.shape, contents=contents, raw=[])
    given_.model_version = "1"
    output = ask(given_).outputs[0]
    assert (output.datatype, list(output.shape)) == ("FP32", [3, 3])
    found = np.float32(output.contents.fp32_contents).reshape(3, 3)
    np.testing.assert_array_equal(found, small_model().predict(images))


def test_classes_are_named_best_first(client: Any, images: Any) -> None:
    wanted = [triton.InferRequestedOutput("dense", class_count=2)]
    found = client.infer("pets", [tensor(images)], "1", wanted).as_numpy("dense")
    best = small_model().predict(images).argmax(axis=1)
    names = ("cat", "dog", "owl")
    for row, index in zip(found, best, strict=True):
        assert len(row) == 2
        assert row[0].decode().endswith(f":{index}:{names[index]}")


def test_pictures_come_as_byte_strings(ask: Any) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    content = png(pixels)
    expected = small_model(2).predict(pixels[None, :, :, None])
    prefixed = struct.pack("<I", len(content)) + content
    raw = request(datatype="BYTES", shape=[1], raw=[prefixed])
    found = np.frombuffer(ask(raw).raw_output_contents[0], "<f4")
    np.testing.assert_array_equal(found.reshape(1, 3), expected)
    contents = {"bytes_contents": [content]}
    typed = request(datatype="BYTES", shape=[1, 1], contents=contents, raw=[])
    found = np.float32(ask(typed).outputs[0].contents.fp32_contents)
    np.testing.assert_array_equal(found.reshape(1, 3), expected)


FLOATS = {"fp32_contents": [0.0] * 64}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "image"}, "the input's name must be 'input'; got 'image'"),
        ({"datatype": "INT64"}, "datatype of input 'input' must be UINT8, FP16"),
        ({"shape": [1, 8, 8]}, "must have shape|images must"),
        ({"shape": [-1, 8, 8, 1]}, "shape of input 'input' must be a list"),
        ({"shape": [2**40, 8, 8, 1]}, "shape of input 'input' must be one that fits"),
        ({"raw": [b"abc"]}, "must have 256 bytes for shape"),
        ({"raw": [b"", b""]}, "one of raw_input_contents; got 2 of them"),
        ({"contents": FLOATS}, "got 1 of them and contents"),
        ({"raw": []}, "contents of input 'input' must fill shape"),
        ({"raw": [], "datatype": "FP16"}, "must come as raw_input_contents"),
        (
            {"raw": [], "contents": {"fp64_contents": [0.0] * 64}},
            "FP32 of input 'input' must come in fp32_contents; got fp64_contents",
        ),
        (
            {
                "raw": [],
                "datatype": "UINT8",
                "contents": {"uint_contents": [256] * 64},
            },
            "must be integers from 0 to 255",
        ),
        ({"raw": [b"\xff" * 256]}, "images must be finite"),
        ({"datatype": "BYTES"}, "must be pictures of shape"),
        ({"datatype": "BYTES", "shape": [1]}, "must hold 1 texts"),
        (
            {"datatype": "BYTES", "shape": [1], "raw": [b"\x03\0\0\0abc"]},
            "must be an image that we can read",
        ),
        ({"datatype": "BYTES", "shape": [2], "raw": []}, "must be 2 pictures; got 0"),
    ],
)
def test_wrong_inputs_are_refused_with_a_sentence(
    ask: Any, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(grpc.RpcError, match=sentence) as refused:
        ask(request(**changes))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in refused.value.details()


def test_unknown_models_and_outputs_are_refused(client: Any, images: Any) -> None:
    for name, version in (("nobody", ""), ("pets", "7"), ("pets", "x")):
        with pytest.raises(triton.InferenceServerException, match="is loaded") as error:
            client.infer(name, [tensor(images)], version)
        assert error.value.status() == "StatusCode.NOT_FOUND"
    wanted = [triton.InferRequestedOutput("softmax")]
    with pytest.raises(triton.InferenceServerException, match="must be 'dense'"):
        client.infer("pets", [tensor(images)], outputs=wanted)
    with pytest.raises(triton.InferenceServerException, match="list of one input"):
        client.infer("pets", [tensor(images), tensor(images)])


def test_a_model_is_unloaded_and_loaded_again(client: Any, images: Any) -> None:
    client.unload_model("pets")
    assert not client.is_model_ready("pets")
    with pytest.raises(triton.InferenceServerException, match="got 'nobody'"):
        client.is_model_ready("nobody")
    with pytest.raises(triton.InferenceServerException, match="is loaded"):
        client.infer("pets", [tensor(images)])
    client.load_model("pets")
    assert client.infer("pets", [tensor(images)]).as_numpy("dense").shape == (3, 3)
    with pytest.raises(triton.InferenceServerException, match="without parameters"):
        client.load_model("pets", config="{}")


def test_calls_that_come_together_run_together(run_grpc: Any, images: Any) -> None:
    batching = Batching(size=8, delay_s=0.3)
    source = Source(name="pets", origin=small_model())
    address, state = run_grpc([source], batching=batching)
    with triton.InferenceServerClient(address) as client:
        threads = [
            threading.Thread(target=client.infer, args=("pets", [tensor(images[:1])]))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    served = state.repository.get("pets")
    assert served.counts.images == 8
    assert served.counts.batches < 8


def test_too_many_are_told_to_come_again(run_grpc: Any, images: Any) -> None:
    batching = Batching(size=8, queue=2)
    source = Source(name="pets", origin=small_model())
    address, _ = run_grpc([source], batching=batching)
    with grpc.insecure_channel(address) as channel:
        three = request(shape=images.shape, raw=[images.tobytes()])
        with pytest.raises(grpc.RpcError, match="at most 2 images must wait") as busy:
            asking(channel)(three)
    assert busy.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(busy.value.trailing_metadata())["retry-after"] == "1"


def test_messages_beyond_the_limits_are_refused(run_grpc: Any, images: Any) -> None:
    source = Source(name="pets", origin=small_model())
    limits = Limits(body_bytes=2000, images=2)
    address, _ = run_grpc([source], limits=limits)
    with grpc.insecure_channel(address) as channel:
        ask = asking(channel)
        with pytest.raises(grpc.RpcError, match="at most 2 images"):
            ask(request(shape=images.shape, raw=[images.tobytes()]))
        for how in ({}, {"compression": grpc.Compression.Gzip}):
            with pytest.raises(grpc.RpcError) as large:
                ask(request(raw=[b"\0" * 100_000]), **how)
            assert large.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_token_is_asked_for(run_grpc: Any, images: Any) -> None:
    source = Source(name="pets", origin=small_model())
    address, _ = run_grpc([source], token="open sesame")
    with triton.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        for headers in (None, {"authorization": "Bearer sesame"}):
            with pytest.raises(triton.InferenceServerException) as refused:
                client.infer("pets", [tensor(images)], headers=headers)
            assert refused.value.status() == "StatusCode.UNAUTHENTICATED"
        right = {"authorization": "Bearer open sesame"}
        answer = client.infer("pets", [tensor(images)], headers=right)
        assert answer.as_numpy("dense").shape == (3, 3)


def test_calls_are_counted(run_grpc: Any, images: Any) -> None:
    address, state = run_grpc([Source(name="pets", origin=small_model())])
    with triton.InferenceServerClient(address) as client:
        client.infer("pets", [tensor(images)])
    text = state.metrics.text(state.repository).decode()
    route = f'route="/{SERVICE}/ModelInfer"'
    assert f'pellucid_requests_total{{{route},status="200"}} 1.0' in text


def test_a_bug_is_a_sentence_with_an_id(run_grpc: Any, monkeypatch: Any) -> None:
    address, state = run_grpc([Source(name="pets", origin=small_model())])
    monkeypatch.setattr(state.repository, "get", lambda name, version: 1 / 0)
    with (
        grpc.insecure_channel(address) as channel,
        pytest.raises(grpc.RpcError, match="a bug of ours") as bug,
    ):
        asking(channel)(request())
    assert bug.value.code() is grpc.StatusCode.INTERNAL
    assert "ZeroDivision" not in bug.value.details()


def test_a_port_that_is_taken_is_refused() -> None:
    async def bind(port: int) -> None:
        settings_ = Settings(grpc_port=port)
        state = create_app([], settings=settings_, log=Log("none")).state
        await start(state)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match="address for gRPC must be free; got"):
            asyncio.run(bind(port))


@settings(max_examples=examples(60), deadline=None)
@given(content=st.binary(max_size=300), shape=st.lists(st.integers(-2, 9), max_size=5))
def test_no_request_is_a_bug(content: bytes, shape: list[int]) -> None:
    from pellucid.serving.rpc.inference import infer

    given_ = request(shape=shape, raw=[content])

    async def ask() -> None:
        served = _Served(small_model())
        with contextlib.suppress(PellucidError):  # in the library's words, or well
            await infer(served, given_)  # type: ignore[arg-type]

    asyncio.run(ask())


class _Served:
    """A model that answers at once, without a batcher."""

    name, version, input_name, output_name = "pets", "1", "input", "dense"

    def __init__(self, model: pl.Model) -> None:
        self.model = model
        self.network = model.network

    async def run(self, images: Any) -> Any:
        from pellucid.serving.tensors import check_finite

        check_finite(images)
        return self.model.predict(images)


def test_triton_client_reads_how_a_model_is_run(client: Any) -> None:
    config = client.get_model_config("pets", "1").config
    assert (config.name, config.backend) == ("pets", "pellucid")
    assert config.max_batch_size == Limits().images
    assert list(config.input[0].dims) == [8, 8, 1]
    assert config.input[0].data_type == 11  # TYPE_FP32 of Triton's own enumeration
    assert config.dynamic_batching.preferred_batch_size == [8]
    with pytest.raises(triton.InferenceServerException, match="got 'dogs'"):
        client.get_model_config("dogs")


def test_triton_client_reads_how_often_a_model_was_asked(
    client: Any, images: Any
) -> None:
    client.infer("pets", [tensor(images)], "1")
    with pytest.raises(triton.InferenceServerException):
        client.infer("pets", [tensor(images[:, :7])], "1")
    (found,) = client.get_inference_statistics("pets", "1").model_stats
    assert (found.inference_count, found.execution_count) == (3, 1)
    assert found.inference_stats.success.count == 1
    assert found.inference_stats.success.ns >= found.inference_stats.compute_infer.ns
    assert found.inference_stats.fail.count == 1
    assert found.last_inference > 1_600_000_000_000
    names = [(s.name, s.version) for s in client.get_inference_statistics().model_stats]
    assert names == [("pets", "1"), ("pets", "2")]


def test_triton_client_streams_and_is_answered_in_order(
    client: Any, images: Any
) -> None:
    found: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: found.put((result, error)))
    sizes = [1 + n % 3 for n in range(150)]  # more than may run ahead
    for n, size in enumerate(sizes):
        client.async_stream_infer(
            "pets", [tensor(images[:size])], "1", request_id=str(n)
        )
    bad = tensor(images[:, :7])
    client.async_stream_infer("pets", [bad], "1", request_id="bad")
    client.async_stream_infer("pets", [tensor(images)], "1", request_id="last")
    expected = small_model().predict(images)
    for n, size in enumerate(sizes):
        result, error = found.get(timeout=30)
        assert error is None
        assert result.get_response().id == str(n)
        np.testing.assert_allclose(result.as_numpy("dense"), expected[:size], 1e-5)
    result, error = found.get(timeout=30)
    assert result is None
    assert "must have shape" in error.message()
    result, error = found.get(timeout=30)
    assert result.get_response().id == "last"
    client.stop_stream()


def test_a_stream_without_the_token_is_refused(run_grpc: Any, images: Any) -> None:
    source = Source(name="pets", origin=small_model())
    address, _ = run_grpc([source], token="secret")
    found: queue.Queue[Any] = queue.Queue()
    with triton.InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: found.put((result, error)))
        result, error = found.get(timeout=30)
    assert result is None
    assert "Authorization must be" in error.message()


@pytest.mark.parametrize(
    ("ask_for", "reason"),
    [
        (lambda c: c.get_system_shared_memory_status(), "another process's memory"),
        (lambda c: c.get_cuda_shared_memory_status(), "another process's memory"),
        (lambda c: c.get_trace_settings(), "there are no traces"),
        (lambda c: c.get_log_settings(), "said at the start"),
    ],
)
def test_what_is_not_answered_says_why(client: Any, ask_for: Any, reason: str) -> None:
    with pytest.raises(triton.InferenceServerException, match=reason) as refused:
        ask_for(client)
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"
