"""Values that depend on padding: rows of equal length are read together, or the site is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    CanineConfig,
    CanineModel,
    CanineTokenizer,
    ConvBertConfig,
    ConvBertModel,
    FNetConfig,
    FNetModel,
    FunnelConfig,
    FunnelModel,
    MobileBertConfig,
    MobileBertModel,
)

import onegrain as og
from onegrain.errors import CorpusError, ModelError, ParameterError
from onegrain.models import load_model
from onegrain.models.batching import by_length
from onegrain.models.padding import losses_need_equal_rows, sites_need_equal_rows
from onegrain.records.corpus import Corpus
from support.tiny import SENTENCES, parallel_corpus, plain_corpus, save_tiny, tiny_bert, tiny_gpt2, tiny_nmt
from support.zoo import Zoo

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
MODELS = {
    "fnet": (
        lambda common: FNetModel(
            FNetConfig(**common, hidden_size=16, num_hidden_layers=2, intermediate_size=24)
        ),
        "encoder.layer.1",
    ),
    "mobilebert": (
        lambda common: MobileBertModel(
            MobileBertConfig(**common, **SMALL, embedding_size=16, intra_bottleneck_size=8, true_hidden_size=8)
        ),
        "encoder.layer.1",
    ),
    "convbert": (
        lambda common: ConvBertModel(
            ConvBertConfig(**common, **SMALL, embedding_size=16, head_ratio=1, conv_kernel_size=3)
        ),
        "encoder.layer.1",
    ),
    "funnel": (
        lambda common: FunnelModel(
            FunnelConfig(
                vocab_size=common["vocab_size"],
                d_model=16,
                n_head=2,
                d_head=8,
                d_inner=24,
                block_sizes=[1, 1],
                num_decoder_layers=1,
            )
        ),
        "decoder.layers.0",
    ),
    "canine": (
        lambda common: CanineModel(
            CanineConfig(**SMALL, max_position_embeddings=64, num_hash_buckets=64, local_transformer_stride=16)
        ),
        "final_char_encoder.layer.0",
    ),
}


def corpus() -> Corpus:
    return Corpus.from_sentences([line.split() for line in SENTENCES if len(line) < 60])


@pytest.fixture
def build(models, tmp_path):
    tokenizer = models["bert"].tokenizer
    common = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "pad_token_id": 0}

    def network(name: str):
        own_tokenizer = CanineTokenizer() if name == "canine" else tokenizer
        return load_model(
            save_tiny(tmp_path / name, lambda: MODELS[name][0](common), own_tokenizer, 0), device="cpu"
        )

    return network


@pytest.mark.parametrize("name", MODELS)
def test_the_batch_does_not_matter_where_padding_does(build, name):
    loaded, site = build(name), MODELS[name][1]
    assert sites_need_equal_rows(loaded, loaded.select(site), "source")
    alone, many = (
        og.live_activations(loaded, corpus(), sites=site, batch_size=size).values() for size in (1, 64)
    )
    np.testing.assert_allclose(many, alone, rtol=1e-5, atol=1e-5 * np.abs(alone).max())


def test_padding_does_not_matter_to_models_that_mask_it(models, zoo):
    for name, loaded in [*models.items(), *((n, zoo[n]) for n in ("roberta", "t5", "llama"))]:
        assert not sites_need_equal_rows(loaded, loaded.select(), "source"), name
        if loaded.task == "translation":
            assert not sites_need_equal_rows(loaded, loaded.select(side="target"), "target")
        if loaded.task != "encoder":
            assert not losses_need_equal_rows(loaded), name


class Mixing(nn.Module):
    """Adds the mean over time, padding and all; with ``rows`` over the batch."""

    def __init__(self, inner: nn.Module, *, rows: bool = False) -> None:
        super().__init__()
        self.inner = inner
        self.rows = rows

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        output = self.inner(values)
        return output + output.mean(0 if self.rows else 1, keepdim=True)


class Turned(nn.Module):
    """Holds its values time first inside."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.first = nn.Identity()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.inner(self.first(values.transpose(0, 1)).transpose(0, 1))


