"""Test attributions at sites against a loop over positions, and what they keep and refuse."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

import onegrain as og
from onegrain.errors import CorpusError, ModelError, ParameterError
from onegrain.models import load_model
from onegrain.rankings.gradients import attribution as gradients
from onegrain.rankings.gradients.attribution import StraightPath, integrated_gradients
from onegrain.records.corpus import Corpus
from support.attribution import FEW, LONG, attributed, doubled, naive
from support.saelens import config_v6, random_weights, save_dictionary
from support.tiny import parallel_corpus, plain_corpus, tiny_gpt2, tiny_nlm


@pytest.mark.parametrize(
    ("name", "site", "baseline"),
    [
        ("gpt2", "layers.0.mlp", "mean"),
        ("gpt2", "layers.1.heads.1", "zero"),
        ("llama", "layers.1", "mean"),
        ("nlm", "layers.0", "zero"),
        ("nmt", "encoder.layers.0.backward", "mean"),
        ("nmt", "decoder.attention", "zero"),
        ("nmt", "decoder.layers.0", "mean"),
        ("marian", "decoder.layers.0.cross_attn", "mean"),
        ("t5", "decoder.layers.1.mlp", "mean"),
        ("mbart", "encoder.layers.1.mlp", "zero"),
    ],
)
def test_it_is_the_integral_taken_position_by_position(named, name, site, baseline):
    loaded = doubled(named(name))
    words, special = naive(loaded, site, FEW, baseline=baseline, steps=200)
    sums = attributed(loaded, FEW, sites=site, steps=48, baseline=baseline)
    close = {"rtol": 2e-3, "atol": 2e-4 * np.abs(words).sum(0).max()}
    np.testing.assert_allclose(sums.absolute, np.abs(words).sum(0), **close)
    np.testing.assert_allclose(sums.signed, words.sum(0), **close)
    assert sums.sites[0].special == pytest.approx(special, abs=close["atol"] * len(words.T))
    assert sums.words == len(words)


@pytest.mark.parametrize(
    ("name", "side", "sites"),
    [
        ("nlm", None, None),
        ("gpt2", None, None),
        ("gpt2", None, "layers.0.heads.*"),
        ("gemma2", None, "layers.*.mlp"),
        ("nmt", None, None),
        ("nmt", "target", None),
        ("t5", "target", ["decoder.layers.1", "decoder.embeddings"]),
        ("t5", None, None),
        ("mbart", "target", "decoder.layers.*"),
        ("marian", None, ["encoder.layers.0", "encoder.layers.0.heads.1"]),
    ],
)
def test_losses_are_those_of_the_model_and_of_the_model_without_the_site(named, name, side, sites):
    loaded, corpus = named(name), parallel_corpus()
    sums = attributed(loaded, corpus, side=side, sites=sites, steps=1, baseline="zero")
    nll, tokens = loaded.sentence_losses(corpus)
    assert sums.predicted == tokens.sum()
    for site_sums in sums.sites:
        space = loaded.space([site_sums.site])
        assert site_sums.loss == pytest.approx(nll.sum(), rel=1e-6)
        with og.erasing(loaded, space, np.arange(space.size)):
            erased, _ = loaded.sentence_losses(corpus)
        assert site_sums.baseline_loss == pytest.approx(erased.sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "site", "baseline"),
    [
        ("nlm", "layers.*", "zero"),
        ("nlm", "embeddings", "mean"),
        ("nmt", "encoder.*", "zero"),
        ("nmt", "decoder.layers.*", "mean"),
        ("gpt2", "layers.*.mlp", "zero"),
        ("gpt2", "layers.?", "mean"),
        ("llama", "layers.1*", "mean"),
        ("marian", "encoder.layers.*", "mean"),
    ],
)
def test_attributions_add_up_to_the_difference_of_the_losses(named, name, site, baseline):
    sums = attributed(doubled(named(name)), FEW, sites=site, steps=80, baseline=baseline)
    for site_sums in sums.sites:
        assert site_sums.attributed == pytest.approx(
            site_sums.loss - site_sums.baseline_loss, rel=1e-4, abs=1e-5
        ), site_sums.site
    assert sums.signed.sum() + sum(site_sums.special for site_sums in sums.sites) == pytest.approx(
        sum(site_sums.attributed for site_sums in sums.sites)
    )


@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_of_a_linear_loss_one_step_is_exact(models, monkeypatch, baseline):
    """The logit of each label in place of its log-likelihood: the top layer's attributions are products."""
    loaded = doubled(models["nlm"])

    def logit(loaded, ids, labels):
        batch = loaded.batch(ids)
        logits = loaded.model(**batch).logits.gather(2, batch["input_ids"][..., None])[..., 0]
        return logits * batch["attention_mask"], batch["attention_mask"]

    monkeypatch.setattr(gradients, "subword_losses", logit)
    sums = attributed(loaded, FEW, sites="layers.1", steps=1, baseline=baseline)
    (losses,) = sums.sites
    assert losses.attributed == pytest.approx(losses.loss - losses.baseline_loss, rel=1e-12)
    values, expected, base = [], np.zeros(sums.signed.shape), 0.0
    with torch.no_grad(), loaded.recording(loaded.select("layers.1")) as record:
        for encoded in loaded.encode(list(FEW.sentences())):
            record.clear()
            loaded.model(torch.tensor([encoded.ids]))
            values.append((encoded, record["layers.1"][0].numpy()))
    if baseline == "mean":
        base = np.concatenate(
            [value[np.array(encoded_row.word_of) >= 0] for encoded_row, value in values]
        ).mean(0)
    for encoded_row, value in values:
        for step, (subword, word) in enumerate(zip(encoded_row.ids, encoded_row.word_of, strict=True)):
            if word >= 0:
                expected += (value[step] - base) * loaded.model.lm_head.weight[subword].detach().numpy()
    np.testing.assert_allclose(sums.signed, expected, rtol=1e-10)


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("steps", [1, 2, 5, 16, 64])
def test_the_quadrature_is_exact_for_polynomials(steps, baseline):
    nodes = StraightPath(steps, baseline).nodes()
    assert sum(weight for _, weight in nodes) == pytest.approx(1.0, abs=1e-12)
    assert all(0 < share < 1 for share, _ in nodes)
    power = {"mean": 1, "zero": 4}[baseline]
    for degree in range((2 * steps - power) // power + 1):
        integral = sum(weight * share**degree for share, weight in nodes)
        assert integral == pytest.approx(1 / (degree + 1), rel=1e-9)


@pytest.mark.parametrize("name", ["gpt2", "nlm", "nmt", "t5"])
def test_the_batch_size_does_not_matter_and_a_run_repeats_to_the_bit(named, name):
    corpus = parallel_corpus()
    sums, again = (attributed(named(name), corpus, batch_size=64) for _ in range(2))
    single = attributed(named(name), corpus, batch_size=1)
    np.testing.assert_array_equal(sums.absolute, again.absolute)
    np.testing.assert_array_equal(sums.signed, again.signed)
    assert sums.sites == again.sites
    np.testing.assert_allclose(single.absolute, sums.absolute, rtol=1e-4, atol=1e-5 * sums.absolute.max())


def test_a_unit_that_nothing_reads_has_exactly_nothing(tmp_path):
    loaded = load_model(tiny_nlm(tmp_path / "nlm"), device="cpu")
    with torch.no_grad():
        loaded.model.lm_head.weight[:, 3] = 0.0
    sums = attributed(loaded, FEW, sites="layers.1", baseline="zero")
    assert np.flatnonzero(sums.absolute == 0.0).tolist() == [3]
    assert sums.signed[3] == 0.0


def test_a_module_that_no_loss_depends_on_has_nothing(named):
    loaded = named("nmt")
    live = og.live_activations(loaded, FEW, sites="encoder.layers.1.forward_lstm")
    before = integrated_gradients(live, StraightPath(2)).absolute
    assert (before > 0).all()
    cut = deepcopy(loaded.model)
    cut.encoder.layers[1].register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    sums = attributed(replace(loaded, model=cut), FEW, sites="encoder.layers.1.forward_lstm", steps=2)
    assert not sums.absolute.any()


def hooks(network: torch.nn.Module) -> list[tuple[int, int]]:
    """How many hooks each module has."""
    return [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in network.modules()]


@pytest.mark.parametrize("name", ["gpt2", "nmt"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(models, monkeypatch, name, fails):
    loaded = replace(models[name], model=deepcopy(models[name].model))
    network = loaded.model
    live = og.live_activations(loaded, FEW, sites="**layers.1", side="source")
    expected = integrated_gradients(live, StraightPath(2)).absolute
    network.train()
    next(network.children()).eval()
    for number, weight in enumerate(network.parameters()):
        weight.requires_grad_(number % 3 > 0)
    modes = [module.training for module in network.modules()]
    asked = [weight.requires_grad for weight in network.parameters()]
    before = {key: weight.clone() for key, weight in network.state_dict().items()}
    hooked = hooks(network)
    if fails:
        losses, calls = gradients.subword_losses, []

        def failing(*arguments):
            calls.append(arguments)
            if len(calls) == 4:
                raise RuntimeError("in the middle")
            return losses(*arguments)

        monkeypatch.setattr(gradients, "subword_losses", failing)
        with pytest.raises(RuntimeError, match="in the middle"):
            integrated_gradients(live, StraightPath(2))
    else:
        # dropout is off, whatever the mode was, and gradients are taken all the same
        with torch.inference_mode():
            attributions = integrated_gradients(live, StraightPath(2))
        np.testing.assert_array_equal(attributions.absolute, expected)
    assert [module.training for module in network.modules()] == modes
    assert [weight.requires_grad for weight in network.parameters()] == asked
    assert all(weight.grad is None for weight in network.parameters())
    assert all(torch.equal(weight, before[key]) for key, weight in network.state_dict().items())
    assert hooks(network) == hooked


@pytest.mark.parametrize(("kind", "weighs"), [("standard", False), ("topk", True), ("jumprelu", False)])
def test_latents_are_a_site(models, tmp_path, kind, weighs):
    config = config_v6(kind, **({"rescale_acts_by_decoder_norm": weighs} if kind == "topk" else {}))
    save_dictionary(tmp_path / "sae", config, random_weights(kind))
    loaded = models["gpt2"].with_dictionary("layers.1", tmp_path / "sae")
    live = og.live_activations(loaded, FEW, sites="layers.1.latents", aggregate="mean")
    live.values()  # in inference mode, and the dictionary keeps what it makes of its weights there
    attributions = integrated_gradients(live, StraightPath(64, "zero"))
    (losses,) = attributions.sites
    assert losses.attributed == pytest.approx(losses.loss - losses.baseline_loss, rel=1e-3, abs=1e-3)
    with og.erasing(loaded, live.space, np.arange(live.space.size)):
        assert losses.baseline_loss == pytest.approx(loaded.sentence_losses(FEW)[0].sum(), rel=1e-5)
    dead = (live.values()[live.present] == 0.0).all(axis=0)
    assert not attributions.absolute[dead].any()
    mean = integrated_gradients(live, StraightPath(64, "mean")).sites[0]
    assert mean.attributed == pytest.approx(mean.loss - mean.baseline_loss, rel=1e-3, abs=1e-3)


def test_progress_is_told_of_every_row_at_every_site(models):
    told: list[int] = []

    class Listening:
        def __call__(self, description, total, unit):
            self.opened = description, total, unit
            return self

        def __enter__(self):
            return told.append

        def __exit__(self, *_):
            return None

    listener = Listening()
    live = og.live_activations(models["nlm"], FEW, batch_size=2)
    integrated_gradients(live, StraightPath(1), progress=listener)
    assert listener.opened == ("attribute", 9, "rows")
    assert sum(told) == 9


def test_refusals(models, zoo, tmp_path):
    for steps in (0, -1, 1.5, True, "8"):
        with pytest.raises(ParameterError, match="steps must be a whole number from 1"):
            StraightPath(steps)
    with pytest.raises(ParameterError, match="baseline must be one of mean, zero, got 'median'"):
        StraightPath(1, "median")
    store = og.extract(models["nlm"], FEW, tmp_path / "a.zarr")
    with pytest.raises(ParameterError, match=r"holds values only; give live_activations\(model, corpus\)"):
        integrated_gradients(store, StraightPath())
    with pytest.raises(ParameterError, match="neither a language model nor a translation model"):
        attributed(models["bert"], FEW)
    with pytest.raises(ParameterError, match="no parallel side"):
        attributed(models["nmt"], plain_corpus())
    with pytest.raises(CorpusError, match=r"sentence 0 .* use long=truncate"):
        attributed(zoo["marian"], LONG.with_target(LONG), long="window", sites="encoder.layers.1")
    bare = load_model(tiny_gpt2(tmp_path / "bare"), device="cpu")
    bare.tokenizer.backend_tokenizer.post_processor = None
    bare.tokenizer.bos_token = None
    single = Corpus.from_sentences([["a"], ["a"]])
    assert [len(encoded.ids) for encoded in bare.encode(list(single.sentences()))] == [1, 1]
    with pytest.raises(ParameterError, match="no subword of memory is predicted"):
        attributed(bare, single, sites="layers.1")


def test_a_gradient_that_is_not_finite_is_refused_by_name(models):
    loaded = replace(models["nlm"], model=deepcopy(models["nlm"].model))
    with torch.no_grad():
        loaded.model.lm_head.weight[:, 3] = float("inf")
    live = og.live_activations(loaded, FEW, sites="layers.1")
    with pytest.raises(ModelError, match=r"no finite gradient at layers.1:\d+; load the model in float32"):
        integrated_gradients(live, StraightPath(2))
