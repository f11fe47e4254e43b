"""Variants that share their passes have the results that each has alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import pytest

from onegrain.activations import live_activations
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ModelError, ParameterError
from onegrain.interventions import Intervention, Where, editing, measure_interventions, neuron_statistics
from onegrain.interventions import variants as variants_module
from onegrain.interventions.variants import UnsharedError, Variants
from onegrain.metrics import (
    BLEU,
    KLDivergence,
    Measurement,
    Metric,
    Perplexity,
)
from onegrain.models import LoadedModel
from onegrain.models.lstm import recurrent
from onegrain.models.passing import is_trial
from onegrain.models.row_statistics import RowStatistics
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics
from support.tiny import parallel_corpus
from support.zoo import Zoo

SITES = {
    "nlm": ("embeddings", "layers.0", "layers.1"),
    "gpt2": ("layers.0.mlp", "layers.1.heads.1", "layers.1"),
    "llama": ("layers.0.attn", "layers.1.mlp.gate", "layers.1.mlp"),
    "nmt": ("encoder.layers.0.backward", "encoder.layers.1", "decoder.layers.1", "decoder.attention"),
    "t5": ("encoder.layers.0.mlp", "encoder.layers.1", "decoder.layers.0", "decoder.layers.1.cross_attn"),
    "marian": ("encoder.layers.1", "decoder.embeddings", "decoder.layers.1.mlp"),
}
TRANSLATION = ("nmt", "t5", "marian")
EDITS = (
    "zero",
    "mean",
    "mean(label='3')",
    "mode",
    "resample(seed=3)",
    "optimal",
    "clamp(deviations=2)",
    "scale(factor=-1)",
    "add(deviations=1)",
    "range(edit=zero, low=-1)",
    "project(label='3', against='5')",
)
PLACES = (
    Where(words="length=3"),
    Where(positions=(1, -1)),
    Where(positions=(2,), words="length=5"),
)
BATCH = 4


@pytest.fixture(scope="module")
def networks(models: dict[str, LoadedModel], zoo: Zoo) -> dict[str, LoadedModel]:
    return {name: models[name] if name in models else zoo[name] for name in SITES}


@pytest.fixture(scope="module")
def references(networks: dict[str, LoadedModel]) -> dict[str, NeuronStatistics]:
    """Statistics of the source sites of every model, with its means in place of optimal constants."""
    measured = {}
    for name, loaded in networks.items():
        sites = [site for site in SITES[name] if not site.startswith("decoder.")]
        statistics = neuron_statistics(live_activations(loaded, parallel_corpus(), sites=sites), layer="length")
        columns = {**statistics.columns, "optimal": statistics.columns["mean"]}
        measured[name] = replace(statistics, columns=columns)
    return measured


def backwards() -> Corpus:
    """Return the sentences with their words in reverse order, which have as many subwords."""
    return Corpus.from_sentences([list(words)[::-1] for words in parallel_corpus().sentences()], source="pairs")


def edits_of(name: str) -> list[list[Intervention]]:
    """Return variants of every kind, at every place, at one site and at several."""
    source = [site for site in SITES[name] if not site.startswith("decoder.")]
    target = [site for site in SITES[name] if site.startswith("decoder.")]
    chosen = [f"{site}:{unit}" for site in source for unit in (2, 5)]
    variants = [[Intervention.of(chosen, edit=edit)] for edit in (*EDITS, "interchange")]
    variants += [[Intervention.of(chosen, edit="clamp(value=4)", where=where)] for where in PLACES]
    variants += [[Intervention.of(f"{site}:1", edit="clamp(value=4)")] for site in (*source, *target)]
    variants += [
        [
            Intervention.of(f"{source[-1]}:3", edit="scale(factor=2)"),
            Intervention.of([f"{source[-1]}:3", f"{source[0]}:4"], edit="add(value=2)"),
        ],
        [],
        [Intervention.of([f"{site}:{unit}" for site in target for unit in range(6)])] if target else [],
    ]
    if target:
        variants.append(
            [Intervention.of(f"{site}:2", edit="clamp(value=3)", where=PLACES[1]) for site in target]
        )
    if name in ("nlm", "nmt"):
        recurrent = [site for site in SITES[name] if ".layers." in f".{site}"]
        variants += [
            [Intervention.of(f"{site}:1", edit="clamp(value=1)", recurrent=True)] for site in recurrent
        ]
        variants.append(
            [Intervention.of(f"{recurrent[0]}:2", edit="clamp(value=1)", where=PLACES[1], recurrent=True)]
        )
    return variants


def alone(
    loaded: LoadedModel, variant: list[Intervention], metric: Metric, reference: NeuronStatistics
) -> Measurement:
    with editing(loaded, variant, reference=reference, pairs=backwards()):
        return metric.measure(loaded, batch_size=BATCH)


def together(
    loaded: LoadedModel, variants: list[list[Intervention]], metric: Metric, reference: NeuronStatistics
) -> list[Measurement]:
    """Measure variants in shared passes, without the way out of measuring them one by one."""
    assert Variants.supports(loaded)
    stack = Variants(loaded, variants, reference=reference, pairs=backwards())
    results = stack.each(lambda: metric.measure(loaded, batch_size=BATCH))
    measured = [each for each in results if each is not None]
    assert len(measured) == len(variants)
    return measured


@pytest.mark.parametrize(
    ("name", "budget"),
    [*((name, 2**30) for name in SITES), ("nlm", 2**18), ("gpt2", 2**18)],
    ids=[*SITES, "nlm, few at once", "gpt2, few at once"],
)
def test_losses_are_those_of_separate_measurements(
    networks: dict[str, LoadedModel],
    references: dict[str, NeuronStatistics],
    name: str,
    budget: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variants_module, "BUDGET", budget)
    monkeypatch.setattr(recurrent, "LEAST_WIDTH", 1)
    loaded, metric, variants = networks[name], Perplexity(parallel_corpus()), edits_of(name)
    results = together(loaded, variants, metric, references[name])
    expected = [alone(loaded, variant, metric, references[name]) for variant in variants]
    for measurement, separate in zip(results, expected, strict=True):
        np.testing.assert_allclose(measurement.statistics, separate.statistics, rtol=1e-5)
    assert len({round(measurement.value, 4) for measurement in results}) > len(variants) - 4


@pytest.mark.parametrize(("name", "beams"), [*((name, 1) for name in TRANSLATION), ("nmt", 2)])
def test_translations_are_those_of_separate_measurements(
    networks: dict[str, LoadedModel],
    references: dict[str, NeuronStatistics],
    name: str,
    beams: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recurrent, "LEAST_WIDTH", 1)
    loaded, metric = networks[name], Texts(parallel_corpus(), beams=beams, max_new_tokens=7)
    target = [site for site in SITES[name] if site.startswith("decoder.")]
    variants = edits_of(name) + [
        [Intervention.of([f"{site}:3" for site in target], edit="clamp(value=4)", where=Where(part=part))]
        for part in ("prompt", "generated")
    ]
    # the words of the target are not known before they are written
    variants = [each for each in variants if not any(edit.where.words and name in target for edit in each)]
    texts = []
    for measure in (together, one_by_one):
        metric.texts.clear()
        measure(loaded, variants, metric, references[name])
        texts.append(list(metric.texts))
    assert texts[0] == texts[1]
    assert len({tuple(each) for each in texts[0]}) > len(variants) / 2


def one_by_one(
    loaded: LoadedModel, variants: list[list[Intervention]], metric: Metric, reference: NeuronStatistics
) -> list[Measurement]:
    return [alone(loaded, variant, metric, reference) for variant in variants]


class Texts(BLEU):
    """BLEU that keeps the translations of each measurement."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.texts: list[list[str]] = []

    def _measurement(self, translations: list[str], search_fields: list[str]) -> Measurement:
        self.texts.append(translations)
        return super()._measurement(translations, search_fields)