def test_losses_translations_curves_and_gradients_too(tmp_path):
    """A translation model whose encoder mixes padding in: the batch changes none of its numbers."""
    loaded = load_model(Zoo(tmp_path).path("bart"), device="cpu")
    norm = loaded.model.model.encoder.layers[0].final_layer_norm
    loaded.model.model.encoder.layers[0].final_layer_norm = Mixing(norm)
    assert losses_need_equal_rows(loaded)
    pairs = parallel_corpus().select([0, 2, 3, 4])
    single, many = (loaded.sentence_losses(pairs, batch_size=size)[0] for size in (1, 64))
    np.testing.assert_allclose(many, single, rtol=1e-6)
    alone, together = (loaded.translate(pairs, batch_size=size, max_new_tokens=12) for size in (1, 64))
    assert alone == together
    live = og.live_activations(loaded, pairs, sites="encoder.layers.*")
    ranking = og.rank("random", live)
    curves = [
        og.ablate(loaded, ranking, og.Perplexity(pairs), counts=[5], random_orders=1, batch_size=size)
        for size in (1, 64)
    ]
    np.testing.assert_allclose(curves[0].points["value"], curves[1].points["value"], rtol=1e-5)
    gradients = [
        og.rank(
            "integrated-gradients",
            og.live_activations(loaded, pairs, sites="encoder.layers.*", batch_size=size),
        ).scores
        for size in (1, 64)
    ]
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-4)


def test_a_site_that_depends_on_the_rows_beside_it_is_refused(tmp_path):
    loaded = load_model(tiny_bert(tmp_path / "bert"), device="cpu")
    output = loaded.model.encoder.layer[0].output
    output.LayerNorm = Mixing(output.LayerNorm, rows=True)
    with pytest.raises(ModelError, match=r"what 'layers.0' holds .* the rows beside it .* batch_size=1"):
        og.extract(loaded, corpus(), tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()
    assert og.extract(loaded, corpus(), tmp_path / "a.zarr", batch_size=1).n_words == corpus().n_words


def test_time_first_values_are_refused(tmp_path):
    loaded = load_model(tiny_bert(tmp_path / "bert"), device="cpu")
    output = loaded.model.encoder.layer[0].output
    output.LayerNorm = Turned(output.LayerNorm)
    square = Corpus.from_sentences([["rain"]])
    with pytest.raises(ModelError, match=r"LayerNorm.first' holds values of shape \(\d+, 1, 16\)"):
        og.live_activations(loaded, square, sites="encoder.layer.0.output.LayerNorm.first")
    assert not sites_need_equal_rows(loaded, loaded.select(), "source")
    long = Corpus.from_sentences([["rain"] * 1000])
    with pytest.raises(CorpusError, match="1000 words"):
        og.live_activations(loaded, long, sites="encoder.layer.0.output.LayerNorm.first")


def test_two_paths_to_the_same_values_are_refused(models):
    with pytest.raises(ParameterError, match=r"'layers\.1\.mlp' and 'encoder.* hold the same neurons"):
        og.live_activations(
            models["bert"], plain_corpus(), sites=["layers.1.mlp", "encoder.layer.1.intermediate"]
        )


def test_a_model_is_tried_once(tmp_path, monkeypatch):
    loaded = load_model(tiny_gpt2(tmp_path / "gpt2"), device="cpu")
    calls = []
    forward = type(loaded.model).forward
    monkeypatch.setattr(type(loaded.model), "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    for _ in range(3):
        sites_need_equal_rows(loaded, loaded.select("layers.*"), "source")
    assert len(calls) == 4  # three rows alone, and together
    sites_need_equal_rows(loaded, loaded.select("**"), "source")
    assert len(calls) == 8


def test_rows_that_must_be_alike_share_a_batch_only_with_their_like():
    batches = [batch.tolist() for batch in by_length([3, 5, 3, 5, 5], 2, alike=["a", "b", "a", "b", "b"])]
    assert batches == [[1, 3], [4], [0, 2]]


def test_the_trial_fits_short_models_and_stepwise_decoders(tmp_path):
    loaded = load_model(tiny_nmt(tmp_path / "nmt"), device="cpu")
    assert not sites_need_equal_rows(loaded, loaded.select("decoder.**"), "target")
    short = load_model(tiny_gpt2(tmp_path / "gpt2"), device="cpu")
    short.tokenizer.model_max_length = 5
    assert short.longest == 5
    assert not sites_need_equal_rows(short, short.select(), "source")
