"""The page of a neuron says what the Python calls say, to the digit."""

from __future__ import annotations

import html
import time
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

import onegrain as og
from onegrain.activations.extraction.extract import extract
from onegrain.analyses.neurons.edited import damage_by_count, smallest_set
from onegrain.explorer import indexes
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.pages.neuron import neuron
from onegrain.explorer.pages.neuron_identity import NeuronQuery
from onegrain.explorer.settings import Settings
from onegrain.explorer.state import Explorer
from onegrain.records.activations import Activations
from onegrain.records.clusters import Clusters
from onegrain.records.corpus import Corpus
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking
from onegrain.searching import index_path
from support.tiny import tiny_nlm

STORE, UPOS = "activations/nlm-1--test", "rankings/upos--nlm-1"
SETTINGS = Settings(hosts=("testserver",))


def page(client: TestClient, **query: object) -> dict:
    answer = client.get("/neuron.json", params={"store": STORE, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def activations(study: Path) -> Activations:
    return og.open_activations(study / f"{STORE}.zarr")


@pytest.fixture(scope="module")
def ranking(study: Path) -> Ranking:
    return Ranking.load(study / f"{UPOS}.parquet")


@pytest.fixture(scope="module")
def first(client: TestClient, ranking: Ranking) -> dict:
    return page(client, neuron=ranking.top(1)[0], ranking=UPOS)


def test_statistics_words_and_contexts_are_those_of_a_card(first: dict, activations: Activations) -> None:
    card = og.neuron_cards(activations, [first["title"]]).cards[0].model_dump(mode="json")
    evidence = first["evidence"]
    assert evidence["statistics"] == card["statistics"]
    assert evidence["top_words"] == card["high"]["words"]
    assert evidence["bottom_words"] == card["low"]["words"]
    assert [context["card"] for context in evidence["top"]] == card["high"]["contexts"]
    assert [context["card"] for context in evidence["bottom"]] == card["low"]["contexts"]
    words = og.top_words(activations, [first["title"]])[0].words
    high = words[words["direction"] == "high"]
    assert [(row["word"], row["count"], row["deviation"]) for row in evidence["top_words"]] == list(
        high[["word", "count", "deviation"]].itertuples(index=False, name=None)
    )


def test_values_are_those_of_numpy(first: dict, activations: Activations) -> None:
    values = activations.neuron(first["title"]).astype(np.float64)
    counts, edges = np.histogram(values, 40)
    figures = {figure["name"]: figure for figure in first["figures"]}
    assert figures["histogram"]["drawing"]["counts"] == counts.tolist()
    assert figures["histogram"]["drawing"]["edges"] == edges.tolist()
    quantiles = first["evidence"]["quantiles"]
    assert [value for _, value in quantiles] == np.quantile(values, [share for share, _ in quantiles]).tolist()
    rows = {row[0]: row for row in figures["labels"]["table"]["rows"]}
    label = next(iter(rows))
    of_label = values[activations.words_of("upos", label)]
    assert rows[label][1:3] == [len(of_label), pytest.approx(of_label.mean(), abs=1e-12)]
    assert rows[label][4:9] == np.quantile(of_label, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
    for context in first["evidence"]["samples"][0]["contexts"]:
        start = int(activations.corpus.offsets[context["card"]["sentence"]])
        assert context["card"]["value"] == values[start + context["card"]["position"]]
        centre = next(word for word in context["words"] if word["is_centre"])
        assert (centre["word"], centre["value"]) == (context["card"]["word"], context["card"]["value"])


def test_ranks_are_those_of_every_ranking_of_the_model(first: dict, study: Path) -> None:
    assert {row["title"] for row in first["ranks"]} == {"upos--nlm-1", "probeless--nlm-1", "maxcorr--nlm-1"}
    for row in first["ranks"]:
        record = Ranking.load(study / f"rankings/{row['title']}.parquet")
        index = record.space.parse(first["title"])
        assert row["rank"] == record.positions()[index] + 1
        assert row["score"] == record.scores[index]
        if record.labels:
            ranks = {label: int(record.label(label).positions()[index]) + 1 for label in record.labels}
            assert row["best_rank"] == ranks[row["best_label"]]
            assert row["best_rank"] <= min(ranks.values()) + 2


def test_partners_clusters_and_edits_are_those_of_the_records(first: dict, study: Path) -> None:
    maxcorr = Ranking.load(study / "rankings/maxcorr--nlm-1.parquet")
    index = maxcorr.space.parse(first["title"])
    best = first["partners"][0]
    assert best["correlation"] == maxcorr.details["partners"][0]["correlation"][index][0]
    assert best["model"] == "nlm-2--test"
    assert "store=activations%2Fnlm-2--test" in best["address"]
    clusters = Clusters.load(study / "clusters.parquet")
    place = int(clusters.neurons.searchsorted(clusters.space.parse(first["title"])))
    assert first["clusters"][0]["size"] == clusters.sizes[clusters.numbers[place]]
    curve = Curve.load(study / "curves/perplexity--upos--nlm-1.parquet")
    edited = smallest_set(damage_by_count(curve), 1)
    assert edited is not None
    row = next(row for row in first["edits"] if row["record"] == "curves/perplexity--upos--nlm-1")
    assert (row["neurons"], row["rank"], row["effect"]) == (edited.neurons, 1, edited.damage)
    assert (row["low"], row["high"], row["random"]) == (edited.low, edited.high, edited.random)
    assert {row["kind"] for row in first["edits"]} >= {"curve", "sweep"}
    assert [row["neurons"] for row in first["edits"]] == sorted(row["neurons"] for row in first["edits"])


def test_an_edit_of_a_label_counts_for_its_neurons(client: TestClient, study: Path, ranking: Ranking) -> None:
    record = og.load(study / "specificity.parquet")
    label = record.edited[0]
    shown = page(client, neuron=ranking.label(label).top(1)[0])
    cell = record.cells[(record.cells["edited"] == label) & (record.cells["predicted"] == label)].iloc[0]
    row = next(
        r for r in shown["edits"] if r["kind"] == "specificity" and r["order"].startswith(f"{label} in ")
    )
    assert (row["effect"], row["random"], row["neurons"], row["rank"]) == (cell.damage, cell.random, 2, 1)


def test_neighbours_in_the_store_and_in_the_order_of_a_label(client: TestClient, ranking: Ranking) -> None:
    label = ranking.labels[1]
    order = ranking.label(label)[:]
    shown = page(client, neuron=order[1], ranking=UPOS, label=label)
    steps = {step["key"]: step["neuron"] for step in shown["steps"]}
    assert (steps["o"], steps["w"]) == (order[0], order[2])
    text = client.get(
        "/neuron", params={"store": STORE, "neuron": order[1], "ranking": UPOS, "label": label}
    ).text
    assert all(f'data-key="{key}"' in text for key in "pnow")
    assert page(client, neuron=order[0], ranking=UPOS, label=label)["steps"][2]["neuron"] == ""
    assert page(client, neuron="embeddings:0")["steps"][0]["neuron"] == ""


def test_without_a_neuron_the_first_of_the_ranking_is_shown(client: TestClient, ranking: Ranking) -> None:
    assert page(client, ranking=UPOS)["title"] == ranking.top(1)[0]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"neuron": "layers.0:99"}, 404),
        ({"neuron": "layers.0:-1"}, 404),
        ({"neuron": "<script>alert(1)</script>"}, 404),
        ({"neuron": "layers.0:0", "ranking": "nothing"}, 404),
        ({"neuron": "layers.0:0", "ranking": UPOS, "label": "<b>"}, 404),
        ({"neuron": "layers.0:0", "ranking": "rankings/upos-nmt--nmt"}, 404),
        ({"neuron": "layers.0:0", "layer": "nothing"}, 404),
        ({"neuron": "layers.0:0", "text": "x" * 4001}, 422),
        ({"neuron": "layers.0:0", "store": "../nlm-1--test"}, 404),
        ({"neuron": "layers.0:0", "sort": "x"}, 422),
    ],
)
def test_values_outside_their_range_are_an_error_page(client: TestClient, query: dict, status: int) -> None:
    answer = client.get("/neuron", params={"store": STORE, **query})
    assert answer.status_code == status
    assert '<div class="error">' in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("form", ["csv", "json"])
