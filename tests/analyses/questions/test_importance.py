from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from onegrain.analyses.questions.damage import damage
from onegrain.analyses.questions.importance import half_lost, task_importance
from onegrain.errors import MismatchError, ParameterError
from onegrain.records.curve import Curve
from onegrain.records.provenance import ModelIdentity, Provenance


def curve(metric: str = "bleu", weight: str = "w", **lines: list[float]) -> Curve:
    """A curve over 100 neurons whose lines are measured at 0, 25, 50, ... erased."""
    rows = [
        (line, 25 * step, value, value - 1, value + 1)
        for line, values in lines.items()
        for step, value in enumerate(values)
    ]
    model = ModelIdentity(id="m", architecture="a", weight_hash=weight)
    points = pd.DataFrame(rows, columns=["line", "neurons", "value", "low", "high"])
    return Curve(metric, metric == "bleu", "s", points, 100, Provenance(stage="ablate", model=model))


def test_damage_is_positive_harm_in_both_directions() -> None:
    better = curve(top=[30.0, 10.0])
    worse = curve("perplexity", top=[20.0, 40.0])
    assert damage(better, np.array([30.0, 10.0])).tolist() == [0, 20]
    np.testing.assert_allclose(damage(worse, np.array([20.0, 40.0, 10.0])), [0, np.log(2), -np.log(2)])


def test_half_lost_interpolates() -> None:
    record = curve(top=[30.0, 20.0, 10.0], bottom=[30.0, 29.0, 28.0])
    assert half_lost(record, "top") == pytest.approx(37.5)
    assert np.isnan(half_lost(record, "bottom"))
    doubled = curve("perplexity", top=[10.0, 10 * 2**0.5, 20.0])
    assert half_lost(doubled, "top") == pytest.approx(50)


def test_areas_against_hand_computed_trapezoids() -> None:
    importance = task_importance(
        {"lca": curve(top=[20.0, 0.0, 0.0], bottom=[20.0, 20.0, 10.0], random=[20.0, 15, 10.0])}
    )
    areas = importance.summary.set_index("line")["area"]
    assert importance.until == 0.5
    assert areas["top"] == pytest.approx(15.0)
    assert areas["bottom"] == pytest.approx(2.5)
    assert areas["random"] == pytest.approx(5.0)
    assert importance.gaps.iloc[0][["top_minus_bottom", "top_minus_random"]].tolist() == pytest.approx(
        [12.5, 10.0]
    )


def test_a_planted_ordering_beats_a_useless_one() -> None:
    good = curve("perplexity", top=[10.0, 90.0, 200.0], bottom=[10.0, 10.0, 11.0])
    useless = curve("perplexity", top=[10.0, 30.0, 60.0], bottom=[10.0, 31.0, 59.0])
    gaps = task_importance({"good": good, "useless": useless}).gaps.set_index("ordering")["top_minus_bottom"]
    assert gaps["good"] > 0.5
    assert abs(gaps["useless"]) < 0.02


def test_reversing_top_and_bottom_flips_the_sign() -> None:
    gap = task_importance({"a": curve(top=[9.0, 3, 1], bottom=[9.0, 8, 6])}).gaps["top_minus_bottom"].iloc[0]
    two = task_importance({"a": curve(top=[9.0, 8, 6], bottom=[9.0, 3, 1])}).gaps["top_minus_bottom"].iloc[0]
    assert gap == pytest.approx(-two)
    assert gap > 0


def test_shares_are_read_only_where_something_was_measured() -> None:
    table = task_importance({"a": curve(top=[9.0, 3, 1])}, (0.05, 0.2, 0.25, 0.5, 1.0)).at_shares
    assert table["share"].tolist() == [0.2, 0.25, 0.5]
    assert table["erased"].tolist() == [25, 25, 50]
    assert table["damage"].tolist() == [6, 6, 8]


def test_lines_of_different_length_are_compared_on_the_common_part() -> None:
    importance = task_importance({"a": curve(top=[10.0, 5, 5, 5]), "b": curve(top=[10.0, 5])})
    assert importance.until == 0.25
    assert importance.summary["area"].tolist() == pytest.approx([2.5, 2.5])


def test_refusals() -> None:
    base = curve(top=[9.0, 3])
    with pytest.raises(ParameterError, match="no curve"):
        task_importance({})
    with pytest.raises(ParameterError, match="shares"):
        task_importance({"a": base}, (0.0,))
    with pytest.raises(MismatchError, match="different metrics"):
        task_importance({"a": base, "b": curve("perplexity", top=[9.0, 30.0])})
    with pytest.raises(MismatchError, match="different models"):
        task_importance({"a": base, "b": curve(weight="other", top=[9.0, 3])})
    with pytest.raises(MismatchError, match="nothing erased"):
        task_importance({"a": base, "b": curve(top=[8.0, 3])})
    with pytest.raises(ParameterError, match="more than one point"):
        task_importance({"a": curve(top=[9.0])})
    with pytest.raises(ParameterError, match="not finite"):
        task_importance({"a": curve("perplexity", top=[9.0, np.inf])})
    with pytest.raises(ParameterError, match="above 0"):
        task_importance({"a": curve("perplexity", top=[9.0, 0.0])})


def test_a_curve_measured_at_none_of_the_shares_has_no_rows_there() -> None:
    importance = task_importance({"lca": curve(top=[20.0, 0.0])}, shares=[0.6])
    assert list(importance.at_shares.columns) == [
        "ordering", "line", "share", "erased", "value", "low", "high", "damage",
    ]  # fmt: skip
    assert len(importance.at_shares) == 0
