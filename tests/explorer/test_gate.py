"""The gate: which hosts, origins and tokens may ask, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from onegrain.explorer.app import create_app
from onegrain.explorer.collection import Collection
from onegrain.explorer.security import content_policy
from onegrain.explorer.settings import Settings

TOKEN = "a-secret-token"


def app_with_post(collection: Collection, settings: Settings) -> FastAPI:
    """Return the application with one more address, which changes something."""
    app = create_app(collection, settings)
    app.post("/change")(lambda: "changed")
    return app


@pytest.fixture(scope="module")
def local(collection: Collection) -> Iterator[TestClient]:
    with TestClient(app_with_post(collection, Settings()), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture
def guarded(collection: Collection) -> Iterator[TestClient]:
    settings = Settings(token=TOKEN, hosts=("127.0.0.1", "lab"))
    with TestClient(
        app_with_post(collection, settings), base_url="http://lab:8765", follow_redirects=False
    ) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "[::1]:8765", "LOCALHOST:1"])
def test_this_machine_may_ask(local: TestClient, host: str) -> None:
    assert local.get("/overview", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "", "[", "a@b:c"]
)
def test_a_name_that_was_made_to_point_here_is_refused(local: TestClient, host: str) -> None:
    refused = local.get("/overview", headers={"host": host})
    assert refused.status_code == 403
    assert "default-src 'none'" in refused.headers["content-security-policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8765"},
        {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_its_own_pages_may_change_something(local: TestClient, headers: dict[str, str]) -> None:
    assert local.post("/change", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://127.0.0.1:8765.evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://[", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "cross-site"},
    ],
)
def test_other_sites_may_not(local: TestClient, headers: dict[str, str]) -> None:
    refused = local.post("/change", headers=headers)
    assert refused.status_code == 403
    assert "another site" in refused.text


def test_without_the_token_nothing_is_shown(guarded: TestClient) -> None:
    for address in ("/overview", "/overview.json", "/static/explorer.css", "/openapi.json", "/nothing"):
        for query in ("", "?token=", "?token=wrong", "?token=%ff", f"?token={TOKEN}x"):
            assert guarded.get(address + query).status_code == 401
    cookie = {"cookie": "onegrain-token=wrong"}
    assert guarded.get("/overview", headers=cookie).status_code == 401
    assert guarded.get("/overview", headers={"cookie": b"onegrain-token=\xe9; ;;=,"}).status_code == 401


def test_the_token_moves_into_a_cookie_of_this_site_alone(guarded: TestClient) -> None:
    moved = guarded.get(f"/overview?store=a+b&token={TOKEN}&pin=x%3A1&pin=y%3A2")
    assert moved.status_code == 303
    assert moved.headers["location"] == "/overview?store=a+b&pin=x%3A1&pin=y%3A2"
    cookie = moved.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    shown = guarded.get("/overview")
    assert shown.status_code == 200
    assert TOKEN not in shown.text
    assert TOKEN not in str({**shown.headers, "set-cookie": ""})


def test_the_way_on_stays_on_this_host(guarded: TestClient) -> None:
    moved = guarded.get(f"http://lab:8765//evil.example/a?token={TOKEN}")
    assert moved.headers["location"].startswith("/evil.example")


def test_with_a_token_addresses_as_numbers_are_hosts_and_other_names_are_not(guarded: TestClient) -> None:
    guarded.cookies.set("onegrain-token", TOKEN)
    for host in ("192.168.1.7:8765", "[2001:db8::1]:80", "lab"):
        assert guarded.get("/overview", headers={"host": host}).status_code == 200
    assert guarded.get("/overview", headers={"host": "evil.example"}).status_code == 403
    assert guarded.post("/change", headers={"origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize("address", ["/overview", "/overview.json", "/nothing", "/static/explorer.css"])
def test_every_answer_has_its_headers(local: TestClient, address: str) -> None:
    headers = local.get(address).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_policy_names_the_scripts_of_the_page() -> None:
    policy = content_policy("abc", ["sha384-x"], embedded=True)
    assert "script-src 'nonce-abc' 'sha384-x';" in policy
    assert "frame-ancestors" not in policy
    assert content_policy("abc").endswith("frame-ancestors 'none'")