def test_every_figure_has_files(client: TestClient, first: dict, form: str) -> None:
    for figure in first["figures"]:
        query = {"store": STORE, "neuron": first["title"], "ranking": UPOS}
        assert client.get(f"/neuron/figure/{figure['name']}.{form}", params=query).status_code == 200


def test_a_text_is_tried_on_the_neuron_alone(client: TestClient, activations: Activations) -> None:
    text = "\n".join(" ".join(activations.corpus.sentence(number)) for number in (2, 5))
    query = {"store": STORE, "neuron": "layers.1:3", "text": text, "pin": "layers.0:2"}
    trial = page(client, **query)["trial"]
    assert html.escape(trial) in client.get("/neuron", params=query).text
    typed = client.get(trial).text
    assert 'data-level="' in typed
    assert "layers.1:3" in typed
    assert "layers.0:2" not in typed.split("map-legend")[0]
    shown = client.get(trial.replace("/typed?", "/typed.json?")).json()
    start = int(activations.corpus.offsets[5])
    values = [word["values"][0] for word in shown["sentences"][1]["words"]]
    expected = activations.neuron("layers.1:3")[start : start + len(values)]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert page(client, neuron="layers.1:3")["trial"] == ""


HOSTILE = ["<script>alert(1)</script>", "\x1b[31mred", "\u202egnihton", "\u200fright", "{{ 7*7 }}", '"onload="']


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = tmp_path_factory.mktemp("hostile")
    words = [[HOSTILE[(place + start) % len(HOSTILE)] for place in range(5)] for start in range(30)]
    corpus = Corpus.from_sentences(words, {"<i>kind</i>": words}, source="<b>hostile</b>")
    extract(tiny_nlm(folder / "model"), corpus, folder / "words.zarr")
    store = og.open_activations(folder / "words.zarr")
    og.rank("probeless", store, label="<i>kind</i>").save(folder / "order.parquet")
    return TestClient(create_app(collect([folder]), SETTINGS))


