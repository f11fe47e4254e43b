from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import hypergeom

from onegrain.analyses.questions.sharing import sharing
from onegrain.core.ordering import order_by_score
from onegrain.errors import MismatchError
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.reports import HeatMap, Records, Text, compose
from onegrain.reports.sections import (
    contrast_section,
    correlation_section,
    importance_section,
    layers_section,
    localisation_section,
    neurons_section,
    probe_section,
    sharing_section,
)
from onegrain.reports.sections.nulls import null_limits
from support.blocks import tables_in


def test_probe_sentences_carry_the_numbers(probes) -> None:
    text = probe_section(probes).findings[0]
    assert text.startswith("nlm: the probe labels 93.0 % of the words rightly, above the 25.0 %")
    assert "first 8 neurons (20.0 %) comes within 1 point" in text


def test_probe_section_shows_the_chosen_pair_and_f1(probes) -> None:
    tables = [table.frame for table in tables_in(probe_section(probes).blocks)]
    assert tables[0]["lambda1"].tolist() == [1e-4, 1e-4]
    assert tables[1].to_dict("list") == {"label": ["DET"], "nlm": [0.8], "nmt": [0.8]}


def test_chance_is_a_jaccard_beside_a_jaccard_and_a_count_beside_a_count(probes) -> None:
    text = sharing_section({"m": probes["nlm"]}, 5).findings[0]
    pair = sharing(probes["nlm"], 5).pairs.sort_values("jaccard", ascending=False, kind="stable").iloc[0]
    shared, expected, jaccard, random = (
        float(part)
        for part in re.search(
            r"share ([\d.]+) neurons, where random sets of their sizes share ([\d.]+) on average "
            r"\(Jaccard ([\d.]+), random sets ([\d.]+)\)",
            text,
        ).groups()
    )
    assert (shared, expected) == (pair["shared"], pytest.approx(pair["expected"], rel=1e-2))
    assert jaccard == pytest.approx(pair["jaccard"], abs=0.005)
    assert random == pytest.approx(pair["expected_jaccard"], rel=0.06)


def test_the_best_of_many_sites_is_corrected_over_them(probes) -> None:
    """Two of three neurons in one of 20 sites: p = 0.007 for that site, no discovery among twenty."""
    scores = np.arange(400) / 1000
    scores[[0, 1, 20]] = [3.0, 2.0, 1.0]
    space = NeuronSpace(tuple(f"layers.{number}" for number in range(20)), (20,) * 20)
    ranking = Ranking.by_scores("maxcorr", space, scores, probes["nlm"].provenance)
    (text,) = layers_section({"m": ranking}, 3).findings
    p = hypergeom.sf(1, 400, 20, 3)
    assert p < 0.05 < 20 * p
    assert text.startswith("No site holds more of the top neurons of m than a random choice could give")
    assert f"(smallest q, corrected over the sites of the ranking: {20 * p:.2g})" in text


def test_no_finding_on_layers_repeats_its_form_for_every_ranking(probes) -> None:
    space = NeuronSpace(tuple(f"layers.{number}" for number in range(4)), (20,) * 4)

    def ranking(*first: int) -> Ranking:
        scores = np.arange(80) / 1000
        scores[list(first)] = 3.0
        return Ranking.by_scores("maxcorr", space, scores, probes["nlm"].provenance)

    named = {"a": ranking(0, 1, 2, 3), "b": ranking(4, 5, 6, 7), "c": ranking(20, 21, 22, 23)}
    together, scattered = layers_section({**named, "d": ranking(0, 20, 40, 60)}, 4).findings
    a, b, c = (together.index(f" {name} (100 % of 4, 4.0 times, q = ") for name in "abc")
    assert together.index("in layers.0 for") < a < b < together.index("in layers.1 for") < c
    assert together.count("gather") == 1
    assert scattered.startswith("No site holds more of the top neurons of d than a random choice")
    assert len(layers_section(named, 4).findings) == 1


def test_a_null_says_what_q_is_over_and_how_small_it_can_be(probes) -> None:
    ranking = probes["nlm"]
    null = {"kind": "rotation", "draws": 100, "p": [0.5] * 39 + [None], "least_p": 1 / 101, "least_q": 39 / 101}
    (text,) = null_limits({"m": replace(ranking, details={"null": null})})[0].paragraphs
    assert "corrected over 39 neurons" in text
    assert "only where at least 8 neurons have that p" in text
    enough = null | {"least_p": 1e-5, "least_q": 39e-5}
    assert "only where" not in null_limits({"m": replace(ranking, details={"null": enough})})[0].paragraphs[0]


