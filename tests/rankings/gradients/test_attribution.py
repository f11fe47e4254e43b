"""Integrated gradients: against a naive loop over positions, what they add up to, and how the model is left."""

from __future__ import annotations

import pickle
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import onegrain as og
from onegrain.activations.extraction.encoding import EncodedCorpus
from onegrain.activations.extraction.options import EncodingOptions
from onegrain.errors import CorpusError, ModelError, ParameterError
from onegrain.models import LoadedModel, load_model
from onegrain.rankings.gradients import attribution as gradients
from onegrain.rankings.gradients.attribution import Attributions, StraightPath, integrated_gradients
from onegrain.rankings.gradients.loss_batches import ScoredRow, scored_sentences
from onegrain.records.corpus import Corpus
from support.saelens import config_v6, random_weights, save_dictionary
from support.tiny import parallel_corpus, plain_corpus, tiny_gpt2, tiny_nlm, tiny_nmt

FEW = parallel_corpus().select([2, 4, 6])
LONG = Corpus.from_sentences([("the old dog sleeps near the warm fire " * 10).split(), ["rain", "!"], ["a"]])


@pytest.fixture
def named(models, zoo):
    """A tiny model, or one of the zoo, by name."""
    return lambda name: models[name] if name in models else zoo[name]


def doubled(loaded: LoadedModel) -> LoadedModel:
    """A copy that computes in float64; not of our translation model, whose cells are float32 in any case."""
    if loaded.model.config.model_type == "onegrain_lstm_nmt":
        return loaded
    return replace(loaded, model=deepcopy(loaded.model).double())


def attributed(loaded: Any, corpus: Corpus, *, steps: int = 8, baseline: str = "mean", **read) -> Attributions:
    live = og.live_activations(loaded, corpus, **read)
    return integrated_gradients(live, StraightPath(steps, baseline))


def as_if(loaded: LoadedModel, point, rows: ScoredRow, swap) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of one sentence by plain torch, with a site's (steps, width) values as ``swap`` makes them."""
    seen, module = [], loaded.model.get_submodule(point.module)
    units = slice(None) if point.units is None else slice(*point.units)

    def change(value):
        flat = value if value.dim() == 2 else value[0]
        changed = flat.clone()
        changed[:, units] = swap(flat[:, units], len(seen) if value.dim() == 2 else slice(None))
        seen.append(flat[:, units].detach())
        return changed if value.dim() == 2 else changed[None]

    def after(module, inputs, output):
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    def before(module, inputs):
        return (change(inputs[0]), *inputs[1:])

    hook = (
        module.register_forward_hook(after)
        if point.reads == "output"
        else module.register_forward_pre_hook(before)
    )
    try:
        ids, labels = torch.tensor([rows.ids]), torch.tensor([rows.labels])
        if loaded.task == "translation":
            log_p = loaded.model(input_ids=ids, labels=labels).logits[0].log_softmax(-1)
        else:
            log_p, labels = loaded.model(input_ids=ids).logits[0, :-1].log_softmax(-1), labels[:, 1:]
        counted = [-log_p[position, label] for position, label in enumerate(labels[0].tolist()) if label >= 0]
        loss = torch.stack(counted).sum() if counted else log_p.sum() * 0
    finally:
        hook.remove()
    return loss, torch.cat(seen)


def naive(loaded: LoadedModel, site: str, corpus: Corpus, *, baseline: str, long: str = "error", steps: int):
    """Attributions (words, units) by a midpoint rule, sentence by sentence, and those of special subwords."""
    (point,) = loaded.select([site])
    rows = EncodedCorpus(loaded, corpus, point.side, EncodingOptions(long=long))
    every = [row for sentence in scored_sentences(rows) for row in sentence]
    values = [as_if(loaded, point, row, lambda value, position: value)[1] for row in every]
    base = torch.zeros_like(values[0][0])
    if baseline == "mean":
        base = torch.cat([value[row.read] for row, value in zip(every, values, strict=True)]).mean(0)
    words, special = np.zeros((rows.read.n_words, len(base))), 0.0
    for row, value in zip(every, values, strict=True):
        slope = torch.zeros_like(value)
        for number in range(steps):
            share = (number + 0.5) / steps
            point_between = (base + share * (value - base)).detach().requires_grad_()
            loss, _ = as_if(
                loaded, point, row, lambda _, step, point_between=point_between: point_between[step]
            )
            slope += torch.autograd.grad(loss, point_between)[0] / steps
        for step, word in enumerate(row.word_of):
            product = ((value[step] - base) * slope[step]).numpy()
            special += product.sum() if word < 0 else 0.0
            if word >= 0:
                words[word] += product
    return words, special


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
