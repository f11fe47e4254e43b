"""Pseudo-perplexity against a naive loop over masked subwords."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from onegrain.errors import ModelError, ParameterError
from onegrain.interventions import Intervention, editing
from onegrain.metrics import PseudoPerplexity
from onegrain.models import LoadedModel, load_model
from support.headed import save_headed
from support.tiny import parallel_corpus, plain_corpus

NAMES = ("bert-masked", "roberta-masked", "distilbert-masked")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("masked")
    return {name: save_headed(name, root / name) for name in NAMES}


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_it_equals_a_naive_loop(folders: dict[str, Path], name: str) -> None:
    corpus = plain_corpus().head(4)
    loaded = load_model(folders[name], device="cpu")
    reference = AutoModelForMaskedLM.from_pretrained(folders[name]).eval()
    expected = []
    for words in corpus.sentences():
        row = loaded.encode([words])[0]
        special = set(loaded.tokenizer.all_special_ids)
        losses = []
        for place, subword in enumerate(row.ids):
            if subword in special:
                assert row.word_of[place] == -1
                continue
            ids = torch.tensor([row.ids])
            ids[0, place] = loaded.tokenizer.mask_token_id
            losses.append(-float(reference(input_ids=ids).logits[0, place].double().log_softmax(-1)[subword]))
        expected.append((sum(losses), len(losses)))
    measurement = PseudoPerplexity(corpus).measure(loaded, batch_size=7)
    np.testing.assert_allclose(measurement.statistics, expected, rtol=1e-5)
    nll, subwords = np.sum(expected, axis=0)
    assert measurement.value == pytest.approx(math.exp(nll / subwords), rel=1e-6)
    assert measurement.columns == ("nll", "subwords")
    assert measurement.signature.startswith("pseudo-perplexity|")


def test_edits_change_it_and_batches_do_not(folders: dict[str, Path]) -> None:
    metric = PseudoPerplexity(plain_corpus().head(3))
    loaded = load_model(folders["bert-masked"], device="cpu")
    intervention = Intervention.of([f"layers.1:{unit}" for unit in range(8)])
    intact = metric.measure(loaded)
    with editing(loaded, intervention):
        together, apart = metric.measure(loaded), metric.measure(loaded, batch_size=1)
    np.testing.assert_allclose(together.statistics, apart.statistics, rtol=1e-5)
    assert together.value != pytest.approx(intact.value, rel=1e-3)
    assert metric.measure(loaded).value == intact.value


def test_refusals(models: dict[str, LoadedModel], folders: dict[str, Path]) -> None:
    with pytest.raises(ParameterError, match="no sentence"):
        PseudoPerplexity(plain_corpus().head(0))
    with pytest.raises(ParameterError, match="is a language model; use perplexity"):
        PseudoPerplexity(plain_corpus()).measure(models["gpt2"])
    with pytest.raises(ParameterError, match="is a translation model; use perplexity"):
        PseudoPerplexity(parallel_corpus()).measure(models["nmt"])
    with pytest.raises(ModelError, match="is not a masked language model: its checkpoint lacks"):
        PseudoPerplexity(plain_corpus()).measure(models["bert"])
    maskless = load_model(folders["bert-masked"], device="cpu")
    maskless.tokenizer.mask_token = None
    with pytest.raises(ParameterError, match="has no mask token"):
        PseudoPerplexity(plain_corpus()).measure(maskless)
