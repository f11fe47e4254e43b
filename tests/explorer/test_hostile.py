"""Hostile corpora, labels, names and texts: on no page do they become markup, and no name reaches a file."""

from __future__ import annotations

import csv
import io
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.pages.registry import PAGES
from support.crawling import crawl, parse
from support.explored import SETTINGS
from support.hostile import HOSTILE, make_hostile_study

FORBIDDEN = {"img", "iframe", "object", "embed", "base", "style", "blink", "video", "audio", "math"}
URLS = ("href", "src", "action", "formaction", "hx-get", "hx-post", "data-chart")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = make_hostile_study(tmp_path_factory.mktemp("hostile"))
    with TestClient(create_app(collect([folder]), SETTINGS)) as client:
        yield client


def require_harmless(address: str, html: str) -> None:
    """Check that a page has no element, attribute or address that its templates did not write."""
    for element in parse(html).elements:
        where = f"{address}: {element}"
        assert element.tag not in FORBIDDEN, where
        assert not [name for name in element.attributes if name.startswith("on")], where
        assert "style" not in element.attributes, where
        for name in URLS:
            value = element.attributes.get(name, "/")
            assert value.startswith(("/", "?", "#", "data:,")), where
            assert not value.startswith("//"), where
        if element.tag == "script":
            is_file = element.attributes.get("src", "").startswith("/static/")
            assert is_file or element.attributes.get("type") == "importmap", where
        if element.tag == "svg":
            assert not element.attributes.keys() & {"onload", "href", "xlink:href"}, where


def require_safe_answer(address: str, answer: Any) -> None:
    """Check an answer of any form."""
    assert answer.status_code in (200, 303, 404, 422, 429), (address, answer.status_code, answer.text[:300])
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind == "text/html":
        require_harmless(address, answer.text)
        assert not any(ord(sign) < 32 and sign not in "\n\t\r" for sign in answer.text), address
        assert "\u202e" not in answer.text, address
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    elif kind == "application/json":
        json.loads(answer.content)
    elif kind == "text/csv":
        cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "\t"))], address
    elif kind == "image/svg+xml":
        for part in ElementTree.fromstring(answer.content).iter():
            assert not part.tag.endswith(("script", "foreignObject", "image", "}a")), address
            assert not [name for name in part.attrib if name.startswith("on") or name.endswith("href")], address


def test_nothing_that_can_be_reached_becomes_markup(hostile: TestClient) -> None:
    asked = []
    for address, answer in crawl(hostile, text=HOSTILE[0] + HOSTILE[1]):
        asked.append(address.partition("?")[0])
        require_safe_answer(address, answer)
        if answer.headers.get("content-type", "").startswith("text/html"):
            data = hostile.get(address, headers={"accept": "application/json"})
            require_safe_answer(address, data)
    assert {f"/{kind.name}" for kind in PAGES if kind.title} <= set(asked)
    assert {Path(path).suffix for path in asked} >= {"", ".csv", ".json"}


def test_hostile_names_are_shown_as_they_are(hostile: TestClient) -> None:
    page = hostile.get("/overview")
    text = parse(page.text).text
    for shown in (
        "<script>alert(3)<",
        '"><img src=x onerror=alert(1)>',
        "\\u202e\\x1b[31m\\n",
        "\\udcff\\udcfe<blink>",
    ):
        assert shown in text
    assert "<img src=x onerror=alert(4)>" in text
    assert "&lt;script&gt;alert(3)&lt;" in page.text


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind.name)
def test_hostile_values_of_an_address_are_an_error_or_text(hostile: TestClient, kind: Any) -> None:
    names = [name for name, field in kind.query.model_fields.items()]
    for name in names:
        for value in HOSTILE:
            address = f"/{kind.name}?{urlencode({name: value})}"
            require_safe_answer(address, hostile.get(address))
    require_safe_answer(kind.name, hostile.get(f"/{kind.name}.json?{urlencode({names[0]: HOSTILE[0]})}"))
    for text in HOSTILE:
        address = f"/{kind.name}/embed/{quote(text, safe='')}"
        require_safe_answer(address, hostile.get(address))
    address = f"/{kind.name}?store=%ED%A0%80&pin=%FF%FE"
    require_safe_answer(address, hostile.get(address))


PATHS = (
    "../study.toml",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "....//....//etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1:1/x.zarr",
    "\\\\host\\share",
    "a\x00.parquet",
    "~/.ssh/id_rsa",
)


def test_no_value_of_an_address_is_opened(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.get("/overview")
    opened: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir", "socket.connect") and watching:
            opened.append(str(arguments[0]))

    watching = True
    sys.addaudithook(watch)
    for kind in PAGES:
        for name in kind.query.model_fields:
            for path in PATHS:
                client.get(f"/{kind.name}?{urlencode({name: path})}")
    for path in PATHS:
        assert client.get(f"/static/{quote(path, safe='')}").status_code in (404, 405)
        assert client.get(f"/static/{quote('../' + path)}").status_code in (404, 405)
    watching = False
    assert not [
        path for path in opened if "passwd" in path or "ssh" in path or "share" in path or "127.0" in path
    ]


def test_no_request_unpickles(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def guarded(function: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            caller = sys._getframe(1).f_globals["__name__"]
            # Numba reads its own cache of compiled code this way
            assert caller.startswith("numba."), f"{caller} unpickles"
            return function(*arguments, **keywords)

        return call

    for name in ("load", "loads"):
        monkeypatch.setattr(pickle, name, guarded(getattr(pickle, name)))
    answers = [answer.status_code for _, answer in crawl(client, text="the dog sleeps .")]
    assert len(answers) > 10
    assert 500 not in answers


def test_limits_on_lengths(client: TestClient) -> None:
    for kind in PAGES:
        for name, field in kind.query.model_fields.items():
            if field.annotation is str:
                address = f"/{kind.name}?{urlencode({'store': 'activations/nlm-1--test', name: 'x' * 50_000})}"
                status = client.get(address).status_code
                # the page shows the text that was typed; the fragment that would run the model refuses it
                is_shown = kind.name in ("text", "edit") and name in ("text", "source", "pair")
                assert status == 200 if is_shown else status in (404, 422), (kind.name, name, status)
