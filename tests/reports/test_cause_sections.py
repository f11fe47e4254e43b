"""The sections on specificity, effects, uniqueness and constants say what their records say."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from onegrain.records.effects import Effects
from onegrain.records.uniqueness import ROUNDS, Uniqueness
from onegrain.reports import Records, compose
from onegrain.reports.sections import (
    constants_section,
    effects_section,
    specificity_section,
    uniqueness_section,
)
from support import records
from support.blocks import tables_in


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.1, 0.3, "hurts its own words more"), (-0.3, -0.1, "less"), (-0.1, 0.3, "beyond doubt")],
)
def test_the_verdict_on_specificity_is_that_of_the_interval(low: float, high: float, words: str) -> None:
    overall = {"contrast": (low + high) / 2, "low": low, "high": high, "p": 0.5}
    contrasts = records.specificity().contrasts.assign(q=[0.01, 0.5], contrast=[0.5, 0.1])
    record = replace(records.specificity(), overall=overall, contrasts=contrasts)
    (finding,) = specificity_section({"nlm": record}).findings
    assert words in finding
    assert "1 of 2 labels hurt their own words more" in finding
    assert ": NOUN." in finding
    assert "For [x] the ranking ranks fewer than 2 neurons" in finding
    assert len(tables_in(specificity_section({"nlm": record}).blocks)) == 2


def effects(total: float, direct: float, low: float, high: float) -> Effects:
    record = records.effects()
    table = record.table.copy()
    first = table["site"] == "all"
    table.loc[first, ["total", "direct", "mediated"]] = [total, direct, total - direct]
    table.loc[first, ["mediated_low", "mediated_high"]] = [low, high]
    return replace(record, table=table)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (effects(0.5, 0.2, 0.1, 0.5), "add to the damage"),
        (effects(0.2, 0.8, -0.7, -0.5), "repair 75 % of the direct damage"),
        (effects(0.2, 0.3, -0.3, 0.1), "neither add to it nor repair it beyond doubt"),
        (effects(-0.4, -0.1, -0.4, -0.2), "lower the loss further"),
    ],
)
def test_the_role_of_the_layers_above(record: Effects, words: str) -> None:
    (finding,) = effects_section({"m": record}).findings
    assert words in finding


def rounds(accuracies: list[float], rests: list[float]) -> Uniqueness:
    rows = [
        (
            number,
            50 - 2 * number,
            2,
            accuracy,
            0.0,
            1.0,
            0.9 - accuracy,
            0.0,
            1.0,
            accuracy >= 0.89,
            rest,
            0.0,
            1.0,
        )
        for number, (accuracy, rest) in enumerate(zip(accuracies, rests, strict=True), start=1)
    ]
    record = records.uniqueness()
    details = {**record.details, "removed": [[0, 1]] * len(rows)}
    space = replace(record.space, widths=(30, 20))
    return replace(record, space=space, rounds=pd.DataFrame(rows, columns=ROUNDS), details=details)


@pytest.mark.parametrize(
    ("accuracies", "rests", "words"),
    [
        ([0.5, 0.4], [0.9, 0.9], "do not suffice"),
        ([0.9, 0.4], [0.5, 0.4], "the property is there and nowhere else"),
        ([0.9, 0.4], [0.895, 0.4], "the property is not there alone"),
        ([0.9, 0.9, 0.4], [0.9, 0.9, 0.4], "2 sets suffice"),
        ([0.9, 0.9], [0.9, 0.9], "at least 2 sets suffice"),
        ([0.9], [0.9], "at least 1 set suffices"),
    ],
)
def test_the_verdict_on_uniqueness(accuracies: list[float], rests: list[float], words: str) -> None:
    (finding,) = uniqueness_section({"m": rounds(accuracies, rests)}).findings
    assert words in finding


@pytest.mark.parametrize(("first", "flattered"), [(0.5, False), (0.9, True)])
def test_a_number_of_neurons_that_was_sought_in_vain_flatters_nothing(first: float, flattered: bool) -> None:
    record = rounds([first, 0.4], [0.9, 0.9])
    record = replace(record, details={**record.details, "chosen_k": True})
    (finding,) = uniqueness_section({"m": record}).findings
    assert ("flatters the first round" in finding) == flattered
    assert ("no number of first neurons up to 2 suffices" in finding) != flattered


def test_the_share_that_is_done_by_the_value_zero() -> None:
    (finding,) = constants_section({"m": records.statistics()}).findings
    assert "75 % of what zero does" in finding
    assert "limit of steps" not in finding
    details = {**records.statistics().details, "converged": False}
    (finding,) = constants_section({"m": replace(records.statistics(), details=details)}).findings
    assert "limit of steps" in finding


def test_constants_that_fit_the_model_to_the_text_are_named() -> None:
    record = records.statistics()
    losses = {**record.details["losses"], "optimal": record.details["losses"]["intact"] - 0.1}
    (finding,) = constants_section(
        {"m": replace(record, details={**record.details, "losses": losses})}
    ).findings
    assert "-0.1000" in finding
    assert "they also fit the model to this text" in finding


def test_a_report_has_a_section_for_each() -> None:
    key = ("m", "x")
    report = compose(
        "T",
        Records(
            specificities={key: records.specificity()},
            effects={key: records.effects()},
            constants={key: records.statistics()},
            uniquenesses={key: records.uniqueness()},
        ),
    )
    assert [section.anchor for section in report.sections] == [
        "specificity",
        "effects",
        "constants",
        "uniqueness",
    ]
