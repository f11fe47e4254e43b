"""Compare the stored values of extractions with direct, unbatched passes through the models."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from onegrain.activations import extract, open_activations
from onegrain.activations.store import writer as writing
from onegrain.errors import CorpusError, MismatchError, ModelError, OutputExistsError, ParameterError
from onegrain.models.loaded import LoadedModel
from onegrain.models.loading import load_model
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity
from support.tiny import HIDDEN, LAYERS, parallel_corpus, plain_corpus

REDUCE = {
    "last": lambda pieces: pieces[-1],
    "first": lambda pieces: pieces[0],
    "mean": lambda pieces: pieces.mean(dim=0),
}


def word_values(loaded: LoadedModel, words, states: torch.Tensor, shift: int, aggregate: str) -> np.ndarray:
    """Compute (words, width) with a loop; ``shift`` is the index of the tokenizer's first id in ``states``."""
    encoded = loaded.encode([list(words)])[0]
    rows = []
    for word in range(len(words)):
        subwords = [position + shift for position, owner in enumerate(encoded.word_of) if owner == word]
        rows.append(REDUCE[aggregate](states[subwords]).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
@pytest.mark.parametrize("aggregate", ["last", "first", "mean"])
@torch.no_grad()
def test_transformers_hold_their_hidden_states(models, tmp_path, name, aggregate):
    loaded, corpus = models[name], plain_corpus()
    store = extract(loaded, corpus, tmp_path / "a.zarr", sites=["embeddings", "layers.?"], aggregate=aggregate)
    top = loaded.model.transformer.ln_f if name == "gpt2" else torch.nn.Identity()
    assert store.space.sites == ("embeddings", "layers.0", "layers.1")
    for number, words in enumerate(corpus.sentences()):
        ids = torch.tensor([loaded.encode([list(words)])[0].ids])
        states = loaded.model(ids, output_hidden_states=True).hidden_states
        span = slice(int(corpus.offsets[number]), int(corpus.offsets[number + 1]))
        for layer, site in enumerate(store.space.sites):
            mine = store.values()[span, store.space.slice(site)]
            if layer < LAYERS:
                expected = word_values(loaded, words, states[layer][0], 0, aggregate)
                np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)
            elif aggregate != "mean":
                expected = word_values(loaded, words, states[layer][0], 0, aggregate)
                np.testing.assert_allclose(top(torch.from_numpy(mine)).numpy(), expected, rtol=1e-4, atol=1e-5)


def lstm_steps(lstm: torch.nn.LSTM, inputs: torch.Tensor) -> torch.Tensor:
    """Compute (time, width) of an LSTM from its weights (gates i, f, g, o), step by step."""
    h = c = torch.zeros(lstm.hidden_size)
    states = []
    for x in inputs:
        gates = lstm.weight_ih_l0 @ x + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0
        i, f, g, o = gates.chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("aggregate", ["last", "mean"])
@torch.no_grad()
def test_language_model_step_by_step(models, tmp_path, aggregate):
    loaded, corpus = models["nlm"], plain_corpus()
    store = extract(loaded, corpus, tmp_path / "a.zarr", aggregate=aggregate)
    for number, words in enumerate(corpus.sentences()):
        x = loaded.model.embeddings(torch.tensor(loaded.encode([list(words)])[0].ids))
        expected = [word_values(loaded, words, x, 0, aggregate)]
        for layer in loaded.model.layers:
            x = lstm_steps(layer.lstm, x)
            expected.append(word_values(loaded, words, x, 0, aggregate))
        mine = store.values(int(corpus.offsets[number]), int(corpus.offsets[number + 1]))
        np.testing.assert_allclose(mine, np.concatenate(expected, axis=1), rtol=1e-4, atol=1e-5)


def encoder_states(loaded: LoadedModel, words) -> list[torch.Tensor]:
    """Return (time, width) of the encoder's embeddings and layers."""
    encoder = loaded.model.encoder
    x = encoder.embeddings(torch.tensor(loaded.encode([list(words)])[0].ids))
    states = [x]
    for layer in encoder.layers:
        back = lstm_steps(layer.backward_lstm, x.flip(0)).flip(0)
        x = torch.cat([lstm_steps(layer.forward_lstm, x), back], dim=1)
        states.append(x)
    return states


