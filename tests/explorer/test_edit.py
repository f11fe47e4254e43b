"""The page Edit: sliders, places, results as Python gives them, the saved file, and the errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.testclient import TestClient

import onegrain as og
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import Collection
from onegrain.explorer.settings import Settings
from support.tiny import plain_corpus, tiny_bert

STORE = "activations/nlm-1--test"
NMT = "activations/nmt--test"
NEURON, OTHER = "layers.1:3", "layers.1:5"


def get(client: TestClient, page: str, **values: Any) -> Any:
    return client.get(f"/{page}?{urlencode(values, doseq=True)}")


def result(client: TestClient, **values: Any) -> dict[str, Any]:
    answer = get(client, "edit-result.json", **{"store": STORE, "neuron": NEURON, **values})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def model_of(study: Path, name: str) -> Any:
    return og.load_model(study / "models" / name, device="cpu")


def test_sliders_are_marked_at_the_range_of_the_neuron(client: TestClient, collection: Collection) -> None:
    page = get(client, "edit.json", store=STORE, pin=NEURON, neuron=[OTHER, NEURON], value=[0.25, -1.5]).json()
    assert [slider["neuron"] for slider in page["sliders"]] == [NEURON, OTHER]
    assert [slider["value"] for slider in page["sliders"]] == [0.25, -1.5]
    column = collection.store(STORE).neuron(NEURON).astype(np.float64)
    marks = [mark[1] for mark in page["sliders"][0]["marks"]]
    np.testing.assert_allclose(marks, [column.min(), column.mean(), column.max()])
    html = get(client, "edit", store=STORE, neuron=NEURON).text
    assert f'aria-label="Value of {NEURON}"' in html
    assert 'name="value"' in html
    assert "style=" not in html


@pytest.mark.parametrize(
    ("values", "edit"),
    [
        ({"kind": "zero"}, "zero"),
        ({"kind": "clamp", "value": 2.5}, "clamp(value=2.5)"),
        ({"kind": "scale", "factor": -3}, "scale(factor=-3)"),
        ({"kind": "add", "amount": 4}, "add(value=4)"),
        ({"kind": "mean", "label": "upos=NOUN"}, "mean(label=NOUN)"),
        ({"kind": "other", "other": "range(edit=zero, low=-9.0)"}, "range(edit=zero, low=-9.0)"),
    ],
)
def test_a_continuation_is_that_of_steer(
    client: TestClient, study: Path, collection: Collection, values: dict[str, Any], edit: str
) -> None:
    text = "the old dog"
    page = result(client, text=text, max_new_tokens=8, **values)
    reference = og.neuron_statistics(collection.store(STORE), layer="upos")
    intervention = og.Intervention.of(NEURON, edit=edit)
    steering = og.steer(model_of(study, "nlm-1"), intervention, text, reference=reference, max_new_tokens=8)
    assert " ".join(part["text"] for part in page["before"]) == " ".join(steering.before[0].split())
    assert " ".join(part["text"] for part in page["after"]) == " ".join(steering.after[0].split())
    assert page["changed"] == steering.changed()[0]
    assert page["what"] == "continuation"


def test_a_translation_changes_with_the_slider(client: TestClient, study: Path) -> None:
    far = {"store": NMT, "neuron": "encoder.layers.0:1", "sentence": 2}
    page = result(client, value=50, **far)
    assert page["what"] == "translation"
    model = model_of(study, "nmt")
    wanted = og.steer(
        model,
        og.Intervention.of("encoder.layers.0:1", edit="clamp(value=50)"),
        og.open_activations(study / f"{NMT}.zarr").corpus.select([2]),
        max_new_tokens=30,
    )
    assert " ".join(part["text"] for part in page["after"]) == " ".join(wanted.after[0].split())
    assert page["subwords_before"][0]["change"] != 0
    other = result(client, value=0.1, **far)
    assert other["subwords_before"][0]["change"] != page["subwords_before"][0]["change"]


def test_places_reach_the_edit(client: TestClient) -> None:
    sentence = {"text": "the old", "value": 0.9, "max_new_tokens": 6}
    everywhere = result(client, **sentence)
    prompt = result(client, where="prompt", **sentence)
    assert prompt["edits"][0].endswith("at part prompt")
    first = [page["subwords_before"][0]["change"] for page in (everywhere, prompt)]
    assert first[0] == pytest.approx(first[1])
    assert first[0] != 0
    last = result(client, where="positions", positions="0", **sentence)
    assert last["subwords_before"][0]["change"] != pytest.approx(first[0])
    assert result(client, where="regex", regex=".+", **sentence)["edits"][0].endswith("words match=yes")
    assert result(client, where="positions", positions="0,-1", **sentence)["edits"][0].endswith("[0, -1]")
    assert (
        get(client, "edit-result", store=STORE, neuron=NEURON, where="positions", positions="x").status_code
        == 422
    )


def test_the_saved_file_is_the_edit(client: TestClient, tmp_path: Path) -> None:
    answer = get(client, "edit/file", store=STORE, neuron=[NEURON, OTHER], value=[1.0, 2.0], where="generated")
    assert answer.headers["content-disposition"] == 'attachment; filename="edit.json"'
    (tmp_path / "edit.json").write_bytes(answer.content)
    loaded = og.load_interventions(tmp_path / "edit.json")
    where = og.Where(part="generated")
    assert loaded == [
        og.Intervention.of(NEURON, edit="clamp(value=1.0)", where=where),
        og.Intervention.of(OTHER, edit="clamp(value=2.0)", where=where),
    ]
    assert json.loads(answer.content)["record"] == "interventions"


def test_the_browser_shows_the_address_of_the_page(client: TestClient) -> None:
    query = urlencode({"store": STORE, "neuron": NEURON, "value": 1.5})
    answer = client.get(f"/edit-result?{query}", headers={"hx-current-url": "http://testserver/edit?x=1"})
    assert answer.headers["hx-replace-url"] == f"/edit?{query}"
    elsewhere = client.get(f"/edit-result?{query}", headers={"hx-current-url": "http://testserver/neuron"})
    assert "hx-replace-url" not in elsewhere.headers
    assert re.search(r"<ins>|unchanged", answer.text)


def test_hostile_text_is_no_markup(client: TestClient) -> None:
    hostile = "<script>alert(1)</script>"
    for page in ("edit", "edit-result"):
        answer = get(client, page, store=STORE, neuron=NEURON, text=hostile)
        assert answer.status_code == 200
        assert hostile not in answer.text


def test_what_cannot_be_edited_is_explained(client: TestClient, collection: Collection) -> None:
    assert "Choose neurons" in get(client, "edit", store=STORE).text
    no_neuron = get(client, "edit-result", store=STORE)
    assert (no_neuron.status_code, "pin a neuron" in no_neuron.text) == (422, True)
    unknown = get(client, "edit", store=STORE, neuron="layers.9:1")
    assert (unknown.status_code, "no neuron" in unknown.text) == (422, True)
    untouched = get(
        client, "edit-result", store=STORE, neuron=NEURON, kind="other", other="range(edit=zero, low=1e9)"
    )
    assert (untouched.status_code, "touched no value" in untouched.text) == (422, True)
    store = collection.path(collection.entry(STORE))
    alone = create_app(collect([store]), Settings(hosts=("testserver",)))
    with TestClient(alone) as opened:
        name = collect([store]).entries[0].name
        assert get(opened, "edit", store=name, neuron=NEURON).status_code == 200


def test_an_encoder_without_a_head_gives_the_change_of_its_values(tmp_path: Path) -> None:
    model = og.load_model(tiny_bert(tmp_path / "bert"), device="cpu")
    og.extract(model, plain_corpus(), tmp_path / "store.zarr")
    with TestClient(create_app(collect([tmp_path]), Settings(hosts=("testserver",)))) as opened:
        values = {"store": "store", "neuron": "layers.0:1", "value": 5, "text": "the old dog"}
        page = get(opened, "edit-result.json", **values).json()
        assert page["what"] == "values"
        assert "masked language model" in page["no_masks"]
        assert [row[0] for row in page["figures"][0]["table"]["rows"]] == ["the", "old", "dog"]
        assert all(row[2] > 0 for row in page["figures"][0]["table"]["rows"])
        assert "fills in no masked words" in get(opened, "edit-result", **values).text
