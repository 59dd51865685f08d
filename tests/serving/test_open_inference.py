"""The Open Inference Protocol: clients of others, and every way to get it wrong."""

from __future__ import annotations

import gzip
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from serving_models import png, small_model
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.serving import Log, Source, create_app, tensors
from pellucid.serving.errors import RequestError

URL = "/v2/models/pets/infer"
LENGTH = "Inference-Header-Content-Length"


def document(images: Any, **changes: Any) -> dict[str, Any]:
    entry = {
        "name": "input",
        "shape": list(images.shape),
        "datatype": "FP32",
        "data": images.ravel().tolist(),
        **changes,
    }
    return {"inputs": [{k: v for k, v in entry.items() if v is not None}]}


def binary(images: Any, header: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(header).encode()
    return text + images.tobytes(), {LENGTH: str(len(text))}


def refusal(response: Any, status: int = 400) -> str:
    """The sentence of a refusal; there is nothing else in it."""
    assert response.status_code == status, response.text
    body = response.json()
    assert list(body) == ["error"]
    assert "Traceback" not in body["error"]
    return str(body["error"])


def test_json_tensors_give_what_the_model_gives(
    client: TestClient, model: pl.Model, images: Any
) -> None:
    body = client.post(URL, json={**document(images), "id": "seven"}).json()
    assert body["id"] == "seven"
    assert body["model_name"] == "pets"
    output = body["outputs"][0]
    assert (output["name"], output["datatype"]) == ("dense", "FP32")
    assert output["shape"] == [3, 3]
    np.testing.assert_array_equal(
        np.float32(output["data"]).reshape(3, 3), model.predict(images)
    )


def test_nested_json_is_as_good_as_flat(client: TestClient, images: Any) -> None:
    flat = client.post(URL, json=document(images)).json()
    nested = client.post(URL, json=document(images, data=images.tolist())).json()
    assert flat == nested


def test_binary_tensors_give_what_the_model_gives(
    client: TestClient, model: pl.Model, images: Any
) -> None:
    head = document(images, data=None, parameters={"binary_data_size": images.nbytes})
    head["parameters"] = {"binary_data_output": True}
    body, headers = binary(images, head)
    response = client.post(URL, content=body, headers=headers)
    at = int(response.headers[LENGTH])
    answer = json.loads(response.content[:at])
    assert answer["outputs"][0]["parameters"] == {"binary_data_size": 36}
    np.testing.assert_array_equal(
        np.frombuffer(response.content[at:], "<f4").reshape(3, 3),
        model.predict(images),
    )


@pytest.mark.parametrize("datatype", ["FP16", "FP64", "UINT8"])
def test_other_types_are_taken_as_predict_takes_them(
    client: TestClient, model: pl.Model, datatype: str
) -> None:
    values = np.arange(64).reshape(1, 8, 8, 1).astype(tensors.DTYPES[datatype])
    head = document(
        values,
        data=None,
        datatype=datatype,
        parameters={"binary_data_size": values.nbytes},
    )
    body, headers = binary(values, head)
    answer = client.post(URL, content=body, headers=headers).json()
    np.testing.assert_allclose(
        answer["outputs"][0]["data"], model.predict(values)[0], rtol=1e-6
    )


def test_pictures_come_as_byte_strings(client: TestClient, model: pl.Model) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    content = png(pixels)
    blob = struct.pack("<I", len(content)) + content
    header = {
        "inputs": [
            {
                "name": "input",
                "shape": [1],
                "datatype": "BYTES",
                "parameters": {"binary_data_size": len(blob)},
            }
        ]
    }
    text = json.dumps(header).encode()
    response = client.post(URL, content=text + blob, headers={LENGTH: str(len(text))})
    np.testing.assert_array_equal(
        np.float32(response.json()["outputs"][0]["data"]),
        model.predict(pixels[None, ..., None])[0],
    )


def test_classification_names_the_best_classes(
    client: TestClient, model: pl.Model, images: Any
) -> None:
    wanted = [{"name": "dense", "parameters": {"classification": 2}}]
    body = client.post(URL, json={**document(images), "outputs": wanted}).json()
    output = body["outputs"][0]
    assert output["shape"] == [3, 2]
    value, index, name = output["data"][0].split(":")
    best = int(model.predict(images)[0].argmax())
    assert (int(index), name) == (best, model.classes[best])
    assert float(value) == pytest.approx(model.predict(images)[0].max(), abs=1e-6)


def test_no_images_give_no_rows(client: TestClient) -> None:
    empty = np.zeros((0, 8, 8, 1), np.float32)
    output = client.post(URL, json=document(empty)).json()["outputs"][0]
    assert (output["shape"], output["data"]) == ([0, 3], [])


def test_compressed_requests_are_read(client: TestClient, images: Any) -> None:
    body = json.dumps(document(images)).encode()
    packed = client.post(
        URL, content=gzip.compress(body), headers={"Content-Encoding": "gzip"}
    )
    assert packed.json() == client.post(URL, content=body).json()


def test_tritonclient_works_as_it_is(
    run_app: Any, model: pl.Model, images: Any
) -> None:
    http = pytest.importorskip("tritonclient.http")
    app = create_app([Source(name="pets", origin=model)], log=Log("none"))
    with http.InferenceServerClient(run_app(app)) as triton:
        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready("pets", "1")
        assert triton.get_server_metadata()["name"] == "pellucid"
        meta = triton.get_model_metadata("pets")
        assert meta["inputs"][0]["shape"] == [-1, 8, 8, 1]
        assert triton.get_model_config("pets")["max_batch_size"] == 1024
        given = http.InferInput("input", [3, 8, 8, 1], "FP32")
        for is_binary in (True, False):
            given.set_data_from_numpy(images, binary_data=is_binary)
            asked = [http.InferRequestedOutput("dense", binary_data=is_binary)]
            result = triton.infer(
                "pets", [given], outputs=asked, request_compression_algorithm="gzip"
            )
            np.testing.assert_array_equal(
                result.as_numpy("dense"), model.predict(images)
            )
        triton.load_model("pets")
        assert triton.get_inference_statistics("pets")["model_stats"]
        triton.unload_model("pets")
        assert triton.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
        with pytest.raises(http.InferenceServerException, match="must be one that is"):
            triton.infer("pets", [given])
        triton.load_model("pets")
        assert triton.is_model_ready("pets")


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"name": "picture"}, r"the input's name must be 'input'; got 'picture'"),
    ({"name": None}, r"the input's name must be 'input'; got None"),
    ({"shape": [3, 8, 8, 2]}, r"must fill shape \[3, 8, 8, 2\]"),
    ({"shape": [3, 64]}, r"images must have shape \(N, 8, 8, 1\); got shape=\(3, 64\)"),
    ({"shape": [-1, 8, 8, 1]}, r"list of integers from 0; got \[-1, 8, 8, 1\]"),
    ({"shape": [True, 8, 8, 3]}, r"list of integers from 0"),
    ({"shape": "3"}, r"list of integers from 0; got '3'"),
    ({"shape": None}, r"list of integers from 0; got None"),
    ({"shape": [10**30]}, r"must be one that fits"),
    ({"shape": [1] * 9}, r"list of integers from 0"),
    ({"datatype": "INT4"}, r"datatype of input 'input' must be UINT8"),
    ({"datatype": ["FP32"]}, r"datatype of input 'input' must be UINT8"),
    ({"datatype": "BYTES"}, r"pictures as binary data of shape \[N\]"),
    ({"datatype": "UINT8"}, r"integers from 0 to 255"),
    ({"data": None}, r"data of input 'input' must be a list; got None"),
    ({"data": "zeros"}, r"data of input 'input' must be a list; got 'zeros'"),
    ({"data": [0.0]}, r"must fill shape \[3, 8, 8, 1\]; got shape \[1\]"),
    ({"data": [[0.0], [0.0, 1.0]]}, r"lists of one length on each level"),
    ({"data": ["a"] * 192}, r"must be numbers; got str"),
    ({"data": [None] * 192}, r"must be numbers; got object"),
    ({"data": [True] * 192}, r"must be numbers; got bool"),
    ({"data": [1e39] * 192}, r"images must be finite"),
    ({"parameters": []}, r"'parameters' must be an object"),
    ({"parameters": {"binary_data_size": 5}}, r"either data or binary_data_size"),
    ({"parameters": {"binary_data_size": -1}}, r"must be an integer from 0; got -1"),
    ({"parameters": {"binary_data_size": "5"}}, r"must be an integer from 0; got '5'"),
]


