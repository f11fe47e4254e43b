"""The search page: its numbers are those of onegrain.search, and long searches show how far they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
from starlette.testclient import TestClient

from onegrain.activations.extraction.extract import extract
from onegrain.errors import OnegrainError
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import Collection
from onegrain.explorer.errors import BusyError
from onegrain.explorer.pages.registry import NAVIGATION
from onegrain.explorer.pages.search import SearchQuery, found
from onegrain.explorer.searches import MOST_KEPT, Search, Searches
from onegrain.explorer.settings import Settings
from onegrain.explorer.state import Explorer
from onegrain.records.concept_search import MEASURES
from onegrain.records.corpus import Corpus
from onegrain.searching import search
from support.tiny import plain_corpus, tiny_nlm


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    root = tmp_path_factory.mktemp("search")
    tiny_nlm(root / "models" / "nlm")
    extract(root / "models/nlm", plain_corpus(), root / "a.zarr")
    words = [["<script>x()</script>", "\u202eevil", "plain"]] * 4
    tags = [["<b>", "x", "same"]] * 4
    hostile = Corpus.from_sentences(words, {"tag": tags, "other": [["same", "x", "y"]] * 4})
    extract(root / "models/nlm", hostile, root / "b.zarr")
    return collect([root])


@pytest.fixture(scope="module")
def client(collection: Collection) -> Iterator[TestClient]:
    with TestClient(create_app(collection, Settings(hosts=("testserver",)))) as client:
        yield client


def get(client: TestClient, status: int = 200, **values: Any) -> Any:
    answer = client.get(f"/search.json?{urlencode({'store': 'a', **values})}")
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("values", "concept"),
    [
        ({"words": "the  The dog"}, {"words": ["the", "The", "dog"]}),
        ({"regex": "[a-z]+s"}, {"regex": "[a-z]+s"}),
        ({"label": "d"}, {"label": "d"}),
        ({"label": "3", "layer": "length"}, {"label": "3", "layer": "length"}),
    ],
)
def test_numbers_are_those_of_search(
    client: TestClient, collection: Collection, values: dict[str, str], concept: dict[str, Any]
) -> None:
    expected = search(collection.store("a"), **concept)
    data = get(client, **values)
    assert data["concept"]["words"] == expected.concept.words
    assert data["concept"]["examples"] == list(expected.concept.examples)
    assert data["significant"] == expected.n_significant
    order = expected.order()
    assert [row["neuron"] for row in data["rows"]] == [expected.space.name(int(n)) for n in order[:50]]
    for measure in MEASURES:
        if measure != "p":
            assert [row[measure] for row in data["rows"]] == getattr(expected, measure)[order[:50]].tolist()
    listed = {figure["name"]: figure for figure in data["figures"]}["neurons"]["table"]
    assert [row[0] for row in listed["rows"]] == expected.top(len(order))
    assert [row[-1] for row in listed["rows"]] == expected.q[order].tolist()


def test_orders_and_signs(client: TestClient, collection: Collection) -> None:
    expected = search(collection.store("a"), words=["."])
    for by, signs in (
        ("auroc", expected.sign),
        ("iou", expected.iou_sign),
        ("standardised_difference", np.sign(expected.standardised_difference)),
    ):
        order = expected.order(by)
        for sign, wanted in (("high", 1), ("low", -1)):
            data = get(client, words=".", by=by, sign=sign)
            chosen = [expected.space.name(int(n)) for n in order if signs[n] == wanted]
            assert [row["neuron"] for row in data["rows"]] == chosen[:50]
            assert data["paging"]["total"] == len(chosen)


def test_links_lead_to_the_neuron_and_to_its_text(client: TestClient) -> None:
    row = get(client, words="dog bird", pin="layers.0:1")["rows"][0]
    assert row["address"] == f"/neuron?store=a&pin=layers.0%3A1&neuron={row['neuron'].replace(':', '%3A')}"
    text = parse_qs(urlsplit(row["text"]).query)
    assert text["filter"] == ["word=dog", "word=bird"]
    assert text["sort"] == ["max" if row["sign"] > 0 else "min"]
    assert text["pin"] == [row["neuron"]]
    assert client.get(row["text"]).status_code == 200
    page = client.get("/search?store=a&words=dog").text
    assert f'aria-label="Pin {row["neuron"]}"' in page
    assert "data-search-box" in page
    assert "style=" not in page


def test_figures_have_files(client: TestClient) -> None:
    for name, forms in (
        ("distribution", ("csv", "json", "svg", "png")),
        ("sites", ("csv", "svg")),
        ("neurons", ("csv", "json")),
    ):
        for form in forms:
            answer = client.get(f"/search/figure/{name}.{form}?store=a&words=dog")
            assert answer.status_code == 200, (name, form)
    assert client.get("/search/embed/distribution?store=a&words=dog").status_code == 200


def test_hostile_words_and_labels_are_text(client: TestClient) -> None:
    for query in (
        {"words": "<script>x()</script>"},
        {"regex": ".*script.*"},
        {"label": "<b>"},
        {"label": "x", "layer": "tag"},
        {},
    ):
        answer = client.get(f"/search?{urlencode({'store': 'b', **query})}")
        assert answer.status_code == 200
        assert "<script>x" not in answer.text
        assert "<b>" not in answer.text
        assert "\u202e" not in answer.text
    assert "&lt;b&gt;" in client.get("/search?store=b&label=<b>").text


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"words": "dog", "regex": "a"}, 422, "one of words, regex or label"),
        ({"layer": "length"}, 422, "one of words, regex or label"),
        ({"words": "zebra"}, 422, "belongs to"),
        ({"regex": ".*"}, 422, "no words to compare"),
        ({"regex": "("}, 422, "not a regular expression"),
        ({"label": "NOUN"}, 422, "no layer has the label"),
        ({"label": "NOUN", "layer": "upos"}, 422, "no label layer"),
        ({"words": "dog", "page": 99}, 404, "no page 99"),
        ({"words": "dog", "page": 0}, 422, "page"),
        ({"words": "dog", "sign": "up"}, 422, "sign"),
        ({"words": "dog", "by": "size"}, 422, "by"),
        ({"words": "a" * 4001}, 422, "words"),
    ],
)
def test_a_faulty_concept_gives_an_error_page(
    client: TestClient, values: dict[str, Any], status: int, message: str
) -> None:
    assert message in get(client, status, **values)["message"]
    assert 'class="error"' in client.get(f"/search?{urlencode({'store': 'a', **values})}").text


def test_a_label_of_several_layers_needs_its_layer(client: TestClient) -> None:
    assert "several layers have the label" in get(client, 422, store="b", label="same")["message"]
    assert get(client, store="b", label="same", layer="other")["concept"]["layer"] == "other"


def test_a_running_search_shows_how_far_it_is(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    def slow(activations: Any, *, progress: Any, **concept: Any) -> Any:
        with progress("search", 32, "neurons") as advance:
            advance(5)
            goes_on.wait(30)
        return search(activations, **concept)

    monkeypatch.setattr("onegrain.explorer.pages.search.search_store", slow)
    explorer = Explorer(collection, Settings(), NAVIGATION)
    query = SearchQuery(store="a", words="dog")
    page = found(explorer, query)
    assert page.concept is None
    assert page.poll == "/found?store=a&words=dog"
    while page.running is not None and not page.running.done:
        page = found(explorer, query)
    assert page.running is not None
    assert (page.running.done, page.running.total) == (5, 32)
    second = found(explorer, SearchQuery(store="a", words="fire"))
    assert second.running is not None
    with pytest.raises(BusyError, match="2 searches run already"):
        found(explorer, SearchQuery(store="a", words="soup"))
    goes_on.set()
    while page.running is not None:
        page = found(explorer, query)
    assert page.concept is not None
    assert page.concept.value == "dog"


def test_results_are_kept_and_failures_are_not(collection: Collection) -> None:
    searches, made = Searches(), []

    def find(progress: Any) -> Any:
        made.append(1)
        return search(collection.store("a"), words="dog")

    first = searches.begin("dog", find).wait(30)
    assert searches.begin("dog", find).wait(30) is first
    assert len(made) == 1

    def fail(progress: Any) -> Any:
        made.append(1)
        raise ZeroDivisionError("no words")

    for _ in range(2):
        with pytest.raises(OnegrainError, match="the search failed: no words"):
            searches.begin("nothing", fail).wait(30)
    assert len(made) == 3
    for number in range(MOST_KEPT + 3):
        searches.begin(number, find).wait(30)
    assert len(searches._searches) <= MOST_KEPT


def test_a_search_that_nobody_asks_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onegrain.explorer.searches.ABANDONED_SECONDS", -1.0)

    def find(progress: Any) -> Any:
        with progress("search", 2, "neurons") as advance:
            advance(1)
        raise AssertionError("the search went on")

    abandoned = Search(find)
    with pytest.raises(OnegrainError, match=r"the search failed: $"):
        abandoned.wait(30)
