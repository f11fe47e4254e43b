"""Compare extraction from every architecture with direct, unbatched passes, and batch sizes with each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onegrain.activations import extract
from onegrain.records.corpus import Corpus
from support.zoo import LAYERS, TRANSLATION_MODELS, ZOO, zoo_corpus

SIDES = [(name, "source") for name in ZOO] + [(name, "target") for name in TRANSLATION_MODELS]
REDUCE = {
    "last": lambda pieces: pieces[-1],
    "first": lambda pieces: pieces[0],
    "mean": lambda pieces: pieces.mean(dim=0),
}


def corpus_of_fitting_sentences() -> Corpus:
    """Leave out sentences whose translation has more subwords than the models read, for any tokenizer."""
    corpus = zoo_corpus()
    return corpus.select([number for number, words in enumerate(corpus.target.sentences()) if len(words) < 19])


def hidden_states(loaded, number: int, side: str):
    """Return the embeddings and block outputs for one sentence alone, and the word of each time step.

    The last block's output is left out: most models norm it before they call it a hidden state.
    """
    corpus = corpus_of_fitting_sentences()
    source = loaded.encode([corpus.sentence(number)])[0]
    if loaded.task != "translation":
        output = loaded.model(torch.tensor([source.ids]), output_hidden_states=True)
        return output.hidden_states[:LAYERS], source.word_of
    target = loaded.encode_target([corpus.target.sentence(number)])[0]
    output = loaded.model(
        input_ids=torch.tensor([source.ids]),
        decoder_input_ids=torch.tensor([target.ids]),
        output_hidden_states=True,
    )
    if side == "target":
        return output.decoder_hidden_states[:LAYERS], target.word_of
    return output.encoder_hidden_states[:LAYERS], source.word_of


@pytest.mark.parametrize("aggregate", REDUCE)
@pytest.mark.parametrize(("name", "side"), SIDES)
@torch.no_grad()
def test_values_are_those_of_a_direct_pass(zoo, tmp_path, name, side, aggregate):
    loaded, prefix = (
        zoo[name],
        "" if name not in TRANSLATION_MODELS else f"{'encoder' if side == 'source' else 'decoder'}.",
    )
    sites = [f"{prefix}embeddings", f"{prefix}layers.0"]
    store = extract(
        loaded,
        corpus_of_fitting_sentences(),
        tmp_path / "a.zarr",
        sites=sites,
        aggregate=aggregate,
        bos=False,
    )
    corpus, values = store.corpus, store.values()
    assert store.missing is None
    for number in range(corpus.n_sentences):
        states, word_of = hidden_states(loaded, number, side)
        start, stop = (int(edge) for edge in corpus.offsets[number : number + 2])
        for state, site in zip(states, sites, strict=True):
            expected = [
                state[0][[position for position, owner in enumerate(word_of) if owner == word]]
                for word in range(stop - start)
            ]
            expected = torch.stack([REDUCE[aggregate](each) for each in expected]).numpy()
            mine = values[start:stop, store.space.slice(site)]
            np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_the_batch_does_not_matter(zoo, tmp_path, name, side):
    """Compare every site, including heads, at batch sizes 1 and 64."""
    corpus, every = corpus_of_fitting_sentences(), ["**", "**.heads.*"]
    single, batched = (
        extract(zoo[name], corpus, tmp_path / f"{size}.zarr", sites=every, side=side, batch_size=size)
        for size in (1, 64)
    )
    assert single.space == batched.space
    for site in single.space.sites:
        mine, other = (store.restrict(site).values() for store in (single, batched))
        scale = np.abs(mine).max(axis=1, keepdims=True)
        assert (np.abs(mine - other) / scale).max() < 1e-4, site


@pytest.mark.parametrize("name", ZOO)
def test_left_padding_gives_the_same_bytes(zoo, tmp_path, name):
    loaded = zoo[name]
    usual = loaded.tokenizer.padding_side
    stores = []
    try:
        for side in ("right", "left"):
            loaded.tokenizer.padding_side = side
            stores.append(extract(loaded, corpus_of_fitting_sentences(), tmp_path / f"{side}.zarr"))
    finally:
        loaded.tokenizer.padding_side = usual
    assert stores[0].values().tobytes() == stores[1].values().tobytes()
