"""The log-probabilities of what a model writes before and after an edit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.interventions.steered_text import ScoredText, steer_text
from onegrain.models import LoadedModel
from onegrain.models.writing import WrittenText, write_text
from onegrain.records.corpus import Corpus
from support.zoo import Zoo

TEXT = Corpus.from_sentences([["three", "birds", "were"]])
SITES = {"nlm": "layers.1", "gpt2": "layers.1.mlp", "nmt": "encoder.layers.1", "marian": "encoder.layers.0"}


@pytest.fixture(params=SITES)
def model(request: pytest.FixtureRequest, models: dict[str, LoadedModel], zoo: Zoo) -> LoadedModel:
    return models[request.param] if request.param in models else zoo[request.param]


def edit_of(model: LoadedModel) -> og.Intervention:
    site = next(site for name, site in SITES.items() if name in model.identity.id.lower())
    return og.Intervention.of([f"{site}:1", f"{site}:3"], edit="clamp(value=5)")


def teacher_forced(model: LoadedModel, text: Corpus, ids: tuple[int, ...]) -> np.ndarray:
    """The log-probability of each id, from one pass over all of them."""
    (encoded,) = model.encode(list(text.sentences()))
    if model.task == "translation":
        start = model.generation_settings()["decoder_start_token_id"]
        logits = model.forward([encoded.ids], [[start, *ids[:-1]]]).logits[0]
    else:
        last = max(place for place, word in enumerate(encoded.word_of) if word >= 0)
        prompt = ([] if model.bos_id is None else [model.bos_id]) + encoded.ids[: last + 1]
        logits = model.forward([[*prompt, *ids]]).logits[0, len(prompt) - 1 : -1]
    scores = logits.double().log_softmax(-1)
    return scores[torch.arange(len(ids)), list(ids)].detach().numpy()


def decoded(model: LoadedModel, text: WrittenText) -> str:
    return str(
        model.tokenizer.decode(text.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    ).strip()


def test_subwords_are_those_of_steering_and_their_probabilities_of_one_pass(model: LoadedModel) -> None:
    edit = edit_of(model)
    result = steer_text(model, edit, TEXT, max_new_tokens=6)
    alone = og.steer(model, edit, TEXT, max_new_tokens=6)
    assert (result.steering.before, result.steering.after) == (alone.before, alone.after)
    before = write_text(model, TEXT, max_new_tokens=6)
    with og.editing(model, edit):
        after = write_text(model, TEXT, max_new_tokens=6)
        assert decoded(model, after) == alone.after[0]
        np.testing.assert_allclose(result.after.after, teacher_forced(model, TEXT, after.ids), atol=1e-5)
        np.testing.assert_allclose(result.before.after, teacher_forced(model, TEXT, before.ids), atol=1e-5)
    assert decoded(model, before) == alone.before[0]
    np.testing.assert_allclose(result.before.before, teacher_forced(model, TEXT, before.ids), atol=1e-5)
    np.testing.assert_allclose(result.after.before, teacher_forced(model, TEXT, after.ids), atol=1e-5)
    assert not np.allclose(result.before.before, result.before.after)
    assert isinstance(result.before, ScoredText)
    assert len(result.before.subwords) == len(before.ids)


def test_an_edit_of_the_generated_part_leaves_the_first_subword(models: dict[str, LoadedModel]) -> None:
    where = og.Where(part="generated")
    edit = og.Intervention.of("layers.1.mlp:1", edit="clamp(value=40)", where=where)
    result = steer_text(models["gpt2"], edit, TEXT, max_new_tokens=4)
    assert result.before.after[0] == pytest.approx(result.before.before[0], abs=1e-9)
    assert not np.allclose(result.before.after[1:], result.before.before[1:])


def test_encoders_and_several_texts_are_refused(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match="encoder"):
        write_text(models["bert"], TEXT)
    with pytest.raises(ParameterError, match="one text"):
        write_text(models["nlm"], Corpus.from_sentences([["a"], ["b"]]))


def test_values_of_a_sentence_reach_the_prompt_alone(models: dict[str, LoadedModel]) -> None:
    """The pair has no values for what is generated, and the edit of the prompt asks for none."""
    model, site = models["gpt2"], "layers.1"
    whole = og.Intervention.of(model.space(site), np.arange(16), "interchange", where=og.Where(part="prompt"))
    text, pair = (Corpus.from_sentences([words]) for words in (["three", "birds"], ["birds", "three"]))
    steered = steer_text(model, whole, text, pairs=pair, max_new_tokens=3)
    first = write_text(model, pair, max_new_tokens=1)
    assert steered.after.subwords[0] == first.subwords[0]
    assert steered.after.after[0] == pytest.approx(first.log_probabilities[0], abs=1e-4)
    everywhere = og.Intervention.of(f"{site}:1", edit="interchange")
    with pytest.raises(ParameterError, match="pairs of equal length"):
        steer_text(model, everywhere, text, pairs=pair, max_new_tokens=3)