@torch.no_grad()
def test_translation_encoder_step_by_step(models, tmp_path):
    loaded, corpus = models["nmt"], plain_corpus()
    store = extract(loaded, corpus, tmp_path / "a.zarr")
    assert store.space.sites == ("encoder.embeddings", "encoder.layers.0", "encoder.layers.1")
    for number, words in enumerate(corpus.sentences()):
        states = encoder_states(loaded, words)
        expected = np.concatenate([word_values(loaded, words, x, 0, "last") for x in states], axis=1)
        mine = store.values(int(corpus.offsets[number]), int(corpus.offsets[number + 1]))
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)


def decoder_states(loaded: LoadedModel, source, target) -> dict[str, torch.Tensor]:
    """Return (time, width) of the decoder's sites under teacher forcing for one sentence, step by step."""
    decoder, memory = loaded.model.decoder, encoder_states(loaded, source)[-1]
    half = memory.shape[1] // 2
    ends = torch.cat([memory[-1, :half], memory[0, half:]])
    h0, c0, h1, c1 = decoder.bridge(ends).tanh().chunk(4)
    state = [[h0, c0], [h1, c1]]
    fed = torch.zeros_like(h0)
    ids = [loaded.model.config.decoder_start_token_id, *loaded.encode([list(target)])[0].ids[:-1]]
    seen: dict[str, list[torch.Tensor]] = {}
    for subword in ids:
        embedded = decoder.embeddings.weight[subword]
        seen.setdefault("decoder.embeddings", []).append(embedded)
        below = fed
        for number, layer in enumerate(decoder.layers):
            h, c = state[number]
            gates = layer.recurrent.weight @ torch.cat([below, h]) + layer.recurrent.bias
            if number == 0:
                gates = gates + decoder.input_gates.weight @ embedded
            i, f, o, g = gates.chunk(4)
            c = (f + 1.0).sigmoid() * c + i.sigmoid() * g.tanh()
            below = o.sigmoid() * c.tanh()
            state[number] = [below, c]
            seen.setdefault(f"decoder.layers.{number}", []).append(below)
        weights = torch.softmax(memory @ decoder.attention_keys.weight.T @ below, dim=0)
        fed = (decoder.attention_output.weight @ torch.cat([weights @ memory, below])).tanh()
        seen.setdefault("decoder.attention", []).append(fed)
    return {site: torch.stack(values) for site, values in seen.items()}


@torch.no_grad()
def test_decoder_under_teacher_forcing_step_by_step(models, tmp_path):
    loaded, corpus = models["nmt"], parallel_corpus()
    store = extract(loaded, corpus, tmp_path / "a.zarr", sites="decoder.**")
    assert store.corpus.words == corpus.target.words
    assert store.provenance.corpus == CorpusIdentity.of(corpus.target)
    assert store.provenance.parameters["read_from"]["content_hash"] == corpus.content_hash
    for number in range(corpus.n_sentences):
        words = corpus.target.sentence(number)
        states = decoder_states(loaded, corpus.sentence(number), words)
        columns = [word_values(loaded, words, states[site], 1, "last") for site in store.space.sites]
        offsets = corpus.target.offsets
        mine = store.values(int(offsets[number]), int(offsets[number + 1]))
        np.testing.assert_allclose(mine, np.concatenate(columns, axis=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "side"), [("nlm", None), ("nmt", None), ("nmt", "target"), ("gpt2", None)])
def test_batch_size_does_not_change_the_values(models, tmp_path, name, side):
    single = extract(models[name], parallel_corpus(), tmp_path / "1.zarr", side=side, batch_size=1)
    many = extract(models[name], parallel_corpus(), tmp_path / "64.zarr", side=side, batch_size=64)
    np.testing.assert_allclose(single.values(), many.values(), rtol=1e-4, atol=1e-5)
    assert single.provenance == many.provenance


