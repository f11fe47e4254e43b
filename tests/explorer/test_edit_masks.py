"""The page Edit of a masked language model: what it fills in before and after, as Python gives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

import onegrain as og
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.settings import Settings
from onegrain.interventions.masked_fills import fill_masks
from onegrain.records.corpus import Corpus
from support.headed import save_headed
from support.tiny import plain_corpus

NEURONS = ["layers.0:1", "layers.1:3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masked")
    model = og.load_model(save_headed("bert-masked", folder / "bert"), device="cpu")
    og.extract(model, plain_corpus(), folder / "store.zarr")
    return folder


@pytest.fixture(scope="module")
def masked(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(collect([folder]), Settings(hosts=("testserver",)))) as opened:
        yield opened


def address(page: str, **values: Any) -> str:
    query = {"store": "store", "neuron": NEURONS, "value": [4, -4], **values}
    return f"/{page}?{urlencode(query, doseq=True)}"


def wanted(folder: Path, text: str) -> Any:
    edits = [
        og.Intervention.of(name, edit=f"clamp(value={value})")
        for name, value in zip(NEURONS, (4.0, -4.0), strict=True)
    ]
    model = og.load_model(folder / "bert", device="cpu")
    return fill_masks(model, edits, Corpus.from_sentences([text.split()]))


@pytest.mark.parametrize("text", ["the old [MASK] sleeps", "three birds were singing"])
def test_the_filled_in_words_are_those_of_python(masked: TestClient, folder: Path, text: str) -> None:
    page = masked.get(address("edit-result.json", text=text)).json()
    assert page["what"] == "masked words"
    fills = wanted(folder, text)
    assert [mask["number"] for mask in page["masks"]] == [fill.word for fill in fills]
    for mask, fill in zip(page["masks"], fills, strict=True):
        for shown, scored in ((mask["before"], fill.before), (mask["after"], fill.after)):
            assert [candidate["subword"]["text"] for candidate in shown] == list(scored.subwords)
            assert [candidate["subword"]["before"] for candidate in shown] == pytest.approx(scored.before)
            assert [candidate["subword"]["after"] for candidate in shown] == pytest.approx(scored.after)
        assert mask["changed"] == (fill.before.subwords != fill.after.subwords)
        if fill.hidden is not None:
            assert mask["hidden"]["text"] == fill.hidden
            assert mask["hidden"]["after"] == pytest.approx(fill.hidden_after)
    assert page["changed"]
    assert [figure["name"] for figure in page["figures"]] == ["masks", "values"]


def test_new_words_are_marked(masked: TestClient) -> None:
    html = masked.get(address("edit-result", text="the old [mask] sleeps")).text
    assert "Filled in at word 3" in html
    assert "<ins>" in html
    assert "<del>" in html
    assert "style=" not in html
    form = masked.get(address("edit", text="the old dog")).text
    assert "max_new_tokens" not in form
    table = masked.get(address("edit-result", text="three birds were singing")).text
    assert "Each word masked in turn" in table
    files = masked.get(address("edit-result/figure/masks.csv", text="three birds [MASK] singing")).text
    assert files.count("\n") == 11  # headings, and five words of each model


def test_the_start_of_a_long_text_is_masked(masked: TestClient) -> None:
    page = masked.get(address("edit-result.json", text=" ".join("." * 45))).json()
    assert page["masks_left_out"] == 5
    assert max(mask["number"] for mask in page["masks"]) == 39
