"""Test the longest row, and whether words see what follows, on every architecture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertLMHeadModel,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    LEDConfig,
    LEDForConditionalGeneration,
    MptConfig,
    MptForCausalLM,
    RobertaConfig,
    RobertaForCausalLM,
    XLNetConfig,
    XLNetLMHeadModel,
)

from onegrain import live_activations
from onegrain.errors import CorpusError, ModelError, ParameterError
from onegrain.metrics import BLEU, Perplexity
from onegrain.models import load_model
from onegrain.records.corpus import Corpus
from support.tiny import plain_corpus, save_tiny, tiny_gpt2, tiny_opt
from support.zoo import ENCODERS, LANGUAGE_MODELS, POSITIONS, TRANSLATION_MODELS, ZOO

LEARNED = (*ENCODERS, "gpt2", "bart", "mbart", "marian")
"""Models with a table of positions, which ends."""


def row(loaded, length: int) -> list[int]:
    """Subwords none of which is special."""
    special = set(loaded.tokenizer.all_special_ids)
    ids = [subword for subword in range(len(loaded.tokenizer)) if subword not in special]
    return (ids * length)[:length]


def run(loaded, length: int) -> torch.Tensor:
    ids = row(loaded, length)
    with torch.no_grad():
        return loaded.forward([ids], [ids] if loaded.task == "translation" else None)[0]


@pytest.mark.parametrize("name", ZOO)
def test_the_longest_row_runs(zoo, name):
    loaded = zoo[name]
    assert loaded.longest == (None if name == "t5" else POSITIONS)
    assert bool(run(loaded, POSITIONS).isfinite().all())


@pytest.mark.parametrize("name", LEARNED)
def test_one_subword_more_does_not(zoo, name):
    with pytest.raises((IndexError, RuntimeError)):
        run(zoo[name], POSITIONS + 1)


def test_models_without_positions_have_no_bound(zoo, models):
    for loaded in (zoo["t5"], models["nlm"], models["nmt"]):
        assert loaded.longest is None
        assert run(loaded, 3 * POSITIONS).shape[1] == 3 * POSITIONS


def test_the_tokenizer_may_bound_a_row_closer(zoo, models, monkeypatch):
    assert models["nlm"].tokenizer.model_max_length == 64
    loaded = zoo["llama"]
    monkeypatch.setattr(loaded.tokenizer, "model_max_length", 20)
    monkeypatch.delitem(loaded.__dict__, "longest", raising=False)
    assert loaded.longest == 20
    monkeypatch.delitem(loaded.__dict__, "longest")


@pytest.mark.parametrize("name", ZOO)
def test_whether_words_see_what_follows(zoo, name):
    assert zoo[name].causal == (name in LANGUAGE_MODELS)


def test_lstm_language_models_are_causal(models):
    assert models["nlm"].causal
    assert not models["nmt"].causal


def test_a_language_model_that_calls_a_part_of_its_body_is_causal(tmp_path):
    """OPT calls the decoder inside its body, so the body gives no output."""
    loaded = load_model(tiny_opt(tmp_path / "opt"), device="cpu")
    assert loaded.causal
    assert Perplexity(plain_corpus()).measure(loaded).value > 1.0


def test_a_language_model_without_its_head_is_causal(zoo, tmp_path):
    """Loaded as an encoder, for all its configuration says."""
    from onegrain.models import load_model

    zoo["gpt2"].model.transformer.save_pretrained(tmp_path)
    zoo["gpt2"].tokenizer.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.task == "encoder"
    assert loaded.causal


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
EIGHTH = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
}  # fmt: skip


def bert_pair(size: int) -> EncoderDecoderModel:
    encoder = BertConfig(vocab_size=size, max_position_embeddings=48, **SMALL)
    decoder = BertConfig(vocab_size=size, max_position_embeddings=32, is_decoder=True, **SMALL)
    decoder.add_cross_attention = True
    config = EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id = 1, 0
    return EncoderDecoderModel(config)


def other_models(size: int) -> dict[str, tuple[Any, int, int]]:
    """By name: what makes the model, and what its encoder (or it) and its decoder read."""
    vision = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**SMALL, "vocab_size": size, "head_dim": 8, "num_key_value_heads": 1, "max_position_embeddings": 40}
    led = LEDConfig(
        vocab_size=size, attention_window=4, max_encoder_position_embeddings=32,
        max_decoder_position_embeddings=24, **EIGHTH,
    )  # fmt: skip
    seen = Gemma3Config(
        text_config=text, vision_config=vision | {"image_size": 32, "patch_size": 16}, image_token_index=3
    )
    mpt = MptConfig(vocab_size=size, d_model=16, n_layers=2, n_heads=2, max_seq_len=32, expansion_ratio=2)
    return {
        "mpt": (lambda: MptForCausalLM(mpt), 32, 32),
        "led": (lambda: LEDForConditionalGeneration(led), 32, 24),
        "bert2bert": (lambda: bert_pair(size), 48, 32),
        "gemma3": (lambda: Gemma3ForConditionalGeneration(seen), 40, 40),
    }


@pytest.mark.parametrize("name", ["mpt", "led", "bert2bert", "gemma3"])
def test_limits_stand_wherever_a_configuration_keeps_them(models, tmp_path, name):
    tokenizer = models["gpt2"].tokenizer
    make, source, target = other_models(len(tokenizer))[name]
    loaded = load_model(save_tiny(tmp_path / name, make, tokenizer, 0), device="cpu")
    assert (loaded.longest, loaded.longest_on("target")) == (source, target)
    words = Corpus.from_sentences([["rain"], ["a"] * 60])
    short = Corpus.from_sentences([["a"], ["a"]])
    with pytest.raises(CorpusError, match=rf"sentence 1 .* has 60 words, .* reads at most {source} subwords"):
        live_activations(loaded, words, sites=deepest_block(loaded)).values()
    if loaded.task == "translation":
        for metric in (Perplexity(words.with_target(short)), BLEU(words.with_target(short))):
            with pytest.raises(CorpusError, match=f"sentence 1 .*reads at most {source} subwords"):
                metric.measure(loaded)
        with pytest.raises(CorpusError, match=f"sentence 1 .*reads at most {target} subwords"):
            Perplexity(short.with_target(words)).measure(loaded)
        assert len(loaded.translate(short.with_target(short), max_new_tokens=100)) == 2
    elif loaded.task == "language model":
        with pytest.raises(CorpusError, match=f"sentence 1 .*reads at most {source} subwords"):
            Perplexity(words).measure(loaded)


def deepest_block(loaded) -> str:
    """The last block that reads the source's words."""
    paths = [path for path, _ in loaded.model.named_modules() if path.split(".")[-1].isdigit()]
    return [path for path in paths if "decoder" not in path and "vision" not in path][-1]


