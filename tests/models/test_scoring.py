from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from onegrain.errors import ParameterError
from onegrain.models import LoadedModel, load_model
from onegrain.models.scoring import subword_losses
from onegrain.records.corpus import Corpus
from support.tiny import parallel_corpus, plain_corpus, save_tiny, tiny_bert, tiny_gpt2, tiny_nlm, tiny_nmt
from support.zoo import LANGUAGE_MODELS, TRANSLATION_MODELS, Zoo

MAKERS = {"nlm": tiny_nlm, "gpt2": tiny_gpt2, "nmt": tiny_nmt, "bert": tiny_bert}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    root = tmp_path_factory.mktemp("models")
    return {kind: load_model(make(root / kind), device="cpu") for kind, make in MAKERS.items()}


def losses_alone(loaded: LoadedModel, corpus: Corpus) -> list[list[float]]:
    """For each sentence the loss of each predicted subword, one forward pass a sentence."""
    model = loaded.model
    losses = []
    for number in range(corpus.n_sentences):
        ids = loaded.encode([corpus.sentence(number)])[0].ids
        inputs = {"input_ids": torch.tensor([ids])}
        wanted = ids[1:]
        if loaded.task == "translation":
            assert corpus.target is not None
            wanted = loaded.encode([corpus.target.sentence(number)])[0].ids
            start = model.config.decoder_start_token_id
            inputs["decoder_input_ids"] = torch.tensor([[start, *wanted[:-1]]])
        log_p = model(**inputs).logits[0].double().log_softmax(-1)
        losses.append([-float(log_p[position, subword]) for position, subword in enumerate(wanted)])
    return losses


@torch.no_grad()
@pytest.mark.parametrize("kind", ["nlm", "gpt2", "nmt"])
def test_losses_and_perplexity_equal_a_naive_loop(models: dict[str, LoadedModel], kind: str) -> None:
    corpus = parallel_corpus()
    expected = losses_alone(models[kind], corpus)
    nll, tokens = models[kind].sentence_losses(corpus, batch_size=3)
    assert nll.dtype == np.float64
    assert tokens.tolist() == [len(each) for each in expected]
    np.testing.assert_allclose(nll, [sum(each) for each in expected], rtol=1e-5)
    flat = [loss for each in expected for loss in each]
    perplexity = math.exp(sum(flat) / len(flat))
    assert np.exp(nll.sum() / tokens.sum()) == pytest.approx(perplexity, rel=1e-5)


@pytest.mark.parametrize("kind", ["nlm", "gpt2", "nmt"])
def test_batches_and_order_do_not_matter(models: dict[str, LoadedModel], kind: str) -> None:
    corpus = parallel_corpus()
    together, tokens = models[kind].sentence_losses(corpus, batch_size=64)
    singly, _ = models[kind].sentence_losses(corpus, batch_size=1)
    np.testing.assert_allclose(together, singly, rtol=1e-5)
    order = [3, 0, 7, 2, 6, 1, 5, 4]
    moved, moved_tokens = models[kind].sentence_losses(corpus.select(order), batch_size=3)
    np.testing.assert_allclose(moved, together[order], rtol=1e-5)
    assert moved_tokens.tolist() == tokens[order].tolist()


def test_a_model_that_puts_all_on_one_subword_is_scored_by_hand(models: dict[str, LoadedModel]) -> None:
    """Planted: zero weights make every prediction uniform, so each subword costs log(vocabulary)."""
    loaded = models["nlm"]
    before = loaded.model.embeddings.weight.detach().clone()
    try:
        with torch.no_grad():
            loaded.model.embeddings.weight.zero_()
        nll, tokens = loaded.sentence_losses(plain_corpus())
    finally:
        with torch.no_grad():
            loaded.model.embeddings.weight.copy_(before)
    np.testing.assert_allclose(nll / tokens, math.log(loaded.model.config.vocab_size), rtol=1e-6)


@torch.no_grad()
def test_losses_over_a_large_vocabulary_are_those_of_float64(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=128_256, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    tokenizer = load_model(tiny_gpt2(tmp_path / "small"), device="cpu").tokenizer
    loaded = load_model(
        save_tiny(tmp_path / "large", lambda: GPT2LMHeadModel(config), tokenizer, 0), device="cpu"
    )
    rows = [encoded.ids for encoded in loaded.encode(list(plain_corpus().sentences())[:3])]
    each, predicted = subword_losses(loaded, rows, rows)
    for number, row in enumerate(rows):
        log_p = loaded.forward(rows).logits[number, : len(row) - 1].double().log_softmax(-1)
        expected = -log_p.gather(1, torch.tensor(row[1:])[:, None])[:, 0]
        assert predicted[number].sum() == len(row) - 1
        torch.testing.assert_close(each[number, : len(row) - 1], expected, rtol=0, atol=1e-9)


def test_a_start_is_put_where_the_tokenizer_puts_none(models: dict[str, LoadedModel], tmp_path: Path) -> None:
    loaded = models["gpt2"]
    folder = tiny_gpt2(tmp_path / "gpt2")
    bare = load_model(folder, device="cpu")
    bare.tokenizer.backend_tokenizer.post_processor = None
    assert bare.encode([["the"]])[0].ids[0] != bare.tokenizer.bos_token_id
    _, tokens = loaded.sentence_losses(plain_corpus())
    _, bare_tokens = bare.sentence_losses(plain_corpus())
    assert bare_tokens.tolist() == (tokens - 1).tolist()  # all but the end


def test_an_encoder_is_refused(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match="neither a language model nor a translation model"):
        models["bert"].sentence_losses(plain_corpus())


def test_a_corpus_without_translations_is_refused(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match="no parallel side"):
        models["nmt"].sentence_losses(plain_corpus())


@torch.no_grad()
@pytest.mark.parametrize("name", TRANSLATION_MODELS)
def test_labels_are_what_the_tokenizer_writes(zoo: Zoo, name: str) -> None:
    """Against the loss that the model itself takes of the tokenizer's own encoding of the target."""
    loaded = zoo[name]
    source = Corpus.from_sentences([words[:6] for words in parallel_corpus().sentences()])
    assert parallel_corpus().target is not None
    target = Corpus.from_sentences([words[:6] for words in parallel_corpus().target.sentences()])
    nll, tokens = loaded.sentence_losses(source.with_target(target), batch_size=3)
    space = " " if name == "bart" else ""
    for number in range(source.n_sentences):
        texts = (space + " ".join(side.sentence(number)) for side in (source, target))
        read = loaded.tokenizer(next(texts), text_target=next(texts), return_tensors="pt")
        loss = loaded.model(input_ids=read["input_ids"], labels=read["labels"]).loss
        assert tokens[number] == read["labels"].shape[1]
        np.testing.assert_allclose(nll[number], float(loss) * tokens[number], rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_every_language_model_is_scored(zoo: Zoo, name: str) -> None:
    loaded, corpus = zoo[name], Corpus.from_sentences([["the", "old", "dog"], ["rain"], ["寿司", "🙂"]])
    nll, tokens = loaded.sentence_losses(corpus)
    for number, encoded in enumerate(loaded.encode(list(corpus.sentences()))):
        starts = name in ("gpt2", "gpt_neox")
        ids = [loaded.tokenizer.bos_token_id, *encoded.ids] if starts else encoded.ids
        log_p = loaded.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        expected = -sum(float(log_p[position, subword]) for position, subword in enumerate(ids[1:]))
        assert tokens[number] == len(ids) - 1
        np.testing.assert_allclose(nll[number], expected, rtol=1e-4)
