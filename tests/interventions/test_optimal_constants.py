"""Optimal constants: no worse than zero and mean, the optimum where it is known, and read back by the edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.activations import live_activations
from onegrain.errors import InputError, MismatchError, ParameterError
from onegrain.interventions import Intervention, Where, neuron_statistics
from onegrain.models import LoadedModel
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics
from support.tiny import parallel_corpus, plain_corpus
from support.zoo import Zoo


def mean_loss(model: LoadedModel, corpus: Corpus) -> float:
    losses, subwords = model.sentence_losses(corpus, batch_size=4)
    return float(losses.sum() / subwords.sum())


def edited_loss(
    model: LoadedModel, corpus: Corpus, edit: Intervention, reference: NeuronStatistics | None = None
) -> float:
    with og.editing(model, edit, reference=reference):
        return mean_loss(model, corpus)


@pytest.mark.parametrize(
    ("name", "neurons"),
    [
        ("nlm", ["layers.0:1", "layers.0:5", "layers.1:2"]),
        ("gpt2", ["layers.0.mlp:1", "layers.0.mlp:9", "layers.1:3", "layers.0.heads.1:2"]),
        ("nmt", ["encoder.layers.0:3", "encoder.layers.1:4"]),
    ],
)
def test_the_constants_cost_no_more_than_zero_and_mean(
    models: dict[str, LoadedModel], name: str, neurons: list[str]
) -> None:
    model, corpus = models[name], parallel_corpus()
    statistics = og.optimal_constants(model, corpus, Intervention.of(neurons, edit="optimal"), batch_size=4)
    losses = statistics.details["losses"]
    assert losses["intact"] == pytest.approx(mean_loss(model, corpus))
    for kind in ("zero", "mean", "optimal"):
        edit = Intervention.of(neurons, edit=kind)
        assert losses[kind] == pytest.approx(edited_loss(model, corpus, edit, statistics), rel=1e-6), kind
    assert losses["optimal"] < min(losses["zero"], losses["mean"])
    found = statistics.to_pandas().dropna()
    assert {f"{row.site}:{row.unit}" for row in found.itertuples()} == set(neurons)


def test_one_neuron_has_the_constant_of_a_search_by_hand(zoo: Zoo) -> None:
    """The loss on a fine grid of constants has its least value where the search ends."""
    model, corpus = zoo["llama"], plain_corpus()
    neuron = "layers.1.mlp:4"
    statistics = og.optimal_constants(model, corpus, Intervention.of(neuron, edit="optimal"), tolerance=1e-10)
    best = float(statistics.column("optimal")[statistics.space.parse(neuron)])
    mean = float(statistics.column("mean")[statistics.space.parse(neuron)])
    deviation = float(statistics.column("deviation")[statistics.space.parse(neuron)])
    grid = np.unique([*np.linspace(mean - 6 * deviation, mean + 6 * deviation, 61), best])
    losses = [
        edited_loss(model, corpus, Intervention.of(neuron, edit=f"clamp(value={value})")) for value in grid
    ]
    assert statistics.details["losses"]["optimal"] <= min(losses) + 1e-6
    near = [edited_loss(model, corpus, Intervention.of(neuron, edit=f"clamp(value={best + step})"))
            for step in (-0.05, 0.05)]  # fmt: skip
    assert min(near) >= statistics.details["losses"]["optimal"] - 1e-7


def test_neurons_of_the_final_stream_have_a_known_optimum(zoo: Zoo) -> None:
    """With the whole stream constant, the best the model can do is to give each subword its frequency."""
    model, corpus = zoo["gpt2"], plain_corpus()
    whole = Intervention.of(model.space("layers.1"), np.arange(16), "optimal")
    statistics = og.optimal_constants(model, corpus, whole, steps=300, tolerance=1e-12)
    start = [] if model.bos_id is None else [model.bos_id]
    counts: dict[int, int] = {}
    for words in corpus.sentences():
        for subword in (start + model.encode([words])[0].ids)[1:]:
            counts[subword] = counts.get(subword, 0) + 1
    share = np.array(list(counts.values())) / sum(counts.values())
    entropy = float(-(share * np.log(share)).sum())
    losses = statistics.details["losses"]
    assert entropy <= losses["optimal"] < min(losses["zero"], losses["mean"]) - 0.1


def test_places_and_other_edits_hold_during_the_search(zoo: Zoo) -> None:
    model, corpus = zoo["gpt2"], plain_corpus()
    first = Where(positions=(0, 1))
    several = [
        Intervention.of("layers.0.mlp:2", edit="optimal", where=first),
        Intervention.of("layers.0.mlp:5", edit="scale(factor=3)"),
    ]
    statistics = og.optimal_constants(model, corpus, several)
    with og.editing(model, several, reference=statistics):
        assert statistics.details["losses"]["optimal"] == pytest.approx(mean_loss(model, corpus), rel=1e-6)


def test_the_state_of_a_recurrent_layer_can_be_set(models: dict[str, LoadedModel]) -> None:
    model, corpus = models["nlm"], plain_corpus()
    edit = Intervention.of(["layers.0:1", "layers.0:3"], edit="optimal", recurrent=True)
    statistics = og.optimal_constants(model, corpus, edit)
    losses = statistics.details["losses"]
    assert losses["optimal"] == pytest.approx(edited_loss(model, corpus, edit, statistics), rel=1e-6)
    assert losses["optimal"] <= min(losses["zero"], losses["mean"])


def test_the_model_is_as_before(models: dict[str, LoadedModel]) -> None:
    model, corpus = models["gpt2"], plain_corpus()
    required = [weight.requires_grad for weight in model.model.parameters()]
    before = model.sentence_losses(corpus)[0]
    og.optimal_constants(model, corpus, Intervention.of("layers.0:1", edit="optimal"), steps=2)
    assert np.array_equal(model.sentence_losses(corpus)[0], before)
    assert [weight.requires_grad for weight in model.model.parameters()] == required
    assert all(weight.grad is None for weight in model.model.parameters())


def test_the_record_is_saved_and_the_edit_reads_it(models: dict[str, LoadedModel], tmp_path: Path) -> None:
    model, corpus = models["gpt2"], plain_corpus()
    edit = Intervention.of(["layers.0:1", "layers.0:4"], edit="optimal")
    statistics = og.optimal_constants(model, corpus, edit, steps=3)
    statistics.save(tmp_path / "c.parquet")
    loaded = og.load(tmp_path / "c.parquet")
    assert loaded.to_pandas().equals(statistics.to_pandas())
    assert loaded.details == statistics.details
    assert edited_loss(model, corpus, edit, loaded) == edited_loss(model, corpus, edit, statistics)
    assert og.plot(loaded).to_dict()
    with pytest.raises(ParameterError, match="no optimal constant for 1 of 2"):
        edited_loss(model, corpus, Intervention.of(["layers.0:1", "layers.0:2"], edit="optimal"), loaded)


def test_the_reference_gives_the_means(models: dict[str, LoadedModel]) -> None:
    model, corpus = models["gpt2"], plain_corpus()
    reference = neuron_statistics(
        live_activations(model, corpus.select([0, 1]), sites=["layers.0", "layers.1"])
    )
    edit = Intervention.of("layers.0:1", edit="optimal")
    statistics = og.optimal_constants(model, corpus, edit, reference=reference, steps=2)
    assert statistics.space == reference.space
    assert np.array_equal(statistics.column("mean"), reference.column("mean"))
    with pytest.raises(MismatchError, match=r"no site 'layers.0.mlp'"):
        og.optimal_constants(
            model, corpus, Intervention.of("layers.0.mlp:1", edit="optimal"), reference=reference
        )


@pytest.mark.parametrize(
    ("edit", "change", "words"),
    [
        (Intervention.of("layers.0:1"), {}, "no intervention has the edit optimal"),
        ([Intervention.of("layers.0:1", edit="optimal")] * 2, {}, "two interventions set layers.0:1"),
        (Intervention.of("layers.0:99", edit="optimal"), {}, "units 0..15, not 99"),
        (Intervention.of("layers.9:1", edit="optimal"), {}, "layers.9"),
        (Intervention.of("layers.0:1", edit="optimal"), {"steps": 0}, "steps"),
        (Intervention.of("layers.0:1", edit="optimal"), {"tolerance": 1.0}, "tolerance"),
    ],
)
def test_what_cannot_be_sought_is_refused(
    models: dict[str, LoadedModel], edit: Any, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        og.optimal_constants(models["gpt2"], plain_corpus(), edit, **change)


def test_an_encoder_is_refused(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match="neither a language model"):
        og.optimal_constants(models["bert"], plain_corpus(), Intervention.of("layers.0:1", edit="optimal"))
