"""Answers: ETags and their nonces, compression, figures as files, embedding, and errors in every form."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from onegrain.errors import ParameterError, RecordError, StorageError
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import Collection
from onegrain.explorer.errors import BusyError
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.rendering import figure_document
from onegrain.explorer.responses import figure_response
from onegrain.explorer.settings import Settings
from onegrain.reports.rendering.drawings import (
    Bars,
    Histogram,
    IntervalRow,
    Intervals,
    Mark,
    Matrix,
    Sparkline,
    StripRow,
    Strips,
)
from support import records
from support.explored import SETTINGS

NONCE = re.compile(r"'nonce-([^']+)'")


def nonce_of(policy: str) -> str:
    match = NONCE.search(policy)
    assert match is not None
    return match[1]


RAISED = {
    "busy": BusyError("four sweeps are waiting"),
    "bad": ParameterError("k is <b>too</b> large"),
    "damaged": RecordError("a.parquet is damaged"),
    "failed": StorageError("the disk is full"),
    "unexpected": KeyError("/home/someone/secret"),
}


@pytest.fixture(scope="module")
def failing(collection: Collection) -> TestClient:
    """A client of an application with an address for each kind of error."""
    app = create_app(collection, SETTINGS)

    @app.get("/fail/{name}")
    def fail(name: str) -> None:
        raise RAISED[name.removesuffix(".json")]

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("address", ["/overview", "/overview.json"])
def test_an_unchanged_page_answers_304(client: TestClient, address: str) -> None:
    first = client.get(address)
    assert first.status_code == 200
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        again = client.get(address, headers={"if-none-match": known})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == etag
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200
    assert client.get(f"{address}?pin=layers.0%3A1").headers["etag"] != etag


def test_the_nonce_of_a_kept_page_is_that_of_its_new_headers(client: TestClient) -> None:
    first = client.get("/overview")
    nonce = nonce_of(first.headers["content-security-policy"])
    assert f'nonce="{nonce}"' in first.text
    again = client.get("/overview", headers={"if-none-match": first.headers["etag"]})
    assert nonce_of(again.headers["content-security-policy"]) == nonce
    other = client.get("/overview?pin=layers.0%3A1")
    assert nonce_of(other.headers["content-security-policy"]) != nonce


def test_a_fragment_and_a_page_of_one_address_are_kept_apart(client: TestClient) -> None:
    page, part = client.get("/answers"), client.get("/answers", headers={"hx-request": "true"})
    assert page.headers["etag"] != part.headers["etag"]
    assert page.headers["vary"].lower().split(", ").count("hx-request") == 1


def test_the_etag_changes_with_the_records(study_copy: Path) -> None:
    opened = collect([study_copy])
    client = TestClient(create_app(opened, SETTINGS))
    etag = client.get("/overview").headers["etag"]
    added = study_copy / "added.parquet"
    records.curve().save(added)
    opened.add(added, "added")
    changed = client.get("/overview", headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    assert "added" in changed.text


def test_the_etags_of_two_processes_differ(study: Path) -> None:
    opened = collect([study])
    clients = [TestClient(create_app(opened, Settings(hosts=("testserver",)))) for _ in range(2)]
    assert len({client.get("/overview").headers["etag"] for client in clients}) == 2


def test_pages_are_compressed_for_browsers_that_can(client: TestClient) -> None:
    assert client.get("/overview", headers={"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.get("/overview", headers={"accept-encoding": "identity"}).headers


def test_the_data_of_a_page_are_its_fields(client: TestClient) -> None:
    data = client.get("/overview.json").json()
    assert data["title"] == "Tiny"
    assert data["query"] == {"store": "", "pin": []}
    assert [figure["name"] for figure in data["figures"]] == ["entries"]


def test_a_figure_is_its_table_as_csv_and_json(client: TestClient) -> None:
    text = client.get("/overview/figure/entries.csv")
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="entries.csv"' in text.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(text.text)))
    data = client.get("/overview/figure/entries.json").json()
    assert rows[0] == data["table"]["columns"]
    assert len(rows) - 1 == len(data["table"]["rows"]) == 20
    assert client.get("/overview/figure/entries.png").status_code == 404
    assert client.get("/overview/figure/other.csv").status_code == 404
    assert client.get("/overview/figure/entries.exe").status_code == 422


DRAWINGS = (
    Histogram((0.0, 1.0, 2.0), (3.0, 0.0), (Mark(0.5, "<mean>"),)),
    Strips((StripRow("<script>", 3, -1.0, 0.0, 0.5, 1.0, 2.0, 0.4),)),
    Intervals((IntervalRow("a&b", 1.0, 0.5, 1.5), IntervalRow("no interval", 2.0, soft=True)), "nats", 0.0),
    Bars((("=1+1", 2.0), ("\x1b[31m", -1.0)), "words"),
    Sparkline((1.0, math.nan, 2.0), (0.5, 0.5, 0.5), (2.0, 2.0, 2.5)),
    Matrix(("a", "b"), ("<c>",), ((1.0,), (math.nan,)), 0.0, "r"),
)


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: type(drawing).__name__)
def test_every_drawing_is_a_picture(drawing: object) -> None:
    figure = Figure("x", "A <title>", drawing, FigureTable(("a",), ((1,),)), "A <caption> & more")  # type: ignore[arg-type]
    svg = figure_response(figure, "svg")
    assert svg.media_type == "image/svg+xml"
    root = ElementTree.fromstring(bytes(svg.body))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [part for part in root.iter() if part.tag.endswith(("script", "foreignObject"))]
    png = bytes(figure_response(figure, "png").body)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(png[place : place + 4], "big") for place in (16, 20))
    assert width >= 300
    assert height >= 30
    assert "nan" not in figure_document(figure).lower()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_spreadsheet_runs_a_cell(start: str) -> None:
    table = FigureTable.of(("name", "value"), [(f"{start}cmd|'/C calc'!A0", -1.5)])
    row = list(csv.reader(io.StringIO(table.csv(), newline="")))[1]
    assert row == [f"'{start}cmd|'/C calc'!A0", "-1.5"]


def test_headings_of_a_table_are_no_formulas_either() -> None:
    table = FigureTable.of(("=1+1", "@x"), [])
    assert next(csv.reader(io.StringIO(table.csv()))) == ["'=1+1", "'@x"]


def test_an_embedded_figure_may_stand_in_a_frame_and_a_page_may_not(client: TestClient) -> None:
    embedded = client.get("/overview/embed/entries")
    assert "frame-ancestors" not in embedded.headers["content-security-policy"]
    assert "<script" not in embedded.text
    assert "frame-ancestors 'none'" in client.get("/overview").headers["content-security-policy"]
    assert client.get("/overview/embed/other").status_code == 404


ERRORS = [
    ("/nothing", 404, "Not here"),
    ("/overview?store=missing", 404, "Not here"),
    ("/overview?unknown=1", 422, "This address is not understood"),
    (f"/overview?store={'x' * 401}", 422, "This address is not understood"),
    (
        "/overview?" + "&".join(f"pin=a%3A{number}" for number in range(21)),
        422,
        "This address is not understood",
    ),
]


@pytest.mark.parametrize(("address", "status", "title"), ERRORS)
def test_errors_are_pages_fragments_and_data(client: TestClient, address: str, status: int, title: str) -> None:
    page = client.get(address)
    assert page.status_code == status
    assert f"<h1>{title}</h1>" in page.text
    assert page.headers["cache-control"] == "no-store"
    part = client.get(address, headers={"hx-request": "true"})
    assert part.status_code == status
    assert part.text.startswith('<div class="error" role="alert">')
    data = client.get(address, headers={"accept": "application/json"})
    assert data.status_code == status
    assert data.json()["error"] == title


def test_a_page_that_changes_nothing_takes_no_post(client: TestClient) -> None:
    refused = client.post("/overview")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET"
    assert "<h1>Not allowed</h1>" in refused.text


@pytest.mark.parametrize(
    ("name", "status", "title"),
    [
        ("busy", 429, "Busy"),
        ("bad", 422, "This cannot be shown"),
        ("damaged", 500, "This record cannot be read"),
        ("failed", 500, "This failed"),
        ("unexpected", 500, "This failed"),
    ],
)
def test_each_kind_of_error_has_its_status(failing: TestClient, name: str, status: int, title: str) -> None:
    page = failing.get(f"/fail/{name}")
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert f"<h1>{title}</h1>" in page.text
    assert "<b>" not in page.text
    assert "secret" not in page.text
    data = failing.get(f"/fail/{name}.json")
    assert (data.status_code, data.json()["error"]) == (status, title)