def test_a_probe_without_evaluation_has_a_row_and_no_chart(probes) -> None:
    bare = replace(probes["nlm"], details={"evaluation": None})
    section = probe_section({"bare": bare})
    assert section.findings == ()
    assert section.charts() == []
    assert len(tables_in(section.blocks)) == 1


@pytest.mark.parametrize(
    ("hurt", "verdict"),
    [
        (3.0, "the top hurts more than the bottom: perplexity"),
        (0.6, "the top hurts more than the bottom, but their intervals overlap"),
        (0.2, "the top does not hurt more than the bottom"),
    ],
)
def test_the_verdict_follows_the_numbers(make_curve, hurt: float, verdict: str) -> None:
    for metric in ("perplexity", "BLEU"):
        text = importance_section({("m", "lca"): make_curve("m", metric, hurt)}).findings[0]
        assert verdict.replace("perplexity", metric) in text
        assert ("more than every random order" in text) == (hurt == 3.0)
        assert ("no more than the mean random order" in text) == (hurt < 1)


def test_open_class_verdict_and_labels_without_weight(probes) -> None:
    ranking = probes["nlm"]
    scores = np.zeros((5, 40))
    nothing = replace(ranking, label_scores=scores)
    assert "no label has any weight" in localisation_section({"x": nothing}).findings[0]
    assert "no label has any weight" in sharing_section({"x": nothing}).findings[0]
    scores = scores.copy()
    scores[1] = 1.0
    scores[2, 0] = 1.0
    text = localisation_section({"x": replace(ranking, label_scores=scores)}).findings[0]
    assert "Open-class labels (mean 1) are not more distributed than closed-class ones (mean 40)" in text


def test_neurons_section_shows_the_planted_words(activations, probes) -> None:
    section = neurons_section(activations, probes["nlm"], 1)
    texts = [block for block in section.blocks if isinstance(block, Text)]
    assert texts[1].heading == "layers.0:4, number 1 – high values mean more DET"
    assert texts[2].paragraphs[0].startswith("Down: the (-")
    assert texts[2].paragraphs[1].startswith("Up: 1984 (+")
    heat = next(block for block in section.blocks if isinstance(block, HeatMap)).heat
    assert heat.neuron == 20
    deviations = {w: v for s in heat.sentences for w, v in zip(s.words, s.deviations, strict=True)}
    assert deviations["1984"] > 1 > -1 > deviations["the"]


def test_neurons_of_another_space_are_refused(activations, probes) -> None:
    with pytest.raises(MismatchError, match="does not belong"):
        neurons_section(activations.restrict("layers.0"), probes["nlm"])


def test_one_site_is_said_and_not_drawn(probes) -> None:
    from onegrain.records.space import NeuronSpace

    single = replace(probes["nlm"], space=NeuronSpace(("only",), (40,)))
    section = layers_section({"m": single})
    assert section.charts() == []
    assert "all neurons lie in one site, only" in section.blocks[-1].paragraphs[0]


def test_contrast_and_correlation(probes, rankings) -> None:
    section = contrast_section(probes)
    assert section.findings[0].startswith("On 5 common labels, ")
    table = section.blocks[0].frame.set_index("measure")
    assert table.loc["probe accuracy"].tolist() == ["93.0%", "93.0%"]
    by_model = {model: r for (model, method), r in rankings.items() if method == "maxcorr"}
    assert correlation_section(by_model).blocks[1].frame["constant"].tolist() == [1, 1]
    constant = {"m": replace(by_model["nlm"], scores=np.full(40, np.nan))}
    assert "all are constant" in correlation_section(constant).blocks[0].paragraphs[0]