def refusing(loaded, corpus) -> None:
    with pytest.raises(ParameterError, match="a subword sees what follows it"):
        Perplexity(corpus).measure(loaded)


@pytest.mark.parametrize("name", ["xlnet", "bert", "roberta"])
def test_perplexity_only_where_no_subword_sees_what_follows(models, tmp_path, name):
    tokenizer = models["gpt2"].tokenizer
    size = len(tokenizer)
    kinds = {
        "xlnet": lambda: XLNetLMHeadModel(
            XLNetConfig(vocab_size=size, d_model=16, n_layer=2, n_head=2, d_inner=24)
        ),
        "bert": lambda: BertLMHeadModel(BertConfig(vocab_size=size, is_decoder=False, **SMALL)),
        "roberta": lambda: RobertaForCausalLM(RobertaConfig(vocab_size=size, is_decoder=False, **SMALL)),
    }[name]
    loaded = load_model(save_tiny(tmp_path / name, kinds, tokenizer, 0), device="cpu")
    assert loaded.task == "language model"
    refusing(loaded, plain_corpus())


def test_the_same_classes_read_from_left_to_right_as_decoders(models, tmp_path):
    tokenizer = models["gpt2"].tokenizer
    config = BertConfig(vocab_size=len(tokenizer), is_decoder=True, **SMALL)
    loaded = load_model(save_tiny(tmp_path / "b", lambda: BertLMHeadModel(config), tokenizer, 0), device="cpu")
    assert loaded.causal
    assert Perplexity(plain_corpus()).measure(loaded).value > 1


def test_a_decoder_is_tried_too(models, tmp_path):
    """A decoder that sees the whole translation, as one that adds the mean of all its values would."""
    tokenizer = models["nmt"].tokenizer
    folder = save_tiny(tmp_path / "pair", lambda: bert_pair(len(tokenizer)), tokenizer, 0)
    words = Corpus.from_sentences([["a", "b"]])
    loaded = load_model(folder, device="cpu")
    assert loaded.decoder_causal
    assert Perplexity(words.with_target(words)).measure(loaded).value > 1
    seeing = load_model(folder, device="cpu")
    embeddings = seeing.model.decoder.bert.embeddings
    embeddings.register_forward_hook(lambda module, inputs, output: output + output.mean(1, keepdim=True))
    assert not seeing.decoder_causal
    refusing(seeing, words.with_target(words))


def test_every_decoder_of_the_zoo_is_causal(zoo, models):
    for name in TRANSLATION_MODELS:
        assert zoo[name].decoder_causal, name
    assert models["nmt"].decoder_causal


def test_a_subword_without_embedding_is_refused_and_never_fills(tmp_path):
    folder = tiny_gpt2(tmp_path / "gpt2")
    tokenizer = load_model(folder, device="cpu").tokenizer
    tokenizer.add_tokens(["zebra"])
    tokenizer.pad_token = None
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)
    loaded = load_model(folder, device="cpu")
    assert loaded.tokenizer.pad_token_id >= loaded.model.config.vocab_size
    assert loaded.pad_id < loaded.model.config.vocab_size
    words = plain_corpus()
    together, alone = (live_activations(loaded, words, batch_size=size).values() for size in (64, 1))
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-5)
    zebra = Corpus.from_sentences([["rain"], ["the", "zebra"]])
    for use in (
        lambda: live_activations(loaded, zebra).values(),
        lambda: Perplexity(zebra).measure(loaded),
    ):
        with pytest.raises(ModelError, match=r"word 'zebra' the subword .* but the model has embeddings for"):
            use()
