"""Direct effects are those of a computation by hand, in which the change alone is added to the final stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import onegrain as og
from onegrain.activations import live_activations
from onegrain.core.progress import silent
from onegrain.errors import InputError, ParameterError
from onegrain.interventions import Intervention
from onegrain.interventions.direct_path import PRE_NORM
from onegrain.interventions.template import matched_sets
from onegrain.models import LoadedModel
from onegrain.records.corpus import Corpus
from onegrain.records.effects import ALL
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from support.tiny import plain_corpus
from support.zoo import LANGUAGE_MODELS, Zoo

SENTENCES = plain_corpus().select([0, 3, 4])


def ranking_of(model: LoadedModel, neurons: list[str]) -> Ranking:
    """A ranking of the sites of some neurons, which come first in it."""
    space = model.space(list(dict.fromkeys(name.rpartition(":")[0] for name in neurons)))
    scores = np.zeros(space.size)
    scores[space.indices(neurons)] = np.arange(len(neurons), 0, -1)
    provenance = Provenance(stage="rank", model=model.identity, seed=0)
    return Ranking.by_scores("random", space, scores, provenance)


def measure(model: LoadedModel, neurons: list[str], corpus: Corpus = SENTENCES, **options: Any) -> og.Effects:
    options = {"random_orders": 2, "resamples": 100, "batch_size": 2, **options}
    return og.effects(model, ranking_of(model, neurons), corpus, k=len(neurons), **options)


def final_norm(model: LoadedModel, stream: Tensor) -> Tensor:
    base = model.model.base_model
    for name in ("ln_f", "norm", "final_layer_norm"):
        if hasattr(base, name):
            return getattr(base, name)(stream)
    raise AssertionError(type(base).__name__)


def direct_by_hand(model: LoadedModel, corpus: Corpus, changes: Any) -> float:
    """The rise of the mean loss with some change added to the untouched final residual stream.

    ``changes`` takes the recording of an untouched pass and returns the change, (1, time, width).
    """
    last = max(name for name, point in model.points.items() if point.residual)
    sites = [name for name, point in model.points.items() if point.dictionary is None]
    rise, subwords = 0.0, 0
    for words in corpus.sentences():
        start = [] if model.bos_id is None else [model.bos_id]
        ids = start + model.encode([words])[0].ids
        with model.recording(model.select(sites)) as record:
            intact = model.forward([ids]).logits
            stream = record[last] + changes(record)
        logits = model.model.get_output_embeddings()(final_norm(model, stream))
        cap = getattr(model.model.config, "final_logit_softcapping", None)
        logits = logits if cap is None else cap * torch.tanh(logits / cap)
        target = torch.tensor(ids[1:])
        for sign, values in ((1, logits), (-1, intact)):
            rise += sign * float(
                torch.nn.functional.cross_entropy(values[0, :-1].double(), target, reduction="sum")
            )
        subwords += len(target)
    return rise / subwords


def projected(model: LoadedModel, module: str, change: Tensor) -> Tensor:
    """What a projection makes of a change of its input, without its bias."""
    projection = model.model.get_submodule(module)
    return projection(change) - projection(torch.zeros_like(change))


def only(value: Tensor, units: list[int]) -> Tensor:
    kept = torch.zeros_like(value)
    kept[..., units] = value[..., units]
    return kept


@torch.no_grad()
@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox", "qwen3"])
def test_the_direct_effect_of_mlp_neurons_is_their_own_write_to_the_stream(zoo: Zoo, name: str) -> None:
    model = zoo[name]
    record = measure(model, ["layers.0.mlp:1", "layers.0.mlp:7", "layers.1.mlp:2"])
    modules = [model.points[f"layers.{layer}.mlp"].module for layer in (0, 1)]

    def changes(seen: Any) -> Tensor:
        first = projected(model, modules[0], -only(seen["layers.0.mlp"], [1, 7]))
        return first + projected(model, modules[1], -only(seen["layers.1.mlp"], [2]))

    assert record.at()["direct"] == pytest.approx(direct_by_hand(model, SENTENCES, changes), abs=2e-6)
    assert abs(record.at()["mediated"]) > 1e-5


@torch.no_grad()
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_direct_effect_of_heads_attention_and_the_stream(zoo: Zoo, name: str) -> None:
    model = zoo[name]
    attention = model.points["layers.0.attn"].module
    units = model.points["layers.0.heads.1"].units
    assert units is not None

    def of_head(seen: Any) -> Tensor:
        head = seen["layers.0.heads.1"]
        wide = torch.zeros(*head.shape[:2], 2 * head.shape[2])
        wide[..., units[0]] = -head[..., 0]
        return projected(model, attention, wide)

    for neuron, changes in (
        ("layers.0.heads.1:0", of_head),
        ("layers.0.attn:5", lambda seen: -only(seen["layers.0.attn"], [5])),
        ("layers.0:5", lambda seen: -only(seen["layers.0"], [5])),
        ("embeddings:5", lambda seen: -only(seen["embeddings"], [5])),
    ):
        record = measure(model, [neuron])
        expected = direct_by_hand(model, SENTENCES, changes)
        assert record.at()["direct"] == pytest.approx(expected, abs=2e-6), neuron


@torch.no_grad()
def test_the_direct_effect_of_the_branches_of_a_gated_mlp(zoo: Zoo) -> None:
    model = zoo["llama"]
    down = model.points["layers.0.mlp"].module
    record = measure(model, ["layers.0.mlp.gate:3", "layers.0.mlp.up:4"])
    record_of_products = measure(model, ["layers.0.mlp:3", "layers.0.mlp:4"])

    def changes(seen: Any) -> Tensor:
        return projected(model, down, -only(seen["layers.0.mlp"], [3, 4]))

    expected = direct_by_hand(model, SENTENCES, changes)
    assert record.at()["direct"] == pytest.approx(expected, abs=2e-6)
    assert record_of_products.at()["direct"] == pytest.approx(expected, abs=2e-6)


@torch.no_grad()
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_after_the_last_block_nothing_is_mediated(zoo: Zoo, name: str) -> None:
    model = zoo[name]
    record = measure(model, ["layers.1:3", "layers.1.mlp:2"])
    intact, subwords = model.sentence_losses(SENTENCES)
    with og.erasing(model, ["layers.1:3", "layers.1.mlp:2"]):
        after, _ = model.sentence_losses(SENTENCES)
    top = record.at()
    assert top["total"] == pytest.approx((after - intact).sum() / subwords.sum(), abs=1e-6)
    assert record.intact == pytest.approx(intact.sum() / subwords.sum())
    assert top["mediated"] == pytest.approx(0.0, abs=1e-6)
    assert model.model.config.model_type in PRE_NORM


def test_rows_of_sites_and_of_random_neurons(zoo: Zoo, tmp_path: Path) -> None:
    model = zoo["gpt2"]
    neurons = ["layers.0.mlp:1", "layers.0.mlp:7", "layers.1.mlp:2"]
    record = measure(model, neurons, by_site=True, random_orders=3, edit="scale(factor=-2)")
    assert record.sites == (ALL, "layers.0.mlp", "layers.1.mlp")
    assert [record.at(site=site)["neurons"] for site in record.sites] == [3, 2, 1]
    alone = measure(model, neurons[:2], edit="scale(factor=-2)")
    for part in ("total", "direct"):
        assert record.at(site="layers.0.mlp")[part] == pytest.approx(alone.at()[part], abs=1e-7)
    for site in record.sites:
        top, random, gap = (record.at(line, site) for line in ("top", "random", "difference"))
        assert top["mediated"] == pytest.approx(top["total"] - top["direct"])
        assert gap["direct"] == pytest.approx(top["direct"] - random["direct"])
        assert gap["direct_low"] <= gap["direct"] <= gap["direct_high"]
    record.save(tmp_path / "e.parquet")
    loaded = og.load(tmp_path / "e.parquet")
    assert loaded.table.equals(record.table)
    assert loaded.summary() == record.summary()
    with pytest.raises(ParameterError, match="no row"):
        record.at("top", "layers.9")


def hooks_of(model: LoadedModel) -> list[int]:
    """Return the number of hooks of each module; transformers leaves some of its own."""
    return [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.model.modules()]


def test_the_model_is_as_before(zoo: Zoo) -> None:
    model = zoo["llama"]
    before, hooks = model.sentence_losses(SENTENCES)[0], hooks_of(model)
    measure(model, ["layers.0.mlp:1"])
    assert np.array_equal(model.sentence_losses(SENTENCES)[0], before)
    assert hooks_of(model) == hooks


def test_a_place_that_some_batches_lack_is_no_error(zoo: Zoo) -> None:
    """The long sentence alone has a position 20; each batch holds one sentence."""
    corpus = plain_corpus().select([4, 5])
    og.effects(
        zoo["gpt2"], ranking_of(zoo["gpt2"], ["layers.0.mlp:1"]), corpus, k=1, random_orders=2, resamples=100,
        batch_size=1, where=og.interventions.Where(positions=(20,)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "neuron", "change", "words"),
    [
        ("bert", "layers.0:1", {}, "neither a language model"),
        ("marian", "decoder.layers.0:1", {}, "no direct path"),
        ("t5", "decoder.layers.0:1", {}, "no direct path"),
        ("gpt2", "transformer.h.0.mlp.act:1", {}, "module path"),
        ("gpt2", "layers.0:1", {"edit": "mean"}, "needs a reference"),
        ("gpt2", "layers.0:1", {"resamples": 3}, "resamples"),
        ("gpt2", "layers.0:1", {"random_orders": 1}, "random_orders"),
    ],
)
def test_what_has_no_direct_path_is_refused(
    zoo: Zoo, name: str, neuron: str, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        measure(zoo[name], [neuron], **change)


def test_a_recurrent_model_is_refused(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match="blocks add to a residual stream: gemma"):
        measure(models["nlm"], ["layers.0:1"])


def test_the_constants_of_each_set_of_neurons_are_found_on_the_words_of_the_reference(zoo: Zoo) -> None:
    model = zoo["llama"]
    ranking = ranking_of(model, ["layers.0.mlp:3", "layers.1:5"])
    store = live_activations(model, SENTENCES, sites=["layers.0.mlp", "layers.1"])
    options: dict[str, Any] = {"k": 2, "random_orders": 2, "resamples": 100, "seed": 1}
    record = og.effects(model, ranking, SENTENCES, edit="optimal", reference=store, **options)
    losses = []
    for neurons in [ranking.order[:2], *matched_sets(ranking.space, ranking.order[:2], 2, 1)]:
        edit = Intervention.of(ranking.space, neurons, edit="optimal")
        searched = og.optimal_constants(model, SENTENCES, edit, reference=store, progress=silent)
        losses.append(searched.details["losses"]["optimal"] - searched.details["losses"]["intact"])
    table = record.table.set_index("line")
    assert table.loc["top", "total"] == pytest.approx(losses[0], abs=1e-5)
    assert table.loc["random", "total"] == pytest.approx(np.mean(losses[1:]), abs=1e-5)
    assert record.provenance.parameters["constants"] == "found for each set of neurons"
    few = og.optimal_constants(
        model, SENTENCES, Intervention.of(ranking, 2, edit="optimal"), reference=store, steps=1, progress=silent
    )
    with pytest.raises(ParameterError, match="with activations of the model as the reference"):
        og.effects(model, ranking, SENTENCES, edit="optimal", reference=few, **options)
