"""The ranking by integrated gradients: planted neurons, scores and their signs, permuted neurons, refusals."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import onegrain as og
from onegrain.cli import main
from onegrain.errors import ParameterError
from onegrain.models import LoadedModel, load_model
from onegrain.rankings.gradients.attribution import StraightPath, integrated_gradients
from onegrain.records.corpus import Corpus
from support.planted import plant
from support.planted_models import KEY, alternating_corpus, planted_nlm
from support.tiny import SENTENCES, TRANSLATIONS, parallel_corpus, plain_corpus, tiny_nmt

METHOD = "integrated-gradients"


def ranked(loaded: LoadedModel, corpus: Corpus, *, sites=None, side=None, **options) -> og.Ranking:
    return og.rank(METHOD, og.live_activations(loaded, corpus, sites=sites, side=side), **options)


@pytest.fixture(scope="module")
def alternating(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(planted_nlm(tmp_path_factory.mktemp("planted") / "nlm"), device="cpu")


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("signed", [False, True])
def test_the_neuron_that_does_all_the_work_comes_first_and_the_others_have_nothing(
    alternating, baseline, signed
):
    corpus = alternating_corpus()
    ranking = ranked(alternating, corpus, sites="layers.0", baseline=baseline, signed=signed)
    assert ranking.top(1) == [f"layers.0:{KEY}"]
    others = np.delete(ranking.scores, KEY)
    assert (others == 0.0).all()
    assert not np.signbit(others).any()
    assert ranking.order[0] == KEY
    assert sorted(ranking.order.tolist()) == list(range(8))
    assert ranking.details["silent"] == 7
    (sums,) = ranking.details["completeness"]
    gained = sums["baseline_loss"] - sums["loss"]
    assert gained > 0.5 * corpus.n_words
    assert ranking.details["lowers_loss"][KEY] * corpus.n_words == pytest.approx(
        gained + sums["special"], rel=1e-3
    )
    assert abs(sums["error"]) < 1e-3 * gained


def test_erasing_the_top_neuron_costs_what_the_others_do_not(alternating):
    corpus = alternating_corpus()
    ranking, metric = ranked(alternating, corpus, sites="layers.0"), og.Perplexity(corpus)
    unedited = metric.measure(alternating).value
    with og.erasing(alternating, ranking.space, ranking.order[1:]):
        assert metric.measure(alternating).value == pytest.approx(unedited, rel=1e-6)
    with og.erasing(alternating, ranking.space, ranking.order[:1]):
        assert metric.measure(alternating).value > 2 * unedited


def test_a_planted_unit_that_misleads_raises_the_loss(alternating):
    """The logits read it with the wrong sign: its absolute score is high, its signed one below 0."""
    wrong = deepcopy(alternating.model)
    with torch.no_grad():
        wrong.lm_head.weight.neg_()
    loaded, corpus = replace(alternating, model=wrong), alternating_corpus()
    ranking = ranked(loaded, corpus, sites="layers.0", baseline="zero")
    signed = ranked(loaded, corpus, sites="layers.0", baseline="zero", signed=True)
    assert ranking.order[0] == KEY
    assert ranking.scores[KEY] > 1.0
    assert signed.order[-1] == KEY
    assert signed.scores[KEY] < -1.0


def test_scores_are_means_over_the_words(models):
    live = og.live_activations(models["gpt2"], plain_corpus(), sites=["layers.*.mlp", "layers.1"])
    sums = integrated_gradients(live, StraightPath(4, "zero"))
    ranking = og.rank(METHOD, live, steps=4, baseline="zero")
    np.testing.assert_array_equal(ranking.scores, sums.absolute / live.n_words)
    assert ranking.scores[ranking.order].tolist() == sorted(ranking.scores.tolist(), reverse=True)
    lowers = np.array(ranking.details["lowers_loss"])
    np.testing.assert_allclose(lowers, -sums.signed / live.n_words)
    signed = og.rank(METHOD, live, steps=4, baseline="zero", signed=True)
    np.testing.assert_array_equal(signed.scores, lowers)
    assert (ranking.n_ranked, ranking.space) == (live.n_neurons, live.space)
    assert ranking.details["words"] == live.n_words
    assert ranking.details["left_out"] == {"no_activation": 0}
    assert ranking.details["predicted"] == models["gpt2"].sentence_losses(plain_corpus())[1].sum()
    for told, site_sums in zip(ranking.details["completeness"], sums.sites, strict=True):
        assert told["error"] == site_sums.attributed - (site_sums.loss - site_sums.baseline_loss)
        assert told["site"] == site_sums.site


@pytest.mark.parametrize(("side", "site"), [("source", "encoder.layers.1"), ("target", "decoder.attention")])
def test_both_sides_of_a_translation_model(models, side, site):
    ranking = ranked(models["nmt"], parallel_corpus(), sites=site, side=side)
    corpus = parallel_corpus()
    read = corpus.target if side == "target" else corpus
    assert ranking.details["words"] == read.n_words
    assert (ranking.scores > 0).all()


def test_permuted_neurons_have_permuted_scores(models):
    loaded, order = models["gpt2"], np.random.default_rng(0).permutation(64)
    other = replace(loaded, model=deepcopy(loaded.model))
    block = other.model.transformer.h[1].mlp
    with torch.no_grad():
        for weight in (block.c_fc.weight, block.c_fc.bias):
            weight.copy_(weight[..., order])
        block.c_proj.weight.copy_(block.c_proj.weight[order])
    ranking, moved = (ranked(model, plain_corpus(), sites="layers.1.mlp", steps=4) for model in (loaded, other))
    np.testing.assert_allclose(moved.scores, ranking.scores[order], rtol=1e-4)


def test_sites_are_looked_at_alone(models):
    """A site's scores do not depend on which others are ranked with it."""
    every = ranked(models["nlm"], plain_corpus(), steps=2)
    for site in every.space.sites:
        alone = ranked(models["nlm"], plain_corpus(), sites=site, steps=2)
        np.testing.assert_array_equal(alone.scores, every.scores[every.space.slice(site)])