def test_the_blocks_below_the_edits_run_once(
    networks: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, corpus = networks["gpt2"], parallel_corpus()
    blocks = list(loaded.model.transformer.h)
    rows = [0, 0]
    run = type(blocks[0]).forward

    def counting(self: Any, hidden: Any, *arguments: Any, **named: Any) -> Any:
        rows[blocks.index(self)] += len(hidden)
        return run(self, hidden, *arguments, **named)

    variants = [[Intervention.of(f"layers.1.mlp:{unit}", edit="clamp(value=4)")] for unit in range(6)]
    monkeypatch.setattr(type(blocks[0]), "forward", counting)
    stack = Variants(loaded, variants, reference=None, pairs=None)
    assert len(list(stack.each(lambda: Perplexity(corpus).measure(loaded, batch_size=BATCH)))) == len(variants)
    sentences, trials = corpus.n_sentences, 40
    assert sentences <= rows[0] <= sentences + trials
    assert rows[1] >= len(variants) * sentences


def test_an_encoder_below_the_edits_runs_once(
    networks: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, corpus, rows = networks["nmt"], parallel_corpus(), [0]
    encoder = type(loaded.model.encoder)
    run = encoder.forward

    @wraps(run)
    def counting(self: Any, input_ids: Any, *arguments: Any, **named: Any) -> Any:
        rows[0] += len(input_ids)
        return run(self, input_ids, *arguments, **named)

    monkeypatch.setattr(encoder, "forward", counting)
    variants = [[Intervention.of(f"decoder.layers.0:{unit}", edit="clamp(value=1)")] for unit in range(6)]
    stack = Variants(loaded, variants, reference=None, pairs=None)
    metric = BLEU(corpus, max_new_tokens=10)
    assert len(list(stack.each(lambda: metric.measure(loaded, batch_size=BATCH)))) == len(variants)
    assert corpus.n_sentences <= rows[0] <= corpus.n_sentences + 40


class Counted(Perplexity):
    """Perplexity that counts its measurements."""

    measurements = 0

    def measure(
        self, model: LoadedModel, *, batch_size: int = 64, progress: Progress = automatic
    ) -> Measurement:
        self.measurements += 1
        return super().measure(model, batch_size=batch_size, progress=progress)


def test_equal_variants_are_measured_once_and_come_in_their_order(networks: dict[str, LoadedModel]) -> None:
    loaded, metric = networks["gpt2"], Counted(parallel_corpus())
    first, second = (Intervention.of(f"layers.1:{unit}", edit="clamp(value=4)") for unit in (1, 2))
    empty = Intervention({})
    results = list(measure_interventions(loaded, metric, [[first], [], [second], [first], [empty]]))
    assert metric.measurements == 3
    values = [result.value for result in results]
    assert values[0] == values[3]
    assert (
        values[1] == values[4] == pytest.approx(Perplexity(parallel_corpus()).measure(loaded).value, rel=1e-6)
    )
    assert len(set(values)) == 3


@pytest.mark.parametrize("name", ["nlm", "gpt2", "nmt"])
@pytest.mark.parametrize("budget", [2**30, 2**17], ids=["all at once", "few at once"])
def test_divergences_are_those_of_separate_measurements(
    models: dict[str, LoadedModel],
    name: str,
    budget: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variants_module, "BUDGET", budget)
    monkeypatch.setattr(recurrent, "LEAST_WIDTH", 1)
    loaded = models[name]
    site = "encoder.layers.{}" if name == "nmt" else "layers.{}"
    variants = [
        [Intervention.of([f"{site.format(layer)}:{unit}" for layer in layers for unit in (1, 4)], edit=edit)]
        for layers in ((0,), (1,), (0, 1))
        for edit in ("zero", "clamp(value=4)", "scale(factor=-8)")
    ]
    variants.append([Intervention.of(f"{site.format(1)}:2", edit="clamp(value=9)", where=PLACES[1])])
    variants.append([])
    metric = KLDivergence(parallel_corpus())
    stack = Variants(loaded, variants, reference=None, pairs=None)
    results = list(stack.each(lambda: metric.measure(loaded, batch_size=BATCH)))
    values = set()
    for variant, measurement in zip(variants, results, strict=True):
        with editing(loaded, variant):
            separate = metric.measure(loaded, batch_size=BATCH)
        assert measurement is not None
        np.testing.assert_allclose(measurement.statistics, separate.statistics, rtol=2e-5, atol=1e-6)
        assert measurement.signature == separate.signature
        values.add(round(measurement.value, 4))
    assert len(values) > len(variants) - 3


def test_the_untouched_model_is_read_once_for_all_variants(
    models: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, metric = models["gpt2"], KLDivergence(parallel_corpus())
    rows: list[int] = []
    run = type(loaded.model).forward

    @wraps(run)
    def counting(self: Any, input_ids: Any, *arguments: Any, **named: Any) -> Any:
        if is_trial():
            rows.append(len(input_ids))
        return run(self, input_ids, *arguments, **named)

    variants = [[Intervention.of(f"layers.1:{unit}", edit="clamp(value=4)")] for unit in range(6)]
    monkeypatch.setattr(type(loaded.model), "forward", counting)
    list(measure_interventions(loaded, metric, variants, batch_size=BATCH))
    # the untouched model, and the modules below the edits
    assert sum(rows) <= 2 * parallel_corpus().n_sentences + 1


class OwnPasses(Metric):
    """A metric that passes the model itself: the mean of its logits on a few ids."""

    name = "own"
    higher_is_better = True
    corpus = parallel_corpus()
    parameters: dict[str, Any] = {}  # noqa: RUF012

    def measure(
        self, model: LoadedModel, *, batch_size: int = 64, progress: Progress = automatic
    ) -> Measurement:
        value = float(model.forward([[5, 6, 7]]).logits.mean())
        return Measurement(value, value, value, "own", 1, np.zeros((1, 1)), ("own",), np.zeros(1))


def test_a_metric_with_passes_of_its_own_is_measured_one_by_one(networks: dict[str, LoadedModel]) -> None:
    loaded, metric = networks["gpt2"], OwnPasses()
    variants = [[Intervention.of(f"layers.1:{unit}", edit="clamp(value=4)")] for unit in range(3)]
    with pytest.raises(UnsharedError):
        list(Variants(loaded, variants, reference=None, pairs=None).each(lambda: metric.measure(loaded)))
    values = [result.value for result in measure_interventions(loaded, metric, variants)]
    for variant, value in zip(variants, values, strict=True):
        with editing(loaded, variant):
            assert metric.measure(loaded).value == value
    assert len(set(values)) == 3


def test_edits_of_the_caller_stay_in_force(networks: dict[str, LoadedModel]) -> None:
    loaded, metric = networks["gpt2"], Perplexity(parallel_corpus())
    outer = Intervention.of("layers.0:1", edit="clamp(value=5)")
    variants = [[Intervention.of(f"layers.1:{unit}", edit="clamp(value=4)")] for unit in range(2)]
    with editing(loaded, outer):
        assert not Variants.supports(loaded)
        results = [result.value for result in measure_interventions(loaded, metric, variants)]
    for variant, value in zip(variants, results, strict=True):
        with editing(loaded, [outer, *variant]):
            assert metric.measure(loaded).value == pytest.approx(value, rel=1e-6)


def test_an_error_comes_in_the_turn_of_its_variant(networks: dict[str, LoadedModel]) -> None:
    loaded, metric = networks["gpt2"], Perplexity(parallel_corpus())
    variants = [
        [Intervention.of("layers.1:1", edit="clamp(value=4)")],
        [Intervention.of("layers.1:1", where=Where(positions=(63,)))],
        [Intervention.of("layers.1:1", edit="mean")],
    ]
    results: Iterator[Measurement] = measure_interventions(loaded, metric, variants[:2])
    assert next(results).value > 0
    with pytest.raises(ParameterError, match="touched no value"):
        next(results)
    results = measure_interventions(loaded, metric, [variants[0], variants[2]])
    assert next(results).value > 0
    with pytest.raises(ParameterError, match="needs a reference"):
        next(results)


class Failing(Perplexity):
    """Perplexity that counts how often its rows are asked for, and may refuse."""

    def __init__(self, corpus: Corpus, *, refuses: bool = False) -> None:
        super().__init__(corpus)
        self.refuses, self.asked = refuses, 0

    def rows(self, model: LoadedModel) -> RowStatistics:
        self.asked += 1
        if self.refuses:
            raise ParameterError("refused")
        return super().rows(model)


def test_what_fails_before_any_pass_is_tried_once(networks: dict[str, LoadedModel]) -> None:
    loaded = networks["gpt2"]
    possible = [[Intervention.of(f"layers.1:{unit}", edit="clamp(value=4)")] for unit in range(2)]
    impossible = [Intervention.of("layers.1:99")]
    refusing = Failing(parallel_corpus(), refuses=True)
    with pytest.raises(ParameterError, match="refused"):
        list(measure_interventions(loaded, refusing, possible))
    assert refusing.asked == 1
    metric = Failing(parallel_corpus())
    stream = measure_interventions(loaded, metric, [*possible, impossible])
    results = [next(stream).value for _ in possible]
    with pytest.raises(ModelError, match="has units"):
        next(stream)
    assert metric.asked == 1  # the sentences are encoded once for all points
    assert results == pytest.approx([alone_value(loaded, each, metric) for each in possible])
    with pytest.raises(ModelError, match="has units"):
        next(measure_interventions(loaded, metric, [impossible, *possible]))


def test_variants_that_differ_among_others_are_measured_one_by_one(
    networks: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, metric = networks["gpt2"], Perplexity(parallel_corpus())
    variants = [[Intervention.of(f"layers.1:{unit}", edit="clamp(value=4)")] for unit in range(3)]
    expected = [alone_value(loaded, variant, metric) for variant in variants]
    # the rows of each variant receive the edits of the next one
    edit = Variants._edit
    monkeypatch.setattr(
        Variants, "_edit", lambda self, edits, values: edit(self, edits[1:] + edits[:1], values)
    )
    with pytest.raises(UnsharedError):
        list(Variants(loaded, variants, reference=None, pairs=None).each(lambda: metric.measure(loaded)))
    results = [each.value for each in measure_interventions(loaded, metric, variants, batch_size=BATCH)]
    assert results == pytest.approx(expected, rel=1e-7)


def alone_value(loaded: LoadedModel, variant: list[Intervention], metric: Metric) -> float:
    with editing(loaded, variant):
        return metric.measure(loaded, batch_size=BATCH).value


def test_the_model_is_what_it_was_after_an_interruption(
    networks: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, metric = networks["nmt"], Perplexity(parallel_corpus())
    before = metric.measure(loaded).value
    edit = Variants._edit

    def interrupted(self: Variants, edits: Any, values: Any) -> Any:
        edit(self, edits, values)
        raise KeyboardInterrupt

    monkeypatch.setattr(Variants, "_edit", interrupted)
    variants = [[Intervention.of(f"decoder.layers.1:{unit}")] for unit in range(3)]
    with pytest.raises(KeyboardInterrupt):
        list(measure_interventions(loaded, metric, variants))
    assert metric.measure(loaded).value == before
    assert Variants.supports(loaded)
    assert all("forward" not in vars(module) for module in loaded.model.modules())
