"""Heads on the body of a loaded encoder: their outputs, and that edits reach them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from onegrain.errors import ModelError, ParameterError
from onegrain.interventions import Intervention, editing
from onegrain.models import LoadedModel, load_model
from onegrain.models.heads import HeadKind, classifier_kind
from onegrain.models.padding import head_needs_equal_rows
from support.headed import CLASSES, HEADED, save_headed
from support.tiny import SENTENCES
from support.zoo import Zoo

AUTO = {
    "masked": AutoModelForMaskedLM,
    "sentences": AutoModelForSequenceClassification,
    "words": AutoModelForTokenClassification,
}
KIND: dict[str, HeadKind] = {
    "masked": "masked language model",
    "sentences": "classifier of sentences",
    "words": "classifier of words",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("headed")
    return {name: save_headed(name, root / name) for name in HEADED}


def rows_of(loaded: LoadedModel) -> list[list[int]]:
    return [row.ids for row in loaded.encode([line.split() for line in SENTENCES])]


@torch.no_grad()
@pytest.mark.parametrize("name", HEADED)
def test_outputs_are_those_of_transformers(folders: dict[str, Path], name: str) -> None:
    """Reference: the model as its Auto class loads it, one sentence at a time."""
    task = name.partition("-")[2]
    loaded = load_model(folders[name], device="cpu")
    weights = loaded.identity.weight_hash
    head = loaded.head(KIND[task])
    reference = AUTO[task].from_pretrained(folders[name]).eval()
    rows = rows_of(loaded)
    together = head.logits(rows)
    for number, row in enumerate(rows):
        expected = reference(input_ids=torch.tensor([row])).logits[0]
        output = together[number] if task == "sentences" else together[number, : len(row)]
        torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)
    assert not head_needs_equal_rows(loaded, head)
    assert loaded.head(KIND[task]) is head
    assert head.network.base_model is loaded.model
    assert load_model(folders[name], device="cpu").identity.weight_hash == weights
    if task != "masked":
        assert head.classes == CLASSES
        assert classifier_kind(loaded) == KIND[task]


@torch.no_grad()
@pytest.mark.parametrize("name", ["bert-masked", "roberta-masked", "distilbert-masked"])
def test_logits_at_chosen_places_are_those_of_all_places(folders: dict[str, Path], name: str) -> None:
    loaded = load_model(folders[name], device="cpu")
    head = loaded.head("masked language model")
    rows = rows_of(loaded)
    places = [number % len(row) for number, row in enumerate(rows)]
    everywhere = head.logits(rows)
    expected = torch.stack([everywhere[number, place] for number, place in enumerate(places)])
    torch.testing.assert_close(head.logits_at(rows, places), expected, rtol=1e-5, atol=1e-6)
    assert head.logits(rows).shape == everywhere.shape


@torch.no_grad()
@pytest.mark.parametrize("name", ["bert-masked", "gpt2-sentences", "bert-words"])
def test_edits_of_the_body_reach_the_head(folders: dict[str, Path], name: str) -> None:
    loaded = load_model(folders[name], device="cpu")
    head = loaded.head(KIND[name.partition("-")[2]])
    rows = rows_of(loaded)
    before = head.logits(rows)
    with editing(loaded, Intervention.of([f"layers.1:{unit}" for unit in range(8)])):
        edited = head.logits(rows)
    assert not torch.allclose(edited, before, atol=1e-3)
    assert torch.equal(head.logits(rows), before)


def test_heads_that_a_model_lacks_are_refused(folders: dict[str, Path], zoo: Zoo) -> None:
    masked = load_model(folders["bert-masked"], device="cpu")
    with pytest.raises(ModelError, match=r"not a classifier of sentences: its checkpoint lacks .*classifier"):
        masked.head("classifier of sentences")
    with pytest.raises(ModelError, match="is not a masked language model: its checkpoint lacks"):
        load_model(folders["bert-words"], device="cpu").head("masked language model")
    with pytest.raises(ParameterError, match="is not a masked language model, but a language model"):
        zoo["gpt2"].head("masked language model")
