"""The page of rankings says what the records say, and pages, sorts and filters them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from onegrain.analyses.neurons.edited import damage_by_count, smallest_set
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.settings import Settings
from onegrain.records.curve import Curve
from onegrain.records.provenance import ModelIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.records.stability import Stability

UPOS = "rankings/upos--nlm-1"


def page(client: TestClient, **query: object) -> dict:
    answer = client.get("/rankings.json", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_rows_are_those_of_the_record(client: TestClient, study: Path) -> None:
    ranking = Ranking.load(study / f"{UPOS}.parquet")
    stability = Stability.load(study / "stability/upos--nlm-1.parquet").of("bootstrap")
    curve = Curve.load(study / "curves/perplexity--upos--nlm-1.parquet")
    shown = page(client, ranking=UPOS)
    assert [row["neuron"] for row in shown["rows"]] == ranking.top(50)
    assert (shown["neurons"], shown["n_ranked"], shown["method"]) == (
        ranking.space.size,
        ranking.n_ranked,
        "lca",
    )
    for place, row in enumerate(shown["rows"]):
        assert row["rank"] == place + 1
        assert row["score"] == ranking.scores[ranking.order[place]]
        assert (row["rank_low"], row["rank_high"]) == tuple(stability.loc[place, ["low", "high"]])
        edited = smallest_set(damage_by_count(curve), place + 1)
        assert edited is not None
        assert (row["edited"], row["damage"], row["random"]) == (edited.neurons, edited.damage, edited.random)
    assert "bootstrap" in shown["interval_of"]
    assert shown["store"].startswith("activations/nlm-1--")


def test_a_label_has_its_own_order_and_no_borrowed_intervals(client: TestClient, study: Path) -> None:
    ranking = Ranking.load(study / f"{UPOS}.parquet")
    label = ranking.labels[0]
    shown = page(client, ranking=UPOS, label=label)
    assert [row["neuron"] for row in shown["rows"]] == ranking.label(label).top(50)
    assert shown["interval_of"] == ""
    assert {choice["name"] for choice in shown["labels"]} == {"", *ranking.labels}
    assert all(f"label={label}" in row["address"] for row in shown["rows"])


def test_filters_keep_the_ranks(client: TestClient, study: Path) -> None:
    ranking = Ranking.load(study / f"{UPOS}.parquet")
    shown = page(client, ranking=UPOS, site="layers.1", low=25, high=75)
    expected = [name for name in ranking[9:27] if name.startswith("layers.1:")]
    assert [row["neuron"] for row in shown["rows"]] == expected
    assert shown["selected"] == len(expected)
    assert [row["rank"] for row in shown["rows"]] == [ranking[:].index(name) + 1 for name in expected]
    both = page(client, ranking=UPOS, site="layers.0, layers.1")
    assert both["selected"] == 24  # of 36 neurons


def test_sorting_turns_round_and_leaves_unknown_values_last(client: TestClient, study: Path) -> None:
    ranking = Ranking.load(study / f"{UPOS}.parquet")
    rising = [row["score"] for row in page(client, ranking=UPOS, sort="score")["rows"]]
    assert rising == sorted(ranking.scores.tolist())
    falling = page(client, ranking=UPOS, sort="-score")
    assert [row["score"] for row in falling["rows"]] == sorted(rising, reverse=True)
    assert "sort=score" in falling["sorts"]["score"]
    by_neuron = page(client, ranking=UPOS, sort="-neuron")["rows"]
    assert [row["neuron"] for row in by_neuron] == [ranking.space.name(index) for index in reversed(range(36))]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"ranking": "nothing"}, 404),
        ({"ranking": UPOS, "label": "<b>"}, 404),
        ({"ranking": UPOS, "site": "nowhere.*"}, 422),
        ({"ranking": UPOS, "page": 2}, 404),
        ({"ranking": UPOS, "page": 0}, 422),
        ({"ranking": UPOS, "low": 60, "high": 40}, 422),
        ({"ranking": UPOS, "low": "nan"}, 422),
        ({"ranking": UPOS, "high": 101}, 422),
        ({"ranking": UPOS, "sort": "name"}, 422),
        ({"ranking": "activations/nlm-1--test"}, 404),
        ({"store": "nothing"}, 404),
    ],
)
def test_values_outside_their_range_are_an_error_page(client: TestClient, query: dict, status: int) -> None:
    answer = client.get("/rankings", params=query)
    assert answer.status_code == status
    assert '<div class="error">' in answer.text
    assert "Traceback" not in answer.text
    assert "<b>" not in answer.text


def test_the_page_links_to_neurons_pins_and_every_ranking(client: TestClient, study: Path) -> None:
    text = client.get("/rankings", params={"ranking": UPOS}).text
    first = Ranking.load(study / f"{UPOS}.parquet").top(1)[0]
    assert f'aria-label="Pin {first}"' in text
    assert client.get(page(client, ranking=UPOS)["rows"][0]["address"]).status_code == 200
    names = [choice["name"] for group in page(client)["groups"] for choice in group["rankings"]]
    assert len(names) == len(list((study / "rankings").glob("*.parquet")))
    pinned = client.get("/rankings", params={"ranking": UPOS, "pin": first}).text
    assert f'aria-label="Unpin {first}"' in pinned


@pytest.mark.parametrize("figure", ["scores", "sites", "damage-1"])
@pytest.mark.parametrize("form", ["csv", "json", "svg"])
def test_figures_have_files(client: TestClient, figure: str, form: str) -> None:
    assert client.get(f"/rankings/figure/{figure}.{form}", params={"ranking": UPOS}).status_code == 200


def test_sites_are_counted_among_the_first_tenth(client: TestClient, study: Path) -> None:
    ranking = Ranking.load(study / f"{UPOS}.parquet")
    rows = client.get("/rankings/figure/sites.json", params={"ranking": UPOS}).json()["table"]["rows"]
    first = [name.rpartition(":")[0] for name in ranking.top(4)]
    assert dict(rows) == {site: first.count(site) for site in ranking.space.sites}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A ranking of many neurons with missing scores, whose model has no store."""
    folder = tmp_path_factory.mktemp("large")
    space = NeuronSpace(tuple(f"layers.{number}.mlp" for number in range(30)), (1536,) * 30)
    scores = np.random.default_rng(0).normal(size=space.size)
    scores[:100] = np.nan
    model = ModelIdentity(id="/secret/place/big", architecture="Llama", weight_hash="ef" * 32)
    provenance = Provenance(stage="rank", model=model)
    details = {"interval": {"low": (scores - 1).tolist(), "high": (scores + 1).tolist()}}
    details["interval"]["low"][0] = None
    Ranking.by_scores("maxcorr", space, scores, provenance, details=details).save(folder / "big.parquet")
    return TestClient(create_app(collect([folder]), Settings(hosts=("testserver",))))


def test_many_neurons_are_shown_fifty_at_a_time(large: TestClient) -> None:
    last = page(large, page=922)
    assert (last["selected"], last["first"], len(last["rows"])) == (46080, 46051, 30)
    assert (last["following"], last["rows"][-1]["score"], last["rows"][-1]["ranked"]) == ("", None, False)
    first = page(large)["rows"][0]
    assert first["score_low"] == first["score"] - 1
    assert len(large.get("/rankings").content) < 150 * 1024


def test_without_a_store_the_page_says_so_and_links_nowhere(large: TestClient) -> None:
    shown = page(large)
    assert (shown["store"], shown["rows"][0]["address"], shown["unit"]) == ("", "", "")
    text = large.get("/rankings").text
    assert "No store of big with these neurons is here" in text
    assert "/secret" not in text
    assert "24 sites with most" in text


def test_a_collection_without_rankings_says_how_to_make_one(study: Path) -> None:
    client = TestClient(create_app(collect([study / "activations"]), Settings(hosts=("testserver",))))
    text = client.get("/rankings").text
    assert "onegrain rank" in text
    assert client.get("/rankings.json").json()["rows"] == []