def test_the_words_of_a_shard_do_not_depend_on_its_borders(models, tmp_path, monkeypatch):
    unbroken = extract(models["nlm"], plain_corpus(), tmp_path / "whole.zarr")
    monkeypatch.setattr("onegrain.activations.store.layout.MOST_ROWS", 7)
    cut = extract(models["nlm"], plain_corpus(), tmp_path / "cut.zarr")
    assert len(list((tmp_path / "cut.zarr/activations/c").iterdir())) == 12
    np.testing.assert_allclose(cut.values(), unbroken.values(), rtol=1e-4, atol=1e-6)


def test_a_folder_and_empty_sentences_are_read(models, tmp_path):
    spaced = Corpus.from_sentences([[], ["the", "dog"], [], ["rain", "!"], []])
    store = extract(models["nlm"].identity.id, spaced, tmp_path / "a.zarr", sites="layers.1")
    dense = extract(models["nlm"], spaced.select([1, 3]), tmp_path / "b.zarr", sites="layers.1")
    np.testing.assert_allclose(store.values(), dense.values(), rtol=1e-5, atol=1e-6)
    assert store.corpus.n_sentences == 5
    translated = spaced.with_target(spaced.select([1, 0, 3, 4, 2]))
    assert extract(models["nmt"], translated, tmp_path / "c.zarr", side="target").n_words == 4


def test_a_module_path_is_a_site(models, tmp_path):
    named = extract(models["gpt2"], plain_corpus(), tmp_path / "a.zarr", sites="layers.1")
    path = extract(models["gpt2"], plain_corpus(), tmp_path / "b.zarr", sites="transformer.h.1")
    np.testing.assert_array_equal(named.values(), path.values())
    logits = extract(models["gpt2"], plain_corpus(), tmp_path / "c.zarr", sites="lm_head")
    assert logits.n_neurons == models["gpt2"].model.config.vocab_size


def test_a_model_in_bfloat16_is_close_and_recorded(models, tmp_path):
    exact = extract(models["gpt2"], plain_corpus(), tmp_path / "32.zarr")
    narrow_model = load_model(models["gpt2"].identity.id, dtype="bfloat16")
    narrow = extract(narrow_model, plain_corpus(), tmp_path / "16.zarr")
    assert "model_dtype" not in exact.provenance.parameters
    assert narrow.provenance.parameters["model_dtype"] == "bfloat16"
    assert narrow.array.dtype == np.float32
    values, others = exact.values(), narrow.values()
    assert 0 < np.abs(others - values).max() < 0.05 * np.abs(values).max()


def test_float16_rounds_float32(models, tmp_path):
    exact = extract(models["nlm"], plain_corpus(), tmp_path / "32.zarr")
    half = extract(models["nlm"], plain_corpus(), tmp_path / "16.zarr", dtype="float16")
    assert half.array.dtype == np.float16
    np.testing.assert_array_equal(half.values(), exact.values().astype(np.float16).astype(np.float32))


def test_float16_overflow_is_refused_and_leaves_nothing(models, tmp_path):
    with models["nlm"].editing({models["nlm"].points["layers.1"]: lambda value: value * 1e6}):
        with pytest.raises(
            ParameterError, match=r"site 'layers\.1' reaches .*more than float16 can hold .65504"
        ):
            extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr", dtype="float16")
        assert not (tmp_path / "a.zarr").exists()
        store = extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr")
    assert np.isfinite(store.values()).all()


def test_a_value_that_is_not_finite_names_site_and_word(models, tmp_path):
    def spoil(value: torch.Tensor) -> torch.Tensor:
        value = value.clone()
        value[..., 5] = float("nan")
        return value

    point = models["nlm"].points["layers.0"]
    refused = pytest.raises(ModelError, match=r"nan at layers\.0:5 for word \d+ \('")
    with models["nlm"].editing({point: spoil}), refused:
        extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_sentence_longer_than_the_model_is_refused(models, tmp_path, name):
    corpus = Corpus.from_sentences([["a"], ["dog"] * 60])
    with pytest.raises(CorpusError, match=r"sentence 1 .* 60 words, \d+ subwords, but .* at most 64"):
        extract(models[name], corpus, tmp_path / "a.zarr")
    assert extract(models["nlm"], corpus, tmp_path / "b.zarr").n_words == 61


