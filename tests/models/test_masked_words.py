"""Words that a masked language model fills in, beside transformers' own pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from onegrain.errors import ModelError, ParameterError
from onegrain.models import LoadedModel, load_model
from onegrain.models.masked_words import masked_text, predict_masked
from onegrain.records.corpus import Corpus
from support.headed import save_headed


@pytest.fixture(scope="module", params=["bert-masked", "roberta-masked"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_headed(request.param, tmp_path_factory.mktemp("masked") / "model")


def of_words(*words: str) -> Corpus:
    return Corpus.from_sentences([words])


def test_predictions_at_a_mask_are_those_of_transformers(folder: Path) -> None:
    loaded = load_model(folder, device="cpu")
    tokenizer, reference = AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder)
    masked = masked_text(loaded, of_words("the", "[mask]", "sleeps"))
    assert masked.asked
    (row,), (place,) = masked.rows, masked.places
    assert row[place] == tokenizer.mask_token_id
    assert row.count(tokenizer.mask_token_id) == 1
    assert masked.hidden == [None]
    with torch.no_grad():
        logits = reference.eval()(input_ids=torch.tensor([row])).logits[0, place].double()
    expected = logits.log_softmax(-1).topk(4)
    predicted = predict_masked(loaded, masked, k=4)
    np.testing.assert_array_equal(predicted.ids[0], expected.indices.numpy())
    np.testing.assert_allclose(predicted.log_probabilities[0], expected.values.numpy(), atol=1e-4)
    again = predict_masked(loaded, masked, ids=predicted.ids[:, ::-1].copy())
    np.testing.assert_array_equal(again.log_probabilities, predicted.log_probabilities[:, ::-1])


def test_the_subwords_of_a_word_are_hidden_together(folder: Path) -> None:
    loaded = load_model(folder, device="cpu")
    words = ("unbelievably", "long", "answer")
    (encoded,) = loaded.encode([words])
    masked = masked_text(loaded, of_words(*words))
    assert not masked.asked
    places = [place for place, word in enumerate(encoded.word_of) if word >= 0]
    assert sorted(masked.places) == places
    assert encoded.word_of.count(0) > 1
    for row, place, word, hidden in zip(masked.rows, masked.places, masked.words, masked.hidden, strict=True):
        assert encoded.word_of[place] == word
        assert encoded.ids[place] == hidden
        changed = {n for n, (old, new) in enumerate(zip(encoded.ids, row, strict=True)) if old != new}
        assert changed == {n for n, owner in enumerate(encoded.word_of) if owner == word}
    few = masked_text(loaded, of_words(*words), most_words=1)
    assert set(few.words) == {0}


def test_models_without_a_mask_are_refused(models: dict[str, LoadedModel], folder: Path) -> None:
    with pytest.raises(ModelError, match="lacks"):
        masked_text(models["bert"], of_words("the"))
    with pytest.raises(ParameterError, match="is not a masked language model"):
        masked_text(models["gpt2"], of_words("the"))
    two = Corpus.from_sentences([["the"], ["dog"]])
    with pytest.raises(ParameterError, match="one text"):
        masked_text(load_model(folder, device="cpu"), two)
