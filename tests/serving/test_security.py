"""Who may ask: tokens, hosts, origins, and what browsers are told."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from serving_models import small_model
from starlette.testclient import TestClient

from pellucid.errors import RunError
from pellucid.serving import Settings, Source


@pytest.fixture
def guarded(make_client: Any) -> TestClient:
    client: TestClient = make_client(
        [Source(name="pets", origin=small_model())], token="open sesame"
    )
    return client


def test_a_token_is_needed_to_listen_to_strangers() -> None:
    with pytest.raises(RunError, match="a token must be set to listen on anything"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", token="x").token == "x"
    assert Settings(host="0.0.0.0", is_insecure=True).token is None
    for host in ("127.0.0.1", "::1", "localhost"):
        assert Settings(host=host).is_loopback


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer open"},
        {"Authorization": "Basic open sesame"},
        {"Authorization": "open sesame"},
        {"Authorization": "Bearer \xe4"},
        {"Cookie": "pellucid_token=wrong"},
    ],
)
def test_without_the_token_nothing_is_answered(
    guarded: TestClient, headers: dict[str, str]
) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    for path in ("/v2", "/metrics", "/docs", "/v2/models/pets", "/nope"):
        response = guarded.get(path, headers=encoded)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert "must be 'Bearer' and the server's token" in response.json()["error"]


def test_with_the_token_everything_is(guarded: TestClient) -> None:
    headers = {"Authorization": "Bearer open sesame"}
    assert guarded.get("/v2/models/pets", headers=headers).status_code == 200


def test_health_needs_no_token(guarded: TestClient) -> None:
    assert guarded.get("/v2/health/live").json() == {"live": True}
    assert guarded.get("/v2/health/ready").json() == {"ready": True}


def test_another_name_of_this_machine_is_refused(client: TestClient) -> None:
    response = client.get("/v2", headers={"Host": "evil.example:8000"})
    assert response.status_code == 421
    assert "Host must be a name of this machine" in response.json()["error"]
    for host in (
        "localhost:8000",
        "127.0.0.1",
        "[::1]:8000",
        "LOCALHOST",
        "a.localhost",
    ):
        assert client.get("/v2", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "[::1].evil.com",
        "[::1",
        "::1",
        "[::1]evil",
        "[::1]:80@evil.com",
        "127.0.0.1:80@evil.com",
        "127.0.0.1:80:evil.com",
        "127.0.0.1.evil.com",
        "localhost.evil.com",
        "evil.com/localhost",
        "localhost@evil.com",
        "user@localhost",
        "127.1",
        "0.0.0.0",
        "",
        " ",
        "localhost:80a",
    ],
)
def test_a_host_is_read_whole_and_by_the_grammar(client: TestClient, host: str) -> None:
    response = client.get("/v2", headers={"Host": host})
    assert response.status_code == 421
    assert "Host must be a name of this machine" in response.json()["error"]


@pytest.mark.parametrize("name", ["Host", "Origin", "Authorization", "Sec-Fetch-Site"])
def test_what_decides_who_is_let_in_is_said_once(client: TestClient, name: str) -> None:
    first = "127.0.0.1" if name == "Host" else "none"
    response = client.get("/v2", headers=[(name, first), (name, "evil.example")])
    assert response.status_code == 400
    assert f"must have one header '{name.lower()}'" in response.json()["error"]


@pytest.mark.parametrize("origin", ["null", "evil://127.0.0.1:8000", "127.0.0.1:8000"])
def test_an_origin_has_a_scheme_of_the_web(client: TestClient, origin: str) -> None:
    assert client.get("/v2", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("token", ["geheim-ü", "密码", "a b"])
def test_a_token_may_be_any_text(make_client: Any, token: str) -> None:
    source = Source(name="pets", origin=small_model())
    client: TestClient = make_client([source], token=token)
    encodings = ["utf-8", "latin-1"] if token == "geheim-ü" else ["utf-8"]
    for encoding in encodings:
        headers = {"Authorization": b"Bearer " + token.encode(encoding)}
        assert client.get("/v2", headers=headers).status_code == 200
    cookie = {"Cookie": f"pellucid_token={quote(token)}"}
    assert client.get("/v2", headers=cookie).status_code == 200
    assert (
        client.get("/v2", headers={"Authorization": b"Bearer \xff"}).status_code == 401
    )


def test_pages_of_other_sites_are_refused(client: TestClient) -> None:
    refused = client.post("/predict", headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "no other site's page may use it" in refused.json()["error"]
    own = client.get("/v2", headers={"Origin": "http://127.0.0.1:8000"})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_other_sites_pages_load_is_refused(client: TestClient, site: str) -> None:
    picture = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    refused = client.get("/v2", headers=picture)
    assert refused.status_code == 403
    assert "Sec-Fetch-Site must be same-origin" in refused.json()["error"]
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert client.get("/docs", headers=link).status_code == 200
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert client.get("/v2", headers=own).status_code == 200


def test_pages_have_a_strict_policy(client: TestClient) -> None:
    headers = client.get("/docs").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/v2/models/..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_path_reaches_the_disk(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code in (404, 405)
    assert "import" not in response.text
    assert "root:" not in response.text


def test_a_load_says_no_path(client: TestClient) -> None:
    url = "/v2/repository/models/pets/load"
    response = client.post(url, json={"parameters": {"file:1/x": "aGk="}})
    assert response.status_code == 400
    assert "loading must be without parameters" in response.json()["error"]