def test_hostile_words_and_labels_are_text(hostile: TestClient) -> None:
    for label in HOSTILE:
        for name, query in (("neuron", {"layer": "<i>kind</i>"}), ("rankings", {})):
            answer = hostile.get(f"/{name}", params={"ranking": "order", "label": label, **query})
            assert answer.status_code == 200
            for part in ("<script>alert", "\x1b", "\u202e", "<i>kind", "<b>hostile", ' onload="'):
                assert part not in answer.text
    text = hostile.get("/neuron", params={"layer": "<i>kind</i>"}).text
    assert html.escape(HOSTILE[0]) in text
    assert "<bdi>\u200fright</bdi>" in text
    csv = hostile.get("/neuron/figure/labels.csv", params={"layer": "<i>kind</i>"}).text
    assert HOSTILE[0] in csv


def test_a_large_store_is_indexed_once_and_the_page_waits_for_it(
    study_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "MOST_DIRECT_WORDS", 10)
    client = TestClient(create_app(collect([study_copy]), SETTINGS))
    shown = page(client, neuron="layers.0:1")
    assert shown["evidence"] is None
    assert shown["ranks"]
    deadline = time.monotonic() + 60
    while "is being made" in (text := client.get(shown["waiting"]).text):
        assert 'hx-trigger="every 2s"' in text
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "data-reload" in text
    assert index_path(study_copy / f"{STORE}.zarr").is_dir()
    after = page(client, neuron="layers.0:1")
    monkeypatch.setattr(indexes, "MOST_DIRECT_WORDS", 10**9)
    assert after["waiting"] == ""
    other = TestClient(create_app(collect([study_copy.parent / "study"]), SETTINGS))
    assert page(other, neuron="layers.0:1")["evidence"] == after["evidence"]


def test_an_index_that_cannot_be_made_leaves_the_page_as_it_was(
    study_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "MOST_DIRECT_WORDS", 10)
    index_path(study_copy / f"{STORE}.zarr").write_text("not an index")
    client = TestClient(create_app(collect([study_copy]), SETTINGS))
    waiting = page(client, neuron="layers.0:1")["waiting"]
    deadline = time.monotonic() + 60
    while "is being made" in (text := client.get(waiting).text):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "cannot be made" in text
    assert str(study_copy) not in text
    assert page(client, neuron="layers.0:1")["evidence"] is not None


def test_pages_of_edits_get_the_neuron_and_the_ranking(study: Path) -> None:
    explorer = Explorer(
        collect([study]), navigation=(("neuron", "Neuron"), ("edit", "Edit"), ("sweep", "Sweep"))
    )
    shown = neuron(explorer, NeuronQuery(store=STORE, neuron="layers.0:1", ranking=UPOS, pin=("layers.1:2",)))
    assert shown.edit.endswith("pin=layers.1%3A2&neuron=layers.0%3A1")
    assert shown.sweep.endswith("ranking=rankings%2Fupos--nlm-1")
    without = Explorer(collect([study]), navigation=(("neuron", "Neuron"),))
    assert neuron(without, NeuronQuery(store=STORE)).edit == ""


def test_damaged_records_are_left_out(study_copy: Path) -> None:
    for name in ("rankings/probeless--nlm-1", "clusters", "specificity", "curves/perplexity--upos--nlm-1"):
        path = study_copy / f"{name}.parquet"
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
    client = TestClient(create_app(collect([study_copy]), SETTINGS))
    shown = page(client, neuron="layers.0:1")
    assert {row["title"] for row in shown["ranks"]} <= {"upos--nlm-1", "maxcorr--nlm-1"}
    assert shown["clusters"] == []
    assert "curves/perplexity--upos--nlm-1" not in {row["record"] for row in shown["edits"]}
    assert client.get("/rankings", params={"ranking": UPOS}).status_code == 200


def test_a_collection_without_a_store_says_what_to_do(study: Path) -> None:
    client = TestClient(create_app(collect([study / "rankings"]), SETTINGS))
    answer = client.get("/neuron")
    assert answer.status_code == 404
    assert "onegrain extract" in answer.text
