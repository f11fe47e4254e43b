"""Parts that a checkpoint lacks are left out where nothing needs them, and named where something does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from onegrain import live_activations
from onegrain.errors import ModelError
from onegrain.metrics import BLEU, Perplexity
from onegrain.models import load_model
from onegrain.records.corpus import Corpus
from support.tiny import parallel_corpus, plain_corpus, save_tiny, tiny_bert, tiny_gpt2, tiny_nlm, tiny_nmt

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def configure(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    return load_model(tiny_bert(tmp_path / "for-its-tokenizer"), device="cpu").tokenizer


def test_a_pooler_that_was_not_trained_is_in_neither_model_nor_hash(tmp_path: Path, tokenizer: Any) -> None:
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=0, **SIZES)
    folder = save_tiny(tmp_path / "mlm", lambda: RobertaForMaskedLM(config), tokenizer, 0)
    loads = [load_model(folder, device="cpu") for _ in range(3)]
    assert len({loaded.identity.weight_hash for loaded in loads}) == 1
    assert not [name for name in loads[0].model.state_dict() if "pooler" in name]
    assert loads[0].lacking == ("pooler.dense.bias", "pooler.dense.weight")
    values = [live_activations(loaded, plain_corpus()).values() for loaded in loads[:2]]
    assert (values[0] == values[1]).all()
    with pytest.raises(ModelError, match=r"'pooler' needs weights that .* lacks: pooler\.dense"):
        loads[0].space("pooler")


def test_perplexity_of_a_model_without_output_layer_names_it(tmp_path: Path, tokenizer: Any) -> None:
    config = LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=False, **SIZES)
    folder = save_tiny(tmp_path / "llama", lambda: LlamaModel(config), tokenizer, 0)
    configure(folder, architectures=["LlamaForCausalLM"])
    loaded = load_model(folder, device="cpu")
    assert loaded.identity.weight_hash == load_model(folder, device="cpu").identity.weight_hash
    assert live_activations(loaded, plain_corpus(), sites="layers.1").values().any()
    with pytest.raises(ModelError, match=r"output layer is not in the checkpoint, which lacks lm_head\.weight"):
        Perplexity(plain_corpus()).measure(loaded)


def test_a_tied_output_layer_is_not_missing(tmp_path: Path, tokenizer: Any) -> None:
    config = LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=True, **SIZES)
    folder = save_tiny(tmp_path / "llama", lambda: LlamaModel(config), tokenizer, 0)
    configure(folder, architectures=["LlamaForCausalLM"])
    loaded = load_model(folder, device="cpu")
    assert loaded.lacking == ()
    assert Perplexity(plain_corpus()).measure(loaded).value > 1


def test_a_translation_model_without_output_layer_does_not_translate(tmp_path: Path, tokenizer: Any) -> None:
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, max_position_embeddings=64,
        pad_token_id=0, decoder_start_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    folder = save_tiny(tmp_path / "bart", lambda: BartForConditionalGeneration(config), tokenizer, 0)
    rewrite(folder, lambda tensors: {k: v for k, v in tensors.items() if k != "lm_head.weight"})
    loaded = load_model(folder, device="cpu")
    assert loaded.lacking == ("lm_head.weight",)
    for metric in (Perplexity(parallel_corpus()), BLEU(parallel_corpus())):
        with pytest.raises(ModelError, match="its output layer is not in the checkpoint"):
            metric.measure(loaded)


@pytest.mark.parametrize("maker", [tiny_bert, tiny_gpt2, tiny_nlm, tiny_nmt])
def test_a_checkpoint_of_other_names_is_refused(tmp_path: Path, maker: Callable[[Path], Path]) -> None:
    folder = maker(tmp_path / "model")
    rewrite(folder, lambda tensors: {f"x.{name}": tensor for name, tensor in tensors.items()})
    with pytest.raises(ModelError, match=r"the checkpoint lacks .*; .* is there: x\."):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("maker", [tiny_bert, tiny_gpt2, tiny_nlm, tiny_nmt])
def test_every_weight_of_the_body_is_needed(tmp_path: Path, maker: Callable[[Path], Path]) -> None:
    folder = maker(tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    for name in [name for name in tensors if "pooler" not in name and "lm_head" not in name][::3]:
        rest = {other: tensor for other, tensor in tensors.items() if other != name}
        save_file(rest, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ModelError, match=f"the checkpoint lacks .*{name.split('.')[-2]}"):
            load_model(folder, device="cpu")


def test_other_shapes_and_precisions_are_named(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "bert")
    tensors = load_file(folder / "model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    for changed, text in (
        (tensors[name][:, :-1].contiguous(), r"has the shape 16 x 31 in .*, but config.json asks for 16 x 32"),
        (tensors[name].to(torch.int8), "is stored as I8"),
        (tensors[name].to(torch.float8_e4m3fn), "is stored as F8_E4M3"),
    ):
        save_file(tensors | {name: changed}, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ModelError, match=f"{name} {text}"):
            load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"vocab_size": 10**9}, "config.json asks for 1000000000 x 16"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers = 1000000000"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "are quantised"),
    ],
)
def test_what_the_weights_cannot_be_is_refused_before_memory_is_taken(
    tmp_path: Path, values: dict[str, Any], text: str
) -> None:
    folder = tiny_bert(tmp_path / "bert")
    configure(folder, **values)
    with pytest.raises(ModelError, match=text):
        load_model(folder, device="cpu")


def test_the_hash_is_of_what_the_checkpoint_holds(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "bert")
    before = load_model(folder, device="cpu").identity.weight_hash
    rewrite(folder, lambda tensors: {k: v for k, v in tensors.items() if "pooler" not in k})
    lacking = load_model(folder, device="cpu")
    assert lacking.identity.weight_hash != before
    torch.manual_seed(1)
    assert load_model(folder, device="cpu").identity.weight_hash == lacking.identity.weight_hash
    assert lacking.encode(list(Corpus.from_sentences([["rain"]]).sentences()))