@pytest.mark.parametrize(("changes", "sentence"), MALFORMED)
def test_a_malformed_input_is_refused_with_a_sentence(
    client: TestClient, images: Any, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        raise ValueError(refusal(client.post(URL, json=document(images, **changes))))


BODIES: list[tuple[bytes, str]] = [
    (b"", "the body must be JSON"),
    (b"{", "the body must be JSON"),
    (b"\xff\xfe", "the body must be JSON"),
    (b"[]", "the body must be a JSON object; got list"),
    (b"null", "must be a JSON object; got NoneType"),
    (b"{}", "'inputs' must be a list of one input; got None"),
    (b'{"inputs": []}', "'inputs' must be a list of one input; got 0"),
    (b'{"inputs": [1]}', "an input must be an object; got 1"),
    (b'{"inputs": [{}, {}]}', "must be a list of one input; got 2"),
    (b'{"inputs": [{"data": [NaN]}]}', "numbers in JSON must be finite; got NaN"),
    (b'{"id": 7, "inputs": []}', "'id' must be a text; got 7"),
    (b'{"inputs": ' + b"[" * 40 + b"]" * 40 + b"}", "nested at most 16 deep; got 41"),
    (b"[" * 100_000, "nested at most 16 deep; got 100000"),
]


@pytest.mark.parametrize(("body", "sentence"), BODIES)
def test_a_body_that_is_no_request_is_refused_with_a_sentence(
    client: TestClient, body: bytes, sentence: str
) -> None:
    assert sentence in refusal(client.post(URL, content=body))


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        ("dense", "'outputs' must be a list of one output"),
        ([{}, {}], "'outputs' must be a list of one output"),
        ([{"name": "softmax"}], "the output's name must be 'dense'"),
        ([7], "the output's name must be 'dense'"),
        ([{"name": "dense", "parameters": {"binary_data": 1}}], "must be true or"),
        ([{"name": "dense", "parameters": {"classification": -1}}], "number of"),
    ],
)
def test_an_output_that_is_not_there_is_refused(
    client: TestClient, images: Any, outputs: Any, sentence: str
) -> None:
    body = {**document(images), "outputs": outputs}
    assert sentence in refusal(client.post(URL, json=body))


