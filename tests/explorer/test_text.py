"""The text page: what it shows equals what Python says, and filters, orders and pages do what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.testclient import TestClient

from onegrain.activations.extraction.extract import extract
from onegrain.analyses.neurons.heat import heat
from onegrain.errors import ParameterError
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.expressions import matching
from onegrain.explorer.filters import matched_words, passing_sentences
from onegrain.explorer.sentences import sentence_scores
from onegrain.explorer.settings import Settings
from onegrain.explorer.state import Explorer
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from support.tiny import TRANSLATIONS, parallel_corpus, tiny_nmt

HOSTILE = ["<script>alert(1)</script>", "\u202eevil", "a\x1b[0m", '"><img src=x>', "'=1+1"]
PIN, OTHER_PIN = "encoder.layers.1:2", "encoder.layers.0:5"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    root = tmp_path_factory.mktemp("text")
    tiny_nmt(root / "models" / "nmt")
    parallel = parallel_corpus()
    extract(root / "models/nmt", parallel, root / "a-source.zarr", side="source", sites="encoder.layers.*")
    extract(root / "models/nmt", parallel, root / "b-target.zarr", side="target")
    hostile = Corpus.from_sentences([HOSTILE] * 45, {"tag": [["<b>", "x", "=y", "x", "x"]] * 45})
    extract(root / "models/nmt", hostile, root / "c-hostile.zarr", side="source", sites="encoder.layers.1")
    return collect([root])


@pytest.fixture(scope="module")
def client(collection: Collection) -> Iterator[TestClient]:
    with TestClient(create_app(collection, Settings(hosts=("testserver",)))) as client:
        yield client


def get(client: TestClient, page: str = "text", status: int = 200, **values: Any) -> Any:
    answer = client.get(f"/{page}.json?{urlencode(values, doseq=True)}")
    assert answer.status_code == status, answer.text
    return answer.json()


def mask(collection: Collection, text: str) -> np.ndarray:
    return matched_words(Explorer(collection), collection.entry("a-source"), text)


def words(collection: Collection, text: str) -> set[str]:
    corpus = collection.store("a-source").corpus
    return {corpus.words[number] for number in np.flatnonzero(mask(collection, text))}


def test_values_and_deviations_are_those_of_heat(client: TestClient, collection: Collection) -> None:
    store = collection.store("a-source")
    data = get(client, store="a-source", pin=[PIN, OTHER_PIN])
    maps = heat(store, [PIN, OTHER_PIN], range(store.corpus.n_sentences))
    assert [(n["name"], n["mean"], n["std"]) for n in data["neurons"]] == [
        (one.name, pytest.approx(one.mean, rel=1e-12), pytest.approx(one.std, rel=1e-12)) for one in maps
    ]
    for shown in data["sentences"]:
        start, stop = store.corpus.offsets[shown["number"] : shown["number"] + 2]
        values = store.take(np.arange(start, stop), [PIN, OTHER_PIN])
        assert [word["text"] for word in shown["words"]] == list(store.corpus.sentence(shown["number"]))
        assert [word["values"] for word in shown["words"]] == values.tolist()
        for column, one in enumerate(maps):
            deviations = one.sentences[shown["number"]].deviations
            assert [word["deviations"][column] for word in shown["words"]] == pytest.approx(
                deviations, rel=1e-11
            )


def test_colours_numbers_and_labels_stand_in_the_page(client: TestClient, collection: Collection) -> None:
    page = client.get(f"/text?store=a-source&pin={PIN}&layer=length").text
    store = collection.store("a-source")
    value = store.neuron(PIN)[0]
    assert f"old · 3&#10;{PIN}:" in page
    assert f"the · 3&#10;{PIN}: {value:.3g} (" in page
    assert "data-level=" in page
    assert "style=" not in page


def test_several_neurons_are_rows_of_cells_below_each_word(client: TestClient) -> None:
    page = client.get(f"/text?store=a-source&pin={PIN}&pin={OTHER_PIN}").text
    column = page.split('<li data-word tabindex="0"')[1].split("</li>")[0]
    assert column.count("<i") == 2
    assert column.index('class="w"') < column.index("<i")


def test_without_pins_neurons_are_suggested(client: TestClient) -> None:
    data = get(client, store="a-source")
    assert data["suggestions"][0]["neuron"] == "encoder.layers.0:0"
    assert "pin=encoder.layers.0%3A0" in data["suggestions"][0]["address"]
    assert "Pin a neuron" in client.get("/text?store=a-source").text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("word=dog", {"dog"}),
        ("word=Dog", set()),
        ("regex=.+ing", {"evening", "singing"} - {"evening"}),
        ("label=initial=d", {"dog", "does"}),
        ("label=d", {"dog", "does"}),
        ("position=0", {"the", "three", "Anna", "does", "rain", "two", "he"}),
        ("position=-1", {".", "?", "!"}),
        ("position=..0", {"the", "three", "Anna", "does", "rain", "two", "he"}),
    ],
)
def test_a_filter_passes_words(collection: Collection, text: str, expected: set[str]) -> None:
    assert words(collection, text) == expected


def test_filters_by_value(collection: Collection) -> None:
    store = collection.store("a-source")
    values = store.neuron(PIN).astype(np.float64)
    np.testing.assert_array_equal(
        mask(collection, f"value={PIN}=0.01..0.1"), (values >= 0.01) & (values <= 0.1)
    )
    deviations = (values - values.mean()) / values.std()
    np.testing.assert_array_equal(mask(collection, f"sd={PIN}=1.."), deviations >= 1)
    np.testing.assert_array_equal(mask(collection, f"sd={PIN}=..-0.5"), deviations <= -0.5)


def test_last_words_by_position(collection: Collection) -> None:
    corpus = collection.store("a-source").corpus
    expected = [word for sentence in corpus.sentences() for word in sentence[-3:]]
    chosen = mask(collection, "position=-3..-1")
    assert [corpus.words[number] for number in np.flatnonzero(chosen)] == expected


def test_filters_are_combined_for_one_word_or_for_the_sentence() -> None:
    corpus = Corpus.from_sentences([["a", "b"], ["a", "c"], [], ["b", "a"]])
    is_a = np.array([word == "a" for word in corpus.words])
    first = np.array([True, False, True, False, True, False])
    for match, sentences, marked in (
        ("all", [True, True, False, False], [0, 2]),
        ("any", [True, True, False, True], [0, 2, 4, 5]),
        ("each", [True, True, False, True], [0, 2, 4, 5]),
    ):
        passing, found = passing_sentences([is_a, first], corpus, match)  # type: ignore[arg-type]
        assert passing.tolist() == sentences
        assert np.flatnonzero(found).tolist() == marked
    passing, _ = passing_sentences([is_a, np.zeros(6, dtype=bool)], corpus, "each")
    assert not passing.any()


def test_sentences_are_sorted_by_a_neuron(client: TestClient, collection: Collection) -> None:
    store = collection.store("a-source")
    values, corpus = store.neuron(OTHER_PIN), store.corpus
    by_sentence = np.split(values.astype(np.float64), corpus.offsets[1:-1])
    for sort, score, reverse in (
        ("max", np.max, True),
        ("min", np.min, False),
        ("mean", np.mean, True),
        ("mean-low", np.mean, False),
    ):
        data = get(client, store="a-source", pin=[PIN, OTHER_PIN], sort=sort, by=OTHER_PIN)
        expected = sorted(range(8), key=lambda number: score(by_sentence[number]), reverse=reverse)
        assert [shown["number"] for shown in data["sentences"]] == expected
        assert data["sentences"][0]["score"] == pytest.approx(score(by_sentence[expected[0]]), rel=1e-12)
    assert math.isnan(sentence_scores(Corpus.from_sentences([[]]), np.array([]), "max")[0])


def test_filtered_pages_and_a_marked_sentence(client: TestClient) -> None:
    last = get(client, store="c-hostile", sentence=44)
    shown = last["paging"]
    assert [shown[name] for name in ("start", "stop", "total", "page", "pages")] == [40, 45, 45, 3, 3]
    assert (shown["next"], shown["last"]) == ("", "")
    assert shown["previous"] == "/text?store=c-hostile&page=2"
    assert [shown["current"] for shown in last["sentences"]] == [False] * 4 + [True]
    filtered = get(client, store="a-source", filter=["word=rain", ""], pin=PIN)
    assert [shown["number"] for shown in filtered["sentences"]] == [4]
    assert [word["marked"] for word in filtered["sentences"][0]["words"]] == [True, False]
    assert filtered["query"]["filter"] == ["word=rain"]
    nothing = client.get("/text?store=a-source&filter=word%3Dunseen")
    assert nothing.status_code == 200
    assert "No sentence passes" in nothing.text


def test_a_marked_sentence_is_a_figure(client: TestClient) -> None:
    data = get(client, store="a-source", sentence=2, pin=[PIN, OTHER_PIN])
    figure = data["figures"][0]
    assert figure["drawing"]["columns"] == ["Anna", "does", "not", "like", "cold", "soup", "."]
    assert figure["drawing"]["values"][1] == [word["deviations"][1] for word in data["sentences"][2]["words"]]
    state = urlencode({"store": "a-source", "sentence": 2, "pin": PIN})
    for form in ("csv", "json", "svg", "png"):
        assert client.get(f"/text/figure/sentence.{form}?{state}").status_code == 200
    assert "Anna" in client.get(f"/text/embed/sentence?{state}").text


def test_the_parallel_side_of_another_store_stands_beside(client: TestClient) -> None:
    data = get(client, store="a-source")
    assert [shown["other"] for shown in data["sentences"]] == TRANSLATIONS
    back = get(client, store="b-target")
    assert back["sentences"][4]["other"] == "rain !"
    assert back["needs_source"]
    assert get(client, store="c-hostile")["other_side"] == ""


def test_hostile_text_is_text(client: TestClient) -> None:
    for answer in (
        client.get("/text?store=c-hostile&pin=encoder.layers.1:2&layer=tag"),
        client.get("/text?" + urlencode({"store": "c-hostile", "filter": f"word={HOSTILE[0]}"})),
        client.get("/text?" + urlencode({"store": "c-hostile", "text": HOSTILE[0] + HOSTILE[1]})),
    ):
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert "\u202e" not in answer.text
        assert "\x1b" not in answer.text
        assert "&lt;script&gt;alert(1)" in answer.text
    table = client.get("/text/figure/words.csv?store=c-hostile&layer=tag").text
    assert "'=y" in table


def test_a_typed_text_is_a_fragment(client: TestClient, collection: Collection) -> None:
    store = collection.store("a-source")
    sentence = " ".join(store.corpus.sentence(0))
    page = get(client, store="a-source", pin=PIN, text=sentence)
    assert page["typed"].startswith("/typed?store=a-source&pin=")
    typed = client.get(page["typed"].replace("/typed?", "/typed.json?")).json()
    values = [word["values"][0] for word in typed["sentences"][0]["words"]]
    assert values == pytest.approx(store.neuron(PIN)[: len(values)].tolist(), abs=1e-5)
    drawn = heat(store, [PIN], [0])[0].sentences[0].deviations
    assert typed["figures"][0]["drawing"]["values"][0] == pytest.approx(drawn, abs=1e-4)
    assert "data-word" in client.get(page["typed"]).text
    assert "pin a neuron first" in get(client, "typed", 422, store="a-source", text="a")["message"]


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"sentence": 8}, 404, "0 to 7, not 8"),
        ({"sentence": -1}, 422, "sentence"),
        ({"sentence": 1, "filter": "word=rain"}, 404, "does not pass the filters"),
        ({"page": 2}, 404, "1 pages here"),
        ({"page": 0}, 422, "page"),
        ({"sort": "size"}, 422, "sort"),
        ({"sort": "max", "by": "encoder.layers.0:99"}, 404, "no neuron"),
        ({"layer": "upos"}, 404, "the layers are"),
        ({"filter": "dog"}, 422, "filters look like"),
        ({"filter": "size=3"}, 422, "filters look like"),
        ({"filter": "regex=("}, 422, "no regular expression|not a regular expression"),
        ({"filter": "regex=" + "a" * 250}, 422, "200 characters"),
        ({"filter": "label=NOUN"}, 422, "the layers are: initial, length"),
        ({"filter": "value=3..4"}, 422, "needs a neuron and a range"),
        ({"filter": f"value={PIN}=4..3"}, 422, "a number or a range"),
        ({"filter": f"value={PIN}=nan"}, 422, "a number or a range"),
        ({"filter": "value=nowhere:1=3.."}, 404, "no neuron"),
        ({"filter": ["word=a"] * 7}, 422, "filter"),
        ({"unknown": 1}, 422, "unknown"),
        ({"store": "nothing"}, 404, "the overview lists"),
    ],
)
def test_values_outside_their_range_give_an_error_page(
    client: TestClient, values: dict[str, Any], status: int, message: str
) -> None:
    query = urlencode({"store": "a-source", **values}, doseq=True)
    answer = client.get(f"/text?{query}")
    assert answer.status_code == status
    assert 'class="error"' in answer.text
    said = client.get(f"/text.json?{query}").json()["message"]
    assert any(part in said for part in message.split("|")), said


def test_empty_fields_of_the_forms_mean_the_defaults(client: TestClient) -> None:
    blank = "store=a-source&sentence=&page=&layer=&by=&text=&source=&filter=&filter=&match=all&sort=corpus"
    page = client.get(f"/text?{blank}")
    assert page.status_code == 200
    assert page.text.count('name="filter"') == 1
    whole = client.get(f"/text.json?{blank}").json()
    assert whole["query"] == get(client, store="a-source")["query"]
    for strange in ("%ED%A0%80", "%00", "%FF"):
        answer = client.get(f"/text?store=a-source&filter=word%3D{strange}&text={strange}")
        assert answer.status_code == 200, strange


def test_an_expression_that_takes_too_long_is_refused() -> None:
    assert matching("(a+)+", ["aaa", "b"]) == {"aaa"}
    with pytest.raises(ParameterError, match=r"takes longer than 0\.3 s"):
        matching("(a+)+b", ["a" * 60], seconds=0.3)


def test_a_constant_neuron_and_missing_words_are_blank(tmp_path: Path) -> None:
    values = np.ones((4, 2), dtype=np.float32)
    values[:, 1] = [1, 2, np.nan, 4]
    missing = np.array([False, False, True, False])
    corpus = Corpus.from_sentences([["a", "b", "c", "d"]])
    store = Activations.from_array(values, corpus)
    entry = Entry("memory", "activations")
    opened = {"memory": replace(store, missing=missing)}
    collection = Collection("memory", [(entry, tmp_path)], [], None, opened)
    with TestClient(create_app(collection, Settings(hosts=("testserver",)))) as client:
        page = client.get("/text?pin=layers.0:0&pin=layers.0:1").text
        assert page.count('<i class="none">') == 5
        data = get(client, pin=["layers.0:0", "layers.0:1"])
        assert [word["deviations"][0] for word in data["sentences"][0]["words"]] == [None] * 4
        assert data["sentences"][0]["words"][2]["values"][1] is None