def test_universal_neurons_are_shown_with_their_partners(rankings, tmp_path) -> None:
    by_model = {model: r for (model, method), r in rankings.items() if method == "maxcorr"}
    assert len(correlation_section(by_model).blocks) == 2
    ranking = by_model["nlm"]
    details = {
        "models": ["sister"],
        "spaces": [ranking.space.to_json()],
        "partner": {
            "model": [0] * 40,
            "neuron": [(neuron + 1) % 40 for neuron in range(40)],
            "correlation": (-ranking.scores).tolist(),
        },
    }
    shown = (
        correlation_section({"nlm": replace(ranking, details=details), "nmt": by_model["nmt"]})
        .blocks[2]
        .blocks[0]
        .frame
    )
    first = int(ranking.order[0])
    assert shown["neuron"].tolist() == ranking.top(5)
    assert shown.loc[0, "partner"] == ranking.space.name((first + 1) % 40)
    assert shown.loc[0, "of"] == "sister"
    assert shown.loc[0, "correlation"] == -ranking.scores[first]
    null = {"excess": [0.5] * 40, "q": [0.01] * 40}
    shown = (
        correlation_section({"nlm": replace(ranking, details=details | {"null": null})})
        .blocks[2]
        .blocks[0]
        .frame
    )
    assert shown["q"].tolist() == [0.01] * 5
    for known in (details, details | {"null": null}):
        report = compose("T", Records({("nlm", "maxcorr"): replace(ranking, details=known)}))
        report.write(tmp_path / "report.html", images=None, force=True)
        assert ranking.top(1)[0] in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_models_of_other_penalties_are_not_side_by_side(probes) -> None:
    section = contrast_section(probes)
    assert len(section.charts()) == 2
    assert "On 5 common labels" in section.findings[0]
    other = replace(probes["nmt"], details={**probes["nmt"].details, "lambda1": 1e-2})
    apart = contrast_section({**probes, "nmt": other}, cautions={"nmt": ["Beware."]})
    assert apart.blocks == []
    (advice,) = apart.findings
    assert "rank every model with the same lambda1 and lambda2" in advice
    assert apart.answer.cautions == (*section.answer.cautions, "nmt: Beware.")


def test_importance_compares_orderings_of_one_model_only(curves, rankings) -> None:
    section = importance_section(curves, rankings)
    assert [chart.name for chart in section.charts()] == ["ablation-nlm", "ablation-nmt"]
    assert len(section.findings) == 3


def test_tasks_of_one_model_are_told_apart(make_curve) -> None:
    harder = make_curve("nmt")
    curves = {
        ("nmt", "lca"): make_curve("nmt"),
        ("nmt", "lca BLEU"): make_curve("nmt", "BLEU"),
        ("nmt", "maxcorr"): make_curve("nmt", hurt=2.0),
        ("nmt", "lca hard"): replace(harder, points=harder.points.assign(value=harder.points["value"] * 2)),
        ("nlm", "lca"): make_curve("nlm"),
    }
    report = compose("T", Records(curves=curves))
    assert [chart.name for chart in report.charts()] == [
        "answer-importance",
        *("ablation-nmt-perplexity-1", "ablation-nmt-bleu", "ablation-nmt-perplexity-2", "ablation-nlm"),
    ]
    (section,) = report.sections
    assert len(section.findings) == 5


def test_only_rankings_of_the_same_neurons_overlap(curves, rankings) -> None:
    space = NeuronSpace(("layers.0",), (24,))
    scores = np.arange(24.0)
    elsewhere = replace(rankings[("nlm", "maxcorr")], space=space, order=order_by_score(scores), scores=scores)
    by_key = {**rankings, ("nlm", "one"): replace(elsewhere, n_ranked=24)}
    captions = [table.caption for table in tables_in(importance_section(curves, by_key).blocks)]
    assert [text.split(":")[0] for text in captions if "overlap of the orderings" in text] == ["nlm", "nmt"]
    assert compose("T", Records(by_key, curves))


def test_compose_takes_whatever_there_is(curves, rankings) -> None:
    only_curves = compose("T", Records(curves=curves))
    assert [section.anchor for section in only_curves.sections] == ["importance"]
    report = compose("T", Records({("nlm", "maxcorr"): rankings[("nlm", "maxcorr")]}))
    assert [section.anchor for section in report.sections] == ["correlation-maxcorr", "layers"]


def test_what_flatters_an_accuracy_stands_behind_it(probes) -> None:
    ranking = probes["nlm"]
    leakage = {"known_types": 0.8, "known_sentences": 0.25, "chosen_on_tested": True}
    evaluation = ranking.details["evaluation"] | {"leakage": leakage}
    probe = replace(ranking, details=ranking.details | {"evaluation": evaluation})
    (text,) = probe_section({"nlm": probe}).findings
    assert (
        "comes within 1 point of it. Beware: 25 % of the tested sentences are also training sentences" in text
    )
    assert "word for word. 80 % of the tested words are of types that were trained on" in text
    assert "Beware: the penalties were chosen on the tested words too" in text
    _, second = probe_section({"nlm": probe, "nmt": probe}).findings
    assert second.endswith("comes within 1 point of it. The same cautions apply.")
