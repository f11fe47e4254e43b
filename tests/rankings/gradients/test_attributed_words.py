"""Test which words are attributed: long sentences, special subwords, and words that are left out."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import onegrain as og
from onegrain.activations.extraction.encoding import EncodedCorpus
from onegrain.activations.extraction.options import EncodingOptions
from onegrain.errors import ParameterError
from onegrain.models import load_model
from onegrain.rankings.gradients.attribution import StraightPath, integrated_gradients
from onegrain.rankings.gradients.loss_batches import scored_sentences
from onegrain.records.corpus import Corpus
from support.attribution import FEW, LONG, attributed, doubled, naive
from support.tiny import tiny_gpt2, tiny_nlm, tiny_nmt


@pytest.mark.parametrize(("name", "site"), [("gpt2", "layers.0.mlp"), ("llama", "layers.1")])
def test_a_word_in_several_windows_has_the_sum_and_each_subword_is_predicted_once(named, name, site):
    loaded = doubled(named(name))
    sums = attributed(loaded, LONG, sites=site, steps=32, long="window", batch_size=2)
    lengths = [
        len(encoded.ids) + (loaded.bos_id is not None) for encoded in loaded.encode(list(LONG.sentences()))
    ]
    assert lengths[0] > 2 * loaded.longest
    assert sums.predicted == sum(lengths) - len(lengths)
    assert sums.words == LONG.n_words
    words, special = naive(loaded, site, LONG, baseline="mean", long="window", steps=100)
    np.testing.assert_allclose(sums.absolute, np.abs(words).sum(0), rtol=1e-3)
    (losses,) = sums.sites
    assert losses.special == pytest.approx(special, rel=1e-3, abs=1e-3)
    assert losses.attributed == pytest.approx(losses.loss - losses.baseline_loss, rel=1e-4)


def test_each_subword_of_a_long_sentence_is_predicted_and_read_in_one_window(models):
    loaded = models["gpt2"]
    rows = EncodedCorpus(loaded, LONG, "source", EncodingOptions(long="window", bos=loaded.bos_id is not None))
    first, *others = scored_sentences(rows)
    assert len(first) > 2
    assert all(len(windows) == 1 for windows in others)
    (encoded,) = loaded.encode([LONG.sentence(0)])
    again = [label for row in first for label in row.labels if label >= 0]
    assert again == encoded.ids
    read = np.concatenate([row.word_of[row.read] for row in first])
    assert read.tolist() == [word for word in encoded.word_of if word >= 0]
    for row in first:
        assert np.array_equal(row.read, (np.array(row.labels) >= 0) & (row.word_of >= 0))


@pytest.mark.parametrize(("name", "side"), [("gpt2", None), ("marian", "source"), ("marian", "target")])
def test_what_is_cut_off_is_not_scored(named, name, side):
    loaded = named(name)
    corpus = LONG.with_target(LONG.lower()) if side else LONG
    sums = attributed(loaded, corpus, sites="**layers.1", side=side, long="truncate", steps=2)
    (first, *others) = LONG.sentences()

    def cut(encode) -> Corpus:
        fits = [n for n in range(len(first)) if len(encode([first[:n]])[0].ids) <= loaded.longest]
        assert 10 < fits[-1] < len(first) - 10
        return Corpus.from_sentences([first[: fits[-1]], *others])

    short = cut(loaded.encode)
    short = short.with_target(cut(loaded.encode_labels)) if side else short
    nll, tokens = loaded.sentence_losses(short)
    read = short.target if side == "target" else short
    assert (sums.predicted, sums.words) == (tokens.sum(), read.n_words)
    assert sums.sites[0].loss == pytest.approx(nll.sum(), rel=1e-5)


def test_special_subwords_are_counted_apart_or_have_rows(models):
    plain = attributed(models["gpt2"], FEW, sites="layers.1")
    rows = attributed(models["gpt2"], FEW, sites="layers.1", special_tokens=True)
    before, after = models["gpt2"].frame
    assert rows.words == plain.words + FEW.n_sentences * len(before + after)
    assert plain.sites[0].special != 0.0
    assert plain.signed.sum() + plain.sites[0].special == pytest.approx(plain.sites[0].attributed)


def test_words_are_read_behind_the_start_token_behind_which_they_are_scored(tmp_path):
    bare = load_model(tiny_gpt2(tmp_path / "gpt2"), device="cpu")
    bare.tokenizer.backend_tokenizer.post_processor = None
    for bos in (None, True):
        sums = attributed(bare, FEW, sites="layers.1", bos=bos)
        assert sums.predicted == bare.sentence_losses(FEW)[1].sum()
    with pytest.raises(ParameterError, match=r"is scored behind a start token, .* without it; leave bos out"):
        attributed(bare, FEW, sites="layers.1", bos=False)
    without = bare.without_start_token()
    sums = attributed(without, FEW, sites="layers.1")
    assert sums.predicted == without.sentence_losses(FEW)[1].sum() < bare.sentence_losses(FEW)[1].sum()
    bare = load_model(tmp_path / "gpt2", device="cpu")
    processor = bare.tokenizer.backend_tokenizer.post_processor
    assert processor is not None
    bare.tokenizer.backend_tokenizer.post_processor = type(processor)(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", bare.tokenizer.eos_token_id)]
    )
    assert attributed(bare, FEW, sites="layers.1", special_tokens=True).words > FEW.n_words


def test_a_last_word_that_the_decoder_writes_and_never_reads_is_left_out(tmp_path):
    loaded = load_model(tiny_nmt(tmp_path / "nmt"), device="cpu")
    loaded.tokenizer.backend_tokenizer.post_processor = None
    assert FEW.target is not None
    assert all(encoded.word_of[-1] >= 0 for encoded in loaded.encode_labels(list(FEW.target.sentences())))
    sums = attributed(loaded, FEW, sites="decoder.layers.*")
    short = sum(len(loaded.encode_labels([words[-1:]])[0].ids) == 1 for words in FEW.target.sentences())
    assert short > 0
    assert sums.words == FEW.target.n_words - short
    assert sums.predicted == loaded.sentence_losses(FEW)[1].sum()


def test_words_without_subwords_are_left_out(models):
    holes = Corpus.from_sentences([["the", "", "dog"], [""], ["rain"]])
    full = Corpus.from_sentences([["the", "dog"], ["rain"]])
    sums, expected = (attributed(models["nlm"], corpus, sites="layers.*") for corpus in (holes, full))
    assert (sums.words, expected.words) == (3, 3)
    np.testing.assert_allclose(sums.absolute, expected.absolute, rtol=1e-4)


def test_a_view_and_a_record_from_elsewhere_give_the_same(models, tmp_path):
    loaded = load_model(tiny_nlm(tmp_path / "nlm"), device="cpu")
    live = og.live_activations(loaded, FEW)
    every = integrated_gradients(live, StraightPath(4))
    part = integrated_gradients(live.restrict("layers.1"), StraightPath(4))
    np.testing.assert_array_equal(part.absolute, every.absolute[live.space.slice("layers.1")])
    sent = integrated_gradients(pickle.loads(pickle.dumps(live)), StraightPath(4))
    np.testing.assert_array_equal(sent.absolute, every.absolute)