def test_the_record_says_what_it_was_made_from_and_is_read_again(models, tmp_path):
    live = og.live_activations(models["nlm"], plain_corpus(), sites="layers.*")
    ranking = og.rank(METHOD, live, steps=3)
    expected = {"method": METHOD, "label": None, "steps": 3, "baseline": "mean", "signed": False}
    assert ranking.provenance.parameters == expected
    assert ranking.provenance.inputs == (live.provenance,)
    ranking.save(tmp_path / "a.parquet")
    again = og.Ranking.load(tmp_path / "a.parquet")
    np.testing.assert_array_equal(again.scores, ranking.scores)
    assert again.details == ranking.details


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_nmt(tmp_path / "nmt")
    (tmp_path / "en.txt").write_text("".join(f"{line}\n" for line in SENTENCES))
    (tmp_path / "de.txt").write_text("".join(f"{line}\n" for line in TRANSLATIONS))
    out = tmp_path / "ig.parquet"
    told = [
        *("rank", METHOD, tmp_path / "nmt", "--corpus", tmp_path / "en.txt", "--target", tmp_path / "de.txt"),
        *("--side", "target", "--sites", "decoder.layers.1", "--set", "steps=3", "--set", "signed=true"),
        *("--model-device", "cpu", "--out", out),
    ]
    monkeypatch.setattr(sys, "argv", ["onegrain", *map(str, told)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    ranking = og.Ranking.load(out)
    expected = ranked(
        load_model(tmp_path / "nmt", device="cpu"),
        parallel_corpus(),
        sites="decoder.layers.1",
        side="target",
        steps=3,
        signed=True,
    )
    np.testing.assert_array_equal(ranking.scores, expected.scores)


def test_refusals(models, tmp_path):
    live = og.live_activations(models["nlm"], plain_corpus(), sites="layers.1")
    for options, message in [
        ({"steps": 0}, "steps must be a whole number from 1, got 0"),
        ({"baseline": "median"}, "baseline must be one of mean, zero, got 'median'"),
        ({"signed": 1}, "signed must be true or false, got 1"),
        ({"node": 3}, "its parameters are: steps, baseline, signed"),
        ({"device": "cuda"}, "no choice of where it computes"),
        ({"label": "length"}, "takes no label layer"),
        ({"memory": "1GiB"}, "keeps to no memory budget"),
    ]:
        with pytest.raises(ParameterError, match=message):
            og.rank(METHOD, live, **options)
    store = og.extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr", sites="layers.1")
    for values in (store, plant(20).activations):
        with pytest.raises(ParameterError, match="on the command line a model and --corpus"):
            og.rank(METHOD, values)
    with pytest.raises(ParameterError, match="neither a language model nor a translation model"):
        ranked(models["bert"], plain_corpus())
    with pytest.raises(ParameterError, match="no word of memory has a subword"):
        ranked(models["nlm"], Corpus.from_sentences([[""], [""]]), sites="layers.1")