@pytest.mark.parametrize("length", ["abc", "-1", "99999999", "9" * 30])
def test_a_wrong_length_of_the_header_is_refused(
    client: TestClient, length: str
) -> None:
    response = client.post(URL, content=b"{}", headers={LENGTH: length})
    assert "must be the length of the JSON" in refusal(response)


def test_binary_data_that_is_cut_off_is_refused(
    client: TestClient, images: Any
) -> None:
    head = document(images, data=None, parameters={"binary_data_size": images.nbytes})
    body, headers = binary(images, head)
    cut = client.post(URL, content=body[:-5], headers=headers)
    assert "as many bytes as binary_data_size says; got 763" in refusal(cut)


def test_nan_in_binary_data_is_refused(client: TestClient, images: Any) -> None:
    images[1, 2, 3, 0] = np.nan
    head = document(images, data=None, parameters={"binary_data_size": images.nbytes})
    body, headers = binary(images, head)
    response = client.post(URL, content=body, headers=headers)
    assert "images must be finite" in refusal(response)


@pytest.mark.parametrize(
    "path", ["/v2/models/nope/infer", "/v2/models/pets/versions/7/infer"]
)
def test_an_unknown_model_is_not_found(client: TestClient, path: str) -> None:
    response = client.post(path, json={"inputs": []})
    assert "model must be one that is loaded (pets)" in refusal(response, 404)


def test_other_methods_are_not_allowed(client: TestClient) -> None:
    response = client.get(URL)
    assert "the method must be POST; got GET" in refusal(response, 405)
    assert response.headers["allow"] == "POST"


def test_too_many_images_are_refused(client: TestClient) -> None:
    many = np.zeros((1025, 8, 8, 1), np.uint8)
    head = document(
        many, data=None, datatype="UINT8", parameters={"binary_data_size": many.nbytes}
    )
    body, headers = binary(many, head)
    response = client.post(URL, content=body, headers=headers)
    assert "at most 1024 images; got 1025" in refusal(response, 413)


@given(data=st.data())
@settings(max_examples=examples(150), deadline=None)
def test_no_bytes_bring_the_binary_extension_down(data: st.DataObject) -> None:
    header = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["input", "x", 3]),
                "datatype": st.sampled_from([*tensors.DTYPES, "BYTES", "BOOL", 5]),
                "shape": st.one_of(st.none(), st.lists(st.integers(-2, 9), max_size=9)),
                "parameters": st.one_of(
                    st.none(),
                    st.fixed_dictionaries({"binary_data_size": st.integers(-3, 300)}),
                ),
                "data": st.one_of(st.none(), st.lists(st.floats(), max_size=9)),
            },
        )
    )
    text = json.dumps({"inputs": [header]}).encode()
    blob = data.draw(st.binary(max_size=300))
    length = data.draw(st.sampled_from([len(text), 0, len(text) + len(blob), 10**6]))
    response = fuzzed().post(URL, content=text + blob, headers={LENGTH: str(length)})
    assert response.status_code in (200, 400, 413), response.text
    if response.status_code != 200:
        assert list(response.json()) == ["error"]


_FUZZED: list[TestClient] = []


def fuzzed() -> TestClient:
    """One app for all of hypothesis's examples."""
    if not _FUZZED:
        app = create_app([Source(name="pets", origin=small_model())], log=Log("none"))
        client = TestClient(app, base_url="http://127.0.0.1")
        _FUZZED.append(client.__enter__())
    return _FUZZED[0]


@pytest.fixture(scope="module", autouse=True)
def close_fuzzed() -> Any:
    yield
    while _FUZZED:
        _FUZZED.pop().__exit__(None, None, None)


@given(
    texts=st.lists(st.binary(max_size=20), max_size=5),
    junk=st.binary(max_size=9),
)
def test_byte_strings_come_back_or_are_refused(texts: list[bytes], junk: bytes) -> None:
    blob = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    assert tensors.byte_strings("input", blob, len(texts)) == texts
    if junk:
        with pytest.raises(RequestError, match="each after its length"):
            tensors.byte_strings("input", blob + junk, len(texts))
