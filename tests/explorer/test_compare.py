"""The comparison page: its numbers are those of records and analyses, and Vega stands on this page alone."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.testclient import TestClient

from onegrain.analyses import correlation_map, overlap, rank_agreement, spearman_interval
from onegrain.explorer.app import create_app
from onegrain.explorer.assets import asset
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import Collection
from onegrain.explorer.pages.registry import PAGES
from onegrain.rankings.crossmodel.similarity import similarity
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.reports.charts.plot import plot
from onegrain.reports.rendering.pictures import chart_spec
from support.explored import SETTINGS
from support.rankings import shuffled

RANKINGS = ["rankings/upos--nlm-1", "rankings/probeless--nlm-1"]


def get(client: TestClient, page: str = "compare", status: int = 200, **values: Any) -> Any:
    answer = client.get(f"/{page}.json?{urlencode(values, doseq=True)}")
    assert answer.status_code == status, answer.text
    return answer.json()


def figures(data: Any) -> dict[str, Any]:
    return {figure["name"]: figure for figure in data["figures"]}


def names(collection: Collection, kind: str) -> list[str]:
    return [entry.name for entry in collection.of_kind(kind)]


def test_curves_are_the_chart_of_the_report(client: TestClient, collection: Collection) -> None:
    chosen = names(collection, "curve")
    shown = figures(get(client, curve=chosen))["curves-1"]
    records = {name: collection.record(name, "curve") for name in chosen}
    rows = [
        [name.rsplit("/", 1)[-1].rpartition("--")[0], *row]
        for name, curve in records.items()
        for row in curve.points.itertuples(index=False, name=None)
    ]
    assert shown["table"]["rows"] == rows
    titled = {
        row[0]: records[name] for name, row in zip(chosen, rows[:: len(rows) // len(chosen)], strict=True)
    }
    drawn, expected = shown["drawing"]["spec"], chart_spec(plot(titled))
    for spec in (drawn, expected):
        spec.pop("config")
    assert drawn == json.loads(json.dumps(expected))
    page = client.get(f"/compare?{urlencode({'curve': chosen}, doseq=True)}").text
    assert 'data-chart="/compare/figure/curves-1.json?' in page
    assert "<svg" in page.split('data-chart="/compare/figure/curves-1.json', 1)[1][:2000]
    twin = client.get(f"/compare/figure/curves-1.json?{urlencode({'curve': chosen}, doseq=True)}").json()
    assert twin["drawing"]["vega"]["$schema"].startswith("https://vega.github.io/schema/vega/")
    assert client.get("/compare/figure/curves-1.svg").text.startswith("<svg")


def test_a_sweep_is_drawn_too(client: TestClient, collection: Collection) -> None:
    (sweep,) = names(collection, "sweep")
    shown = figures(get(client, curve=sweep))["sweep-1"]
    assert shown["table"]["columns"] == list(collection.record(sweep, "sweep").points.columns)
    assert len(shown["table"]["rows"]) == len(collection.record(sweep, "sweep").points)


def test_vega_is_loaded_by_pages_with_curves_alone(client: TestClient) -> None:
    page = client.get("/compare")
    assert page.text.count("vega.min.js") == 1
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    for kind in PAGES:
        if kind.title and kind.name != "compare":
            assert "vega.min.js" not in client.get(f"/{kind.name}").text, kind.name
    assert "style=" not in page.text


def test_the_style_sheet_leaves_the_marks_of_vega_alone() -> None:
    style = asset("explorer.css")
    assert style is not None
    assert ".marks" not in style.content.decode().replace("svg.marks", "")


def test_agreement_is_that_of_the_analyses(client: TestClient, collection: Collection) -> None:
    data = figures(get(client, ranking=RANKINGS))
    titled = {name.split("/")[1].rpartition("--")[0]: collection.record(name, "ranking") for name in RANKINGS}
    space = collection.record(RANKINGS[0], "ranking").space
    ks = sorted({10, *(int(np.ceil(share * space.size)) for share in (0.01, 0.05, 0.1, 0.25))})
    expected = overlap(titled, ks)
    assert data["overlap"]["table"]["columns"] == list(expected.columns)
    assert data["overlap"]["table"]["rows"] == expected.to_numpy().tolist()
    jaccard = float(expected[expected["k"] == 10]["jaccard"].iloc[0])
    assert data["overlap"]["drawing"]["values"] == [[1.0, jaccard], [jaccard, 1.0]]
    pair = rank_agreement(titled).iloc[0]
    low, high = spearman_interval(pair["spearman"], space.size)
    assert data["correlation"]["table"]["rows"] == [[*titled, pair["spearman"], low, high, pair["kendall"]]]


def test_sites_of_two_stores_are_compared(client: TestClient, collection: Collection) -> None:
    left, right = "activations/nlm-1--test", "activations/nlm-2--test"
    page = get(client, left=left, right=right, measure="svcca")
    assert page["sites"].startswith("/sites?left=activations%2Fnlm-1--test")
    data = client.get(page["sites"].replace("/sites?", "/sites.json?")).json()
    expected = similarity(collection.store(left), collection.store(right), measures=("svcca",))
    assert data["figures"][0]["drawing"]["values"] == expected.matrix("svcca").to_numpy().tolist()
    assert data["figures"][0]["table"]["rows"] == expected.table.to_numpy().tolist()
    neurons = data["figures"][1]
    first = collection.about(collection.entry(left).weights, "ranking")[0]
    assert first.title in neurons["caption"]
    shown = neurons["table"]
    expected_map = correlation_map(
        collection.store(left), collection.store(right), [row[0] for row in shown["rows"]], shown["columns"][1:]
    )
    assert neurons["drawing"]["values"] == expected_map.to_numpy().tolist()
    pins = ("layers.0:3", "layers.1:1")
    pinned = client.get(f"/sites.json?left={left}&right={right}&pin={pins[0]}&pin={pins[1]}").json()
    assert [row[0] for row in pinned["figures"][1]["table"]["rows"]] == list(pins)
    assert "<svg" in client.get(page["sites"]).text
    assert "/sites?" in client.get(f"/compare?left={left}&right={right}").text


def test_a_similarity_record_is_shown(study_copy: Any, collection: Collection) -> None:
    stores = [collection.store(f"activations/nlm-{number}--test") for number in (1, 2)]
    record = similarity(*stores, measures=("cka", "pwcca"))
    record.save(study_copy / "similar.parquet")
    with TestClient(create_app(collect([study_copy]), SETTINGS)) as client:
        shown = figures(get(client, measure="pwcca"))["sites-pwcca"]
        assert shown["drawing"]["values"] == record.matrix("pwcca").to_numpy().tolist()
        assert "sites-cka" in figures(get(client, similarity="similar", measure="svcca"))


def test_partners_lead_to_their_pages(client: TestClient, collection: Collection) -> None:
    ranking = collection.record("rankings/maxcorr--nlm-1", "ranking")
    table = figures(get(client))["partners"]["table"]
    assert len(table["rows"]) == min(100, ranking.n_ranked)
    expected = ranking.tables()["neurons"].iloc[0]
    partner, title, correlation, neuron, place = table["rows"][0]
    assert f"1/{partner}" == expected["partner"]
    assert (title, correlation) == ("nlm-2--test", expected["correlation"])
    assert (neuron, place) == (ranking.space.name(int(ranking.order[0])), 1)
    assert table["links"][0].startswith("/neuron?store=activations%2Fnlm-2--test&neuron=")
    assert "no partners" in get(client, status=422, partners=RANKINGS[0])["message"]


def test_damage_is_that_of_the_record(client: TestClient, collection: Collection) -> None:
    record = collection.record("specificity", "specificity")
    data = figures(get(client, specificity="specificity"))
    matrix = record.matrix("excess")
    assert data["damage"]["drawing"]["rows"] == list(matrix.index)
    np.testing.assert_array_equal(
        np.array(data["damage"]["drawing"]["values"], dtype=np.float64), matrix.to_numpy()
    )
    assert [row[0] for row in data["contrasts"]["table"]["rows"]] == record.contrasts["label"].tolist()
    for name in ("damage", "contrasts", "overlap", "correlation"):
        for form in ("csv", "svg", "png"):
            assert client.get(f"/compare/figure/{name}.{form}").status_code == 200


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"curve": "nothing"}, 404, "is called 'nothing'"),
        ({"curve": "rankings/upos--nlm-1"}, 404, "curve or sweep"),
        ({"ranking": RANKINGS[0]}, 422, "two rankings or more"),
        ({"ranking": [RANKINGS[0], "rankings/upos-nmt--nmt"]}, 422, "expected neurons of"),
        ({"left": "nothing"}, 404, "activations"),
        ({"measure": "size"}, 422, "measure"),
        ({"similarity": "specificity"}, 404, "similarity"),
        ({"curve": ["a"] * 13}, 422, "curve"),
        ({"ranking": ["a"] * 9}, 422, "ranking"),
    ],
)
def test_values_outside_their_range_give_an_error_page(
    client: TestClient, values: dict[str, Any], status: int, message: str
) -> None:
    assert message in get(client, status=status, **values)["message"]
    assert 'class="error"' in client.get(f"/compare?{urlencode(values, doseq=True)}").text


def test_stores_of_other_words_or_too_many_are_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = "activations/nlm-1--test", "activations/nlm-1--train-1"
    said = get(client, "sites", 422, left=left, right=right)["message"]
    assert "different words" in said
    monkeypatch.setattr("onegrain.explorer.pages.site_map.MOST_PRODUCTS", 10.0)
    assert "too many to compare" in get(client, "sites", 422, left=left, right=left)["message"]


def test_an_empty_collection_says_what_makes_records(study: Any) -> None:
    with TestClient(create_app(collect([study / "activations" / "nlm-1--test.zarr"]), SETTINGS)) as client:
        page = client.get("/compare")
        assert page.status_code == 200
        assert "No curve" in page.text
        assert "Fewer than two rankings" in page.text


def test_hostile_names_are_text(tmp_path: Any) -> None:
    space = NeuronSpace(("<img src=x>", "layers.1"), (6, 6))
    for number in (1, 2):
        shuffled(space, number).save(tmp_path / f"<script>a{number}<{number}.parquet")
    with TestClient(create_app(collect([tmp_path]), SETTINGS)) as client:
        chosen = [f"<script>a{number}<{number}" for number in (1, 2)]
        answer = client.get(f"/compare?{urlencode({'ranking': chosen}, doseq=True)}")
        assert answer.status_code == 200
        assert "<script>a" not in answer.text
        assert "&lt;script&gt;a1" in answer.text


def test_records_of_the_study_are_curves_and_rankings(collection: Collection) -> None:
    assert all(isinstance(collection.record(name), Curve) for name in names(collection, "curve"))
    assert all(isinstance(collection.record(name), Ranking) for name in RANKINGS)
