"""The page Edit with the first neurons of a ranking, values of another sentence, and the best constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.testclient import TestClient

import onegrain as og
from onegrain.core.progress import silent
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import Collection
from onegrain.explorer.settings import Settings
from onegrain.records.corpus import Corpus
from onegrain.records.ranking import Ranking

STORE = "activations/nlm-1--test"
UPOS = "rankings/upos--nlm-1"
TEXT = "the old dog"
FEW = {"text": TEXT, "max_new_tokens": 6}


def get(client: TestClient, page: str, **values: Any) -> Any:
    return client.get(f"/{page}?{urlencode({'store': STORE, **values}, doseq=True)}")


def result(client: TestClient, **values: Any) -> dict[str, Any]:
    answer = get(client, "edit-result.json", **{**FEW, **values})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def words(parts: list[dict[str, Any]]) -> str:
    return " ".join(part["text"] for part in parts)


@pytest.fixture(scope="module")
def ranking(study: Path) -> Ranking:
    return Ranking.load(study / f"{UPOS}.parquet")


def test_the_first_neurons_of_a_label_are_edited(client: TestClient, study: Path, ranking: Ranking) -> None:
    values = {"ranking": UPOS, "ranking_label": "NOUN", "first": 5, "kind": "zero"}
    page = result(client, **values)
    of_label = ranking.label("NOUN")
    steering = og.steer(
        og.load_model(study / "models" / "nlm-1", device="cpu"),
        og.Intervention.of(of_label, 5, edit="zero"),
        TEXT,
        max_new_tokens=6,
    )
    assert words(page["after"]) == " ".join(steering.after[0].split())
    assert page["edits"] == [str(og.Intervention.of(of_label, 5, edit="zero"))]
    form = get(client, "edit.json", **values).json()
    assert form["ranked"]["name"] == "NOUN in upos--nlm-1"
    assert [name for name, _ in form["ranked"]["neurons"]] == of_label.top(5)
    assert "ranking" not in form["ranked"]["remove"]
    assert UPOS in [name for name, _ in form["rankings"]]
    assert "rankings/upos-nmt--nmt" not in [name for name, _ in form["rankings"]]


def test_pinned_neurons_keep_their_sliders_beside_the_ranking(
    client: TestClient, collection: Collection, ranking: Ranking
) -> None:
    first, second, third = ranking.top(3)
    values = {"pin": second, "value": 0.25, "ranking": UPOS, "first": 3, "strength": 150}
    saved = get(client, "edit/file", **values).json()
    edits = {name: entry["edit"]["value"] for entry in saved["interventions"] for name in names_of(entry)}
    assert edits.pop(second) == 0.25
    store = collection.store(STORE)
    assert set(edits) == {first, third}
    for name, value in edits.items():
        column = store.neuron(name).astype(np.float64)
        assert value == pytest.approx(column.max() + 0.5 * (column.max() - column.min()))


def names_of(entry: dict[str, Any]) -> list[str]:
    return [f"{site}:{unit}" for site, units in entry["neurons"].items() for unit in units]


def test_a_ranking_is_limited_and_checked(collection: Collection, client: TestClient) -> None:
    with TestClient(create_app(collection, Settings(hosts=("testserver",), most_neurons=4))) as limited:
        refused = get(limited, "edit", ranking=UPOS, first=5)
        assert (refused.status_code, "up to 4 neurons" in refused.text) == (422, True)
        assert get(limited, "edit", ranking=UPOS, first=4).status_code == 200
        both = get(limited, "edit", ranking=UPOS, first=4, neuron=["layers.0:1", "layers.0:2", "layers.1:1"])
        assert both.status_code in (200, 422)
    assert get(client, "edit", ranking="nothing").status_code == 404
    assert get(client, "edit", ranking=UPOS, ranking_label="nothing").status_code == 404
    assert get(client, "edit", ranking="rankings/upos-nmt--nmt").status_code == 422
    assert get(client, "edit", ranking=UPOS, first=1000).status_code == 422


def test_values_of_another_sentence_are_taken(client: TestClient, study: Path, ranking: Ranking) -> None:
    model = og.load_model(study / "models" / "nlm-1", device="cpu")
    lengths: dict[int, list[str]] = {}
    for word in ("cat", "dogs", "house", "she", "red", "teacher", "garden"):
        lengths.setdefault(len(model.encode([["the", "old", word]])[0].ids), []).append(word)
    same = max(lengths.values(), key=len)
    values = {"ranking": UPOS, "first": len(ranking), "kind": "interchange", "pair": f"the old {same[0]}"}
    page = result(client, **{**values, "text": f"the old {same[1]}"})
    pairs = Corpus.from_sentences([["the", "old", same[0]]])
    steering = og.steer(
        model,
        og.Intervention.of(ranking, len(ranking), edit="interchange", where=og.Where(part="prompt")),
        f"the old {same[1]}",
        pairs=pairs,
        max_new_tokens=6,
    )
    assert page["edits"][0].endswith("at part prompt")
    assert words(page["after"]) == " ".join(steering.after[0].split())
    assert page["subwords_before"][0]["change"] != 0
    assert get(client, "edit-result", kind="interchange", neuron="layers.0:1", **FEW).status_code == 422
    longer = get(client, "edit-result", **{**FEW, **values, "pair": "the"})
    assert (longer.status_code, "pairs of equal length" in longer.text) == (422, True)


def test_the_best_constants_come_from_their_record(
    client: TestClient, study_copy: Path, ranking: Ranking
) -> None:
    assert "optimal" not in [kind["name"] for kind in get(client, "edit.json").json()["kinds"]]
    assert "onegrain constants" in get(client, "edit").text
    refused = get(client, "edit-result", ranking=UPOS, first=2, kind="optimal", **FEW)
    assert (refused.status_code, "onegrain constants" in refused.text) == (422, True)
    model = og.load_model(study_copy / "models" / "nlm-1", device="cpu")
    corpus = og.open_activations(study_copy / f"{STORE}.zarr").corpus.head(8)
    edit = og.Intervention.of(ranking, 2, edit="optimal")
    constants = og.optimal_constants(model, corpus, edit, steps=2, progress=silent)
    constants.save(study_copy / "best.parquet")
    with TestClient(create_app(collect([study_copy]), Settings(hosts=("testserver",)))) as opened:
        form = get(opened, "edit.json").json()
        assert form["constants"] == [["best", "best"]]
        assert "optimal" in [kind["name"] for kind in form["kinds"]]
        for named in ({}, {"constants": "best"}):
            page = result(opened, ranking=UPOS, first=2, kind="optimal", **named)
            steering = og.steer(model, edit, TEXT, reference=constants, max_new_tokens=6)
            assert words(page["after"]) == " ".join(steering.after[0].split())
        more = get(opened, "edit-result", ranking=UPOS, first=3, kind="optimal", **FEW)
        assert (more.status_code, "no optimal constant for 1 of" in more.text) == (422, True)
        assert get(opened, "edit-result", ranking=UPOS, kind="optimal", constants="x", **FEW).status_code == 404
