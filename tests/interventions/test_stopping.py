"""Sweeps that stop early: on as many sentences as the difference of two lines needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.core.confidence import ratio_sequence
from onegrain.errors import ParameterError
from onegrain.interventions import Intervention, StopWhen, editing, sweep
from onegrain.interventions.checkpoint import Checkpoint, Measured
from onegrain.interventions.variants import Variants
from onegrain.models import LoadedModel
from support.planted_models import KEY, alternating_corpus, planted_nlm
from support.rankings import ranking_of
from support.tiny import parallel_corpus, plain_corpus, tiny_nlm, tiny_nmt


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return og.load_model(planted_nlm(tmp_path_factory.mktemp("models") / "planted"), device="cpu")


@pytest.fixture(scope="module")
def nlm(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return og.load_model(tiny_nlm(tmp_path_factory.mktemp("models") / "nlm"), device="cpu")


def many(corpus: og.Corpus, sentences: int) -> og.Corpus:
    """Return a corpus of randomly repeated sentences."""
    return corpus.select(np.random.default_rng(1).integers(0, corpus.n_sentences, sentences))


def test_a_large_difference_is_settled_before_the_end(planted: LoadedModel) -> None:
    """Reference: the metric on the same sentences."""
    corpus = many(alternating_corpus(), 300)
    ranking = ranking_of(planted.space("layers.0"), [KEY, *(unit for unit in range(8) if unit != KEY)])
    stop = StopWhen(first=60, every=60)
    options: dict[str, Any] = {"counts": [1], "lines": ["top", "random"], "random_orders": 1, "seed": 3}
    record = sweep(planted, ranking, og.Perplexity(corpus), stop_when=stop, **options)
    facts = facts_of(record)
    assert facts["of"] == 300
    assert facts["sentences"] < 300
    assert record.metrics["perplexity"]["n_sentences"] == facts["sentences"]
    assert record.provenance.parameters["stop_when"]["first"] == 60
    read = corpus.select(np.random.default_rng([3, 2]).permutation(300)[: facts["sentences"]])
    metric = og.Perplexity(read)
    assert record.curve().intact == pytest.approx(metric.measure(planted).value, rel=1e-6)
    with editing(planted, Intervention.of(ranking, 1)):
        edited = metric.measure(planted)
    top = record.curve().line("top").set_index("neurons").loc[1]
    assert top["value"] == pytest.approx(edited.value, rel=1e-6)
    (difference,) = facts["differences"]
    random = record.curve().line("random").set_index("neurons").loc[1, "value"]
    assert difference["difference"] == pytest.approx(np.log(top["value"] / random), rel=1e-4, abs=1e-6)
    assert difference["low"] <= difference["difference"] <= difference["high"]


def facts_of(record: og.Sweep) -> dict[str, Any]:
    """Return what a sweep of perplexity says of its stop."""
    facts: dict[str, Any] = record.details["stopped"]["metrics"]["perplexity"]
    return facts


@pytest.mark.parametrize("metric", [og.Perplexity, og.KLDivergence])
def test_points_share_their_passes(
    nlm: LoadedModel, metric: type[og.Perplexity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference: the same sweep with points that are measured one by one."""
    corpus, ranking = (
        many(plain_corpus(), 60),
        ranking_of(nlm.space(), np.random.default_rng(1).permutation(48)),
    )
    options: dict[str, Any] = {"counts": [4, 20], "random_orders": 1, "lines": ["top", "random"]}
    options |= {"stop_when": StopWhen(first=20, every=20), "edits": ["zero", "clamp(value=2)"]}
    groups: list[int] = []
    each = Variants.each

    def counting(self: Variants, work: Any) -> Any:
        groups.append(len(self._edits))
        return each(self, work)

    monkeypatch.setattr(Variants, "each", counting)
    together = sweep(nlm, ranking, metric(corpus), **options)
    assert set(groups) == {9}  # two lines, two numbers and two edits, and the intact model
    monkeypatch.setattr(Variants, "supports", staticmethod(lambda model: False))
    separate = sweep(nlm, ranking, metric(corpus), **options)
    np.testing.assert_allclose(together.points["value"], separate.points["value"], rtol=1e-5, atol=1e-9)
    assert together.points["value"].nunique() > 4
    read = [next(iter(each.details["stopped"]["metrics"].values())) for each in (together, separate)]
    assert read[0]["sentences"] == read[1]["sentences"]