def test_sites_of_both_sides_are_refused(models, tmp_path):
    with pytest.raises(ParameterError, match="extract two stores"):
        extract(models["nmt"], parallel_corpus(), tmp_path / "a.zarr", sites="**")
    chosen = extract(models["nmt"], parallel_corpus(), tmp_path / "a.zarr", sites="**", side="target")
    assert all(site.startswith("decoder.") for site in chosen.space.sites)


@pytest.mark.parametrize(
    ("name", "options", "error", "text"),
    [
        ("nmt", {"side": "target"}, ParameterError, "no parallel side"),
        ("nlm", {"side": "target"}, ParameterError, "has no matching site on the target side"),
        ("nlm", {"side": "both"}, ParameterError, "source or target"),
        ("nlm", {"sites": "layers.9"}, ModelError, "the sites are: embeddings, layers.0, layers.1"),
        ("nlm", {"dtype": "int8"}, ParameterError, "float32, float16"),
        ("nlm", {"aggregate": "max"}, ParameterError, "last, first, mean"),
        ("nlm", {"batch_size": 0}, ParameterError, "at least 1"),
        ("bert", {"sites": "pooler"}, ModelError, "cannot be read word by word"),
    ],
)
def test_impossible_options_are_refused(models, tmp_path, name, options, error, text):
    with pytest.raises(error, match=text):
        extract(models[name], plain_corpus(), tmp_path / "a.zarr", **options)
    assert not (tmp_path / "a.zarr").exists()


def test_an_empty_corpus_is_refused(models, tmp_path):
    with pytest.raises(CorpusError, match="no words"):
        extract(models["nlm"], Corpus.from_sentences([]), tmp_path / "a.zarr")


def test_a_finished_store_is_kept_unless_force(models, tmp_path):
    first = extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a.zarr").rglob("*")}
    same = extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "a.zarr").rglob("*")} == before
    np.testing.assert_array_equal(same.values(), first.values())
    with pytest.raises(OutputExistsError, match="force=True"):
        extract(models["nlm"], plain_corpus().head(2), tmp_path / "a.zarr")
    again = extract(models["nlm"], plain_corpus().head(2), tmp_path / "a.zarr", force=True)
    assert again.corpus.n_sentences == 2


def test_what_is_no_store_is_never_removed(models, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("years of work")
    (tmp_path / "file").write_text("work")
    for out in ("thesis", "file"):
        with pytest.raises(OutputExistsError, match="choose another output"):
            extract(models["nlm"], plain_corpus(), tmp_path / out, force=True)
    assert (tmp_path / "thesis/chapter.txt").read_text() == "years of work"


def test_labels_of_other_words_are_refused(models, tmp_path):
    store = extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr")
    assert store.with_corpus(plain_corpus()).layer("length").counts() == plain_corpus().layer("length").counts()
    with pytest.raises(MismatchError, match="their words differ"):
        store.with_corpus(plain_corpus().lower())


def test_provenance_and_progress(models, tmp_path):
    reported: list[int] = []

    def progress(description, total, unit):
        assert (description, total, unit) == ("extract", plain_corpus().n_words, "words")
        return nullcontext(reported.append)

    store = extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr", progress=progress)
    provenance = store.provenance
    assert (provenance.stage, provenance.model, provenance.corpus) == (
        "extract",
        models["nlm"].identity,
        CorpusIdentity.of(plain_corpus()),
    )
    assert provenance.sites == store.space.sites == ("embeddings", "layers.0", "layers.1")
    assert store.space.widths == (HIDDEN,) * 3
    assert provenance.parameters == {
        "aggregate": "last",
        "bos": False,
        "dtype": "float32",
        "long": "error",
        "special_tokens": False,
    }
    assert sum(reported) == plain_corpus().n_words
    assert open_activations(store.path).provenance == provenance
    assert writing.JOURNAL not in {path.name for path in store.path.iterdir()}
