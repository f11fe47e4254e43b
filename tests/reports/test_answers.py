"""The first screen: one answer for each of the four questions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onegrain.analyses import contrast, localisation, sharing, task_importance
from onegrain.core.bootstrap import bootstrap_interval
from onegrain.reports import Records, compose
from onegrain.reports.sections import (
    contrast_section,
    importance_section,
    localisation_section,
    sharing_section,
)


def test_localisation_gives_the_mean_over_labels_with_its_interval(probes) -> None:
    answer = localisation_section(probes).answer
    effective = localisation(probes["nlm"])["effective"].to_numpy()
    low, high = bootstrap_interval(effective)
    assert float(answer.value) == pytest.approx(effective.mean(), rel=0.01)
    bounds = answer.interval.split("]")[0].removeprefix("[").split(", ")
    assert [float(bound) for bound in bounds] == pytest.approx([low, high], rel=0.01)
    assert "of 40 in nlm" in answer.unit


def test_sharing_is_judged_against_random_sets(probes) -> None:
    result = sharing(probes["nlm"], 3)
    exclusive = float((result.neurons["labels_n"] == 1).mean())
    answer = sharing_section({"nlm": probes["nlm"]}, 3).answer
    assert answer.value == f"{100 * exclusive:.0f} %"
    scores = np.zeros((5, 40))
    scores[:, :3] = 1.0
    assert sharing_section({"m": replace(probes["nlm"], label_scores=scores)}, 3).answer.verdict.startswith(
        "Neurons are shared: fewer are exclusive"
    )


def test_models_are_compared_at_equal_penalties_only(probes) -> None:
    answer = contrast_section(probes).answer
    shares = contrast(probes).summary.set_index("model")["effective_share"]
    assert float(answer.value) == pytest.approx(100 * abs(shares["nlm"] - shares["nmt"]), abs=0.06)
    assert answer.chart is not None
    other = replace(probes["nmt"], details={**probes["nmt"].details, "lambda1": 1e-2})
    section = contrast_section({**probes, "nmt": other})
    assert section.answer.value == ""
    assert "cannot be compared" in section.answer.verdict
    assert "nmt at λ₁ = 0.01" in section.answer.verdict
    assert section.charts() == []


def test_importance_is_the_gap_of_areas_between_top_and_random(make_curve) -> None:
    curve = make_curve("m")
    gap = task_importance({"lca": curve}).gaps["top_minus_random"].iloc[0]
    answer = importance_section({("m", "lca"): curve}).answer
    assert float(answer.value) == pytest.approx(gap, rel=0.01)
    assert answer.verdict.startswith(
        "They do: erasing the first neurons of lca hurts m more than erasing random"
    )
    assert answer.interval == ""
    assert any("no interval" in caution for caution in answer.cautions)
    harmless = importance_section({("m", "lca"): make_curve("m", hurt=0.2)}).answer
    assert "does not hurt m more" in harmless.verdict


def test_what_weakens_a_probe_stands_beside_the_verdict(probes) -> None:
    ranking = probes["nlm"]
    leakage = {"known_types": 0.8, "known_sentences": 0.25, "chosen_on_tested": True}
    evaluation = {**ranking.details["evaluation"], "leakage": leakage, "majority": 0.99}
    probe = replace(ranking, details={**ranking.details, "evaluation": evaluation})
    report = compose("T", Records({("nlm", "lca"): probe}))
    (answer, _) = (section.answer for section in report.sections if section.answer is not None)
    assert answer.cautions == (
        "The probe is no better than the commonest label.",
        "25 % of the tested sentences were trained on.",
        "The penalties were chosen on the tested words.",
    )
    screen = report.html().split('id="answers"')[1].split("<section")[0]
    assert all(caution in screen for caution in answer.cautions)


def test_each_question_has_one_answer_above_the_sections(rankings, curves) -> None:
    report = compose("T", Records(rankings, curves))
    text = report.html()
    screen = text.split('id="answers"')[1].split("<section")[0]
    assert screen.count("<article") == 4
    assert screen.count("<svg") == 4
    for anchor in ("localisation", "sharing", "contrast", "importance"):
        assert f'href="#{anchor}"' in screen
    sentences = [finding for section in report.sections for finding in section.findings]
    assert all(text.count(finding) <= 1 for finding in sentences if "&" not in finding and "'" not in finding)