def test_neurons_that_do_nothing_are_never_settled(planted: LoadedModel) -> None:
    """Without any variance, nothing is known of the sentences to come."""
    others = [unit for unit in range(8) if unit != KEY]
    metric = og.Perplexity(many(alternating_corpus(), 120))
    harmless = ranking_of(planted.space("layers.0"), [others[0], others[1], KEY, *others[2:]])
    stop = StopWhen(against="bottom", margin=0.01, first=40, every=40)
    options: dict[str, Any] = {"counts": [2], "lines": ["top", "bottom"], "stop_when": stop}
    facts = facts_of(sweep(planted, harmless, metric, **options))
    assert facts["sentences"] == 120
    assert [(each["settled"], each["low"]) for each in facts["differences"]] == [(False, None)]
    keyed = ranking_of(planted.space("layers.0"), [KEY, *others])
    facts = facts_of(sweep(planted, keyed, metric, **options))
    assert facts["sentences"] < 120
    assert facts["differences"][0]["low"] > 0


def test_a_difference_within_the_margin_is_settled_too(nlm: LoadedModel) -> None:
    ranking = ranking_of(nlm.space(), np.random.default_rng(0).permutation(48))
    metric = og.Perplexity(many(plain_corpus(), 300))
    options: dict[str, Any] = {"counts": [10], "lines": ["top", "bottom"]}
    stop = StopWhen(against="bottom", margin=0.05, first=100, every=100)
    facts = facts_of(sweep(nlm, ranking, metric, "scale(factor=0.99)", stop_when=stop, **options))
    assert facts["sentences"] < 300
    (each,) = facts["differences"]
    assert -0.05 < each["low"] < each["high"] < 0.05


def test_the_level_is_divided_among_the_differences(nlm: LoadedModel) -> None:
    corpus = many(plain_corpus(), 120)
    rng = np.random.default_rng(0)
    rankings = {name: ranking_of(nlm.space(), rng.permutation(48)) for name in "ab"}
    stop = StopWhen(against="bottom", first=120, level=0.9)
    options: dict[str, Any] = {"counts": [20], "lines": ["top", "bottom"], "stop_when": stop}
    both = facts_of(sweep(nlm, rankings, og.Perplexity(corpus), **options))
    alone = sweep(nlm, rankings["a"], og.Perplexity(corpus), **options)
    one = facts_of(alone)["differences"][0]
    first = both["differences"][0]
    assert first["difference"] == pytest.approx(one["difference"])
    width, wider = one["high"] - one["low"], first["high"] - first["low"]
    values = rng.standard_normal(120)
    narrow, broad = (ratio_sequence(values, np.ones(120), level, 220) for level in (0.9, 0.95))
    assert wider * (narrow[2] - narrow[1]) == pytest.approx(width * (broad[2] - broad[1]))


def test_a_sweep_that_stops_early_resumes(
    nlm: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranking = ranking_of(nlm.space(), np.random.default_rng(0).permutation(48))
    metric = og.Perplexity(many(plain_corpus(), 60))
    options: dict[str, Any] = {
        "counts": [10], "lines": ["top", "bottom"], "stop_when": StopWhen(against="bottom", first=20, every=20)
    }  # fmt: skip
    whole = sweep(nlm, ranking, metric, **options)
    added, add = [0], Checkpoint.add

    def cut_off(self: Checkpoint, key: str, measured: Measured) -> None:
        added[0] += 1
        if added[0] == 3:
            raise KeyboardInterrupt
        add(self, key, measured)

    monkeypatch.setattr(Checkpoint, "add", cut_off)
    with pytest.raises(KeyboardInterrupt):
        sweep(nlm, ranking, metric, checkpoint=tmp_path / "kept", **options)
    resumed = sweep(nlm, ranking, metric, checkpoint=tmp_path / "kept", **options)
    looks = facts_of(whole)["sentences"] // 20
    assert added[0] == 3 + 3 * looks - 2
    assert resumed.points.equals(whole.points)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"against": "top"}, "against must be one of random, bottom"),
        ({"first": 5}, "first must be a whole number from 20"),
        ({"every": 0}, "every must be"),
        ({"margin": 0.0}, "margin must be above 0"),
        ({"level": 1.0}, "level must lie between 0 and 1"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        StopWhen(**changes)


def test_what_cannot_stop_early_is_refused_by_name(
    nlm: LoadedModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ranking = ranking_of(nlm.space(), np.random.default_rng(0).permutation(48))
    with pytest.raises(ParameterError, match="compares top with random; add the line random"):
        sweep(nlm, ranking, og.Perplexity(plain_corpus()), lines="top", stop_when=StopWhen())
    nmt = og.load_model(tiny_nmt(tmp_path_factory.mktemp("models") / "nmt"), device="cpu")
    translated = ranking_of(nmt.space(), range(nmt.space().size))
    with pytest.raises(ParameterError, match="means over sentences, and bleu is not"):
        sweep(nmt, translated, og.BLEU(parallel_corpus()), stop_when=StopWhen())
