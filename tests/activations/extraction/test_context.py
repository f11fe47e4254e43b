"""Test that the context before a sentence is the same in reading, scoring and erasing neurons."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import processors
from transformers import OPTConfig, OPTForCausalLM

import onegrain as og
from onegrain.activations.extraction.encoding import EncodedCorpus
from onegrain.activations.extraction.options import EncodingOptions
from onegrain.errors import MismatchError
from onegrain.models import load_model
from onegrain.models.scoring import scored_rows
from onegrain.rankings.gradients.loss_batches import scored_sentences
from support.tiny import parallel_corpus, plain_corpus, save_tiny

BEFORE = {
    **dict.fromkeys(("bert", "distilbert"), ("[CLS]",)),
    **dict.fromkeys(("roberta", "xlm-roberta", "bart"), ("<s>",)),
    **dict.fromkeys(("gpt2", "gpt_neox"), ("<|endoftext|>",)),  # the tokenizer has it and does not put it
    **dict.fromkeys(("qwen2", "qwen3"), ()),  # the tokenizer has none
    **dict.fromkeys(("llama", "mistral"), ("<s>",)),
    **dict.fromkeys(("gemma", "gemma2", "gemma3"), ("<bos>",)),
    **dict.fromkeys(("t5", "marian", "mbart"), ()),  # encoders of translation models begin with the first word
}
TINY = {"nlm": ["<s>"], "nmt": [], "bert": ["<s>"], "gpt2": ["<s>"]}


def scored_behind(loaded) -> list[int]:
    return scored_rows(loaded, plain_corpus()).rows[0]


@pytest.mark.parametrize("name", BEFORE)
def test_the_default_context_before_a_sentence(zoo, name):
    loaded = zoo[name]
    first = loaded.encode([["the"]])[0]
    inside = [ids for ids, of in zip(first.ids, first.word_of, strict=True) if of == 0]
    (row,) = EncodedCorpus(loaded, og.Corpus.from_sentences([["the"]]), "source", EncodingOptions()).sentence(0)
    start = row.ids.tolist().index(inside[0])
    assert loaded.tokenizer.convert_ids_to_tokens(row.ids[:start].tolist()) == list(BEFORE[name])


@pytest.mark.parametrize("name", TINY)
def test_so_in_the_models_of_the_tests(models, name):
    loaded = models[name]
    (row,) = EncodedCorpus(loaded, og.Corpus.from_sentences([["the"]]), "source", EncodingOptions()).sentence(0)
    first = loaded.tokenizer.convert_ids_to_tokens(row.ids.tolist())[: len(TINY[name])]
    assert first == TINY[name]
    assert loaded.frame[0] == loaded.tokenizer.convert_tokens_to_ids(TINY[name])


def test_opt_reads_the_end_token_first(models, tmp_path):
    """OPT's tokenizer adds its end token, which is also its start token, before a sentence."""
    tokenizer = models["gpt2"].tokenizer.__class__.from_pretrained(models["gpt2"].identity.id)
    tokenizer.bos_token = "</s>"
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", tokenizer.eos_token_id)]
    )
    config = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        ffn_dim=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        word_embed_proj_dim=16,
        bos_token_id=tokenizer.eos_token_id,
        pad_token_id=0,
    )
    loaded = load_model(save_tiny(tmp_path / "opt", lambda: OPTForCausalLM(config), tokenizer, 0), device="cpu")
    assert loaded.bos_id is None
    (row,) = EncodedCorpus(loaded, plain_corpus(), "source", EncodingOptions()).sentence(0)
    assert row.ids.tolist() == scored_behind(loaded)
    assert row.ids[0] == tokenizer.eos_token_id


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "qwen2", "llama", "gemma"])
def test_words_are_read_in_the_rows_that_are_scored(zoo, name):
    """Extraction, live reading, gradients and perplexity encode a sentence as the same row."""
    loaded = zoo[name]
    rows = EncodedCorpus(loaded, plain_corpus(), "source", EncodingOptions())
    read = [rows.sentence(number)[0].ids.tolist() for number in range(plain_corpus().n_sentences)]
    assert read == scored_rows(loaded, plain_corpus()).rows
    assert read == [sentence[0].ids for sentence in scored_sentences(rows)]


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox"])
def test_a_ranking_of_another_context_is_not_erased(zoo, tmp_path, name):
    loaded, corpus = zoo[name], plain_corpus()
    agreeing = og.extract(loaded, corpus, tmp_path / "a.zarr")
    assert agreeing.provenance.parameters["bos"] is True
    np.testing.assert_array_equal(agreeing.values(), og.live_activations(loaded, corpus).values())
    without = og.extract(loaded, corpus, tmp_path / "b.zarr", bos=False)
    assert without.provenance.parameters["bos"] is False
    assert not np.allclose(without.values(), agreeing.values())
    options = {"counts": [3], "random_orders": 1}
    bare = loaded.without_start_token()
    np.testing.assert_array_equal(og.live_activations(bare, corpus).values(), without.values())
    og.ablate(loaded, og.rank("random", agreeing), og.Perplexity(corpus), **options)
    og.ablate(bare, og.rank("random", without), og.Perplexity(corpus), **options)
    with pytest.raises(MismatchError, match=r"without its start token, .* behind it; extract again with --bos"):
        og.ablate(loaded, og.rank("random", without), og.Perplexity(corpus), **options)
    with pytest.raises(MismatchError, match=r"gave behind its start token, .* extract again with --no-bos"):
        og.ablate(bare, og.rank("random", agreeing), og.Perplexity(corpus), **options)


def test_translation_models_have_no_such_choice(models, tmp_path):
    pairs = parallel_corpus()
    store = og.extract(models["nmt"], pairs, tmp_path / "a.zarr", sites="decoder.layers.*")
    assert store.provenance.parameters["bos"] is False
    og.ablate(models["nmt"], og.rank("random", store), og.Perplexity(pairs), counts=[3], random_orders=1)
