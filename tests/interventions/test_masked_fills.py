"""What a masked language model fills in before and after an edit: each number from a pass by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.interventions.masked_fills import fill_masks
from onegrain.models.masked_words import masked_text, predict_masked
from onegrain.records.corpus import Corpus
from support.headed import save_headed
from support.tiny import SENTENCES

EDIT = og.Intervention.of(["layers.0:1", "layers.1:3"], edit="clamp(value=5)")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> og.LoadedModel:
    folder: Path = tmp_path_factory.mktemp("masked") / "bert"
    return og.load_model(save_headed("bert-masked", folder), device="cpu")


def test_both_models_score_the_words_of_both(model: og.LoadedModel) -> None:
    text = Corpus.from_sentences([["the", "old", "[MASK]", "sleeps"]])
    (fill,) = fill_masks(model, EDIT, text, k=4)
    masked = masked_text(model, text)
    intact = predict_masked(model, masked, k=1000)
    with og.editing(model, EDIT):
        edited = predict_masked(model, masked, k=1000)
    known = [
        {
            model.tokenizer.decode([id]).strip(): value
            for id, value in zip(p.ids[0], p.log_probabilities[0], strict=True)
        }
        for p in (intact, edited)
    ]
    assert fill.word == 2
    assert fill.hidden is None
    assert np.isnan([fill.hidden_before, fill.hidden_after]).all()
    assert len(fill.before.subwords) == len(fill.after.subwords) == 4
    for scored in (fill.before, fill.after):
        np.testing.assert_allclose(scored.before, [known[0][word] for word in scored.subwords], atol=1e-9)
        np.testing.assert_allclose(scored.after, [known[1][word] for word in scored.subwords], atol=1e-9)
    assert list(fill.before.before) == sorted(fill.before.before, reverse=True)
    assert list(fill.after.after) == sorted(fill.after.after, reverse=True)
    assert fill.before.subwords != fill.after.subwords


def test_the_hidden_word_has_its_pseudo_likelihood(model: og.LoadedModel) -> None:
    """Words of one subword are masked once each, which is how pseudo-perplexity masks them."""
    words = [
        word
        for word in sorted({word for sentence in SENTENCES for word in sentence.split()})
        if len(model.encode([[word]])[0].ids) == 3
    ]
    text = Corpus.from_sentences([words])
    fills = fill_masks(model, EDIT, text)
    assert len(fills) == len(words) > 2
    mean = np.mean([fill.hidden_before for fill in fills])
    assert np.exp(-mean) == pytest.approx(og.PseudoPerplexity(text).measure(model).value, rel=1e-5)
    with og.editing(model, EDIT):
        edited = og.PseudoPerplexity(text).measure(model).value
    assert np.exp(-np.mean([fill.hidden_after for fill in fills])) == pytest.approx(edited, rel=1e-5)


def test_an_edit_that_touches_nothing_is_refused(model: og.LoadedModel) -> None:
    nowhere = og.Intervention.of("layers.0:1", edit="range(edit=zero, low=1e9)")
    with pytest.raises(ParameterError, match="touched no value"):
        fill_masks(model, nowhere, Corpus.from_sentences([["the", "dog"]]))
    with pytest.raises(ParameterError, match="k must be"):
        fill_masks(model, EDIT, Corpus.from_sentences([["the"]]), k=0)
