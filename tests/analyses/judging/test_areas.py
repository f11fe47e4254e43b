"""Areas under curves: against hand-made trapezoids in every draw, on the common part, and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from onegrain.analyses import ablation_areas, kept_areas
from onegrain.errors import MismatchError, ParameterError
from onegrain.records.curve import Curve
from onegrain.records.evaluation import Evaluation
from onegrain.records.provenance import ModelIdentity, Provenance
from onegrain.records.space import NeuronSpace

DRAWS = 40
COUNTS = (1, 4, 16, 100)


def evaluation(seed: int = 0, random_orders: int = 3) -> Evaluation:
    """Accuracies of two rankings drawn at random, with draws around them."""
    rng = np.random.default_rng(seed)
    lines = [(name, keep, 0) for name in ("a", "b") for keep in ("top", "bottom")]
    lines += [(None, "random", number) for number in range(random_orders)]
    rows = [("masking", *line, count) for line in lines for count in COUNTS]
    frame = pd.DataFrame(rows, columns=["kind", "ranking", "keep", "order", "neurons"])
    draws = rng.random((len(frame), DRAWS))
    frame = frame.assign(accuracy=draws.mean(axis=1), low=draws.min(axis=1), high=draws.max(axis=1))
    space = NeuronSpace(("s",), (100,))
    return Evaluation("upos", space, {"a": "lca", "b": "std"}, frame, draws, Provenance(stage="evaluate"))


def trapezoid(places: list[float], values: np.ndarray) -> float:
    area = 0.0
    for segment in range(len(places) - 1):
        area += (places[segment + 1] - places[segment]) * (values[segment] + values[segment + 1]) / 2
    return area / (places[-1] - places[0])


def curve(
    metric: str = "bleu",
    neurons: int = 100,
    erased: tuple[int, ...] = (0, 25, 50),
    seed: int = 0,
    **lines: list,
) -> Curve:
    """A curve whose draws are its values times a factor a draw and, beyond the intact model, a point."""
    rng = np.random.default_rng(99)
    common = rng.uniform(0.9, 1.1, size=DRAWS)
    noise = np.random.default_rng(seed)
    rows, draws = [], []
    for line, values in lines.items():
        for count, value in zip(erased, values, strict=True):
            rows.append((line, count, value, value - 1, value + 1))
            draws.append(value * common * (noise.uniform(0.95, 1.05, size=DRAWS) if count else 1.0))
    model = ModelIdentity(id="m", architecture="a", weight_hash="w")
    points = pd.DataFrame(rows, columns=["line", "neurons", "value", "low", "high"])
    provenance = Provenance(stage="ablate", model=model)
    return Curve(metric, metric == "bleu", "s", points, neurons, provenance, draws=np.array(draws))


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_areas_of_an_evaluation_against_trapezoids_in_every_draw(scale: str) -> None:
    record = evaluation()
    places = [float(np.log(n)) if scale == "log" else float(n) for n in COUNTS]
    kept = kept_areas(record, scale=scale, level=0.9)

    def values(name: str | None, keep: str) -> list[float]:
        """The area of the accuracies, then that of every draw, of random orders the mean."""
        of_ranking = record.points["ranking"].isna() if name is None else record.points["ranking"] == name
        chosen = record.points[of_ranking & (record.points["keep"] == keep)]
        areas = []
        for _, rows in chosen.groupby("order"):
            table = np.column_stack([rows["accuracy"], record.draws[rows.index]])
            areas.append([trapezoid(places, column) for column in table.T])
        return np.mean(areas, axis=0).tolist()

    for name, keep in (("a", "top"), ("b", "bottom"), (None, "random")):
        point, *drawn = values(name, keep)
        expected = [point, *np.quantile(drawn, [0.05, 0.95])]
        assert kept.of("masking", name, keep) == pytest.approx(tuple(expected), rel=1e-9)
    a, b = np.array(values("a", "top")), np.array(values("b", "top"))
    row = kept.differences.iloc[0]
    assert row[["kind", "first", "second"]].tolist() == ["masking", "a", "b"]
    bounds = np.quantile((a - b)[1:], [0.05, 0.95])
    assert row[["difference", "low", "high"]].tolist() == pytest.approx([a[0] - b[0], *bounds], rel=1e-9)
    gap = kept.gaps.set_index(["ranking", "against"]).loc[("a", "random")]
    drawn = a - np.array(values(None, "random"))
    assert gap[["gap", "low", "high"]].tolist() == pytest.approx(
        [drawn[0], *np.quantile(drawn[1:], [0.05, 0.95])]
    )


def test_a_constant_curve_has_its_value_as_area_and_one_point_its_own() -> None:
    record = evaluation()
    flat = Evaluation(
        **{
            **vars(record),
            "points": record.points.assign(accuracy=0.25),
            "draws": np.full_like(record.draws, 0.25),
        }
    )
    assert kept_areas(flat).table["area"].tolist() == pytest.approx([0.25] * 5)
    rows = record.points["neurons"] == 4
    single = Evaluation(
        **{**vars(record), "points": record.points[rows].reset_index(drop=True), "draws": record.draws[rows]}
    )
    assert kept_areas(single).of("masking", "a")[0] == single.line("masking", "top", "a")["accuracy"][0]


def test_equal_rankings_differ_by_nothing_in_any_draw() -> None:
    record = evaluation()
    points, draws = record.points.copy(), record.draws.copy()
    a, b = (np.flatnonzero(points["ranking"] == name) for name in ("a", "b"))
    points.loc[b, "accuracy"] = points.loc[a, "accuracy"].to_numpy()
    draws[b] = draws[a]
    same = kept_areas(Evaluation(**{**vars(record), "points": points, "draws": draws}))
    assert same.differences[["difference", "low", "high"]].to_numpy().tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("metric", ["bleu", "perplexity"])
def test_areas_of_ablation_against_damage_in_every_draw(metric: str) -> None:
    curves = {
        "a": curve(metric, top=[30.0, 20.0, 12.0], random=[30.0, 28.0, 24.0]),
        "b": curve(metric, seed=1, top=[30.0, 29.0, 27.0], bottom=[30.0, 14.0, 11.0]),
    }
    ablated = ablation_areas(curves)

    def areas(name: str, line: str) -> np.ndarray:
        rows = curves[name].points["line"] == line
        table = np.column_stack([curves[name].points["value"], curves[name].draws])[rows]
        harm = table[0] - table if metric == "bleu" else np.log(table / table[0])
        return np.array([trapezoid([0.0, 0.25, 0.5], column) for column in harm.T])

    for name, line in (("a", "top"), ("b", "top"), ("b", "bottom")):
        point, *drawn = areas(name, line)
        assert ablated.of("ablation", name, line) == pytest.approx((point, *np.quantile(drawn, [0.025, 0.975])))
    difference = areas("a", "top") - areas("b", "top")
    row = ablated.differences.iloc[0]
    assert row[["difference", "low", "high"]].tolist() == pytest.approx(
        [difference[0], *np.quantile(difference[1:], [0.025, 0.975])]
    )
    against = ablated.gaps.set_index(["ranking", "against"])["gap"]
    assert against["b", "random"] == pytest.approx(areas("b", "top")[0] - areas("a", "random")[0])
    assert against["b", "bottom"] == pytest.approx(areas("b", "top")[0] - areas("b", "bottom")[0])


def test_curves_are_compared_on_the_part_that_all_reach() -> None:
    curves = {"a": curve(top=[30.0, 20.0, 10.0]), "b": curve(erased=(0, 20), top=[30.0, 22.0])}
    ablated = ablation_areas(curves)
    assert ablated.of("ablation", "a")[0] == pytest.approx(trapezoid([0.0, 0.2], np.array([0.0, 8.0])))
    assert ablated.of("ablation", "b")[0] == pytest.approx(4.0)


def test_the_log_scale_of_an_ablation_begins_at_the_first_neurons_erased() -> None:
    ablated = ablation_areas({"a": curve(erased=(0, 10, 20, 80), top=[30.0, 20.0, 16.0, 10.0])}, scale="log")
    places = [float(np.log(n)) for n in (10, 20, 80)]
    assert ablated.of("ablation", "a")[0] == pytest.approx(trapezoid(places, np.array([10.0, 14.0, 20.0])))


def test_a_curve_without_draws_has_areas_without_intervals() -> None:
    old = Curve(**{**vars(curve(top=[30.0, 20.0, 12.0])), "draws": None})
    ablated = ablation_areas({"old": old, "new": curve(top=[30.0, 25.0, 20.0])})
    area, low, high = ablated.of("ablation", "old")
    assert area == pytest.approx(9.5)
    assert np.isnan([low, high]).all()
    assert np.isfinite(ablated.of("ablation", "new")).all()
    assert ablated.differences["difference"].tolist() == pytest.approx([9.5 - 5.0])
    assert ablated.differences[["low", "high"]].isna().all(axis=None)


def test_refusals() -> None:
    base = curve(top=[30.0, 20.0, 12.0])
    with pytest.raises(ParameterError, match="scale must be one of log, linear"):
        kept_areas(evaluation(), scale="square")
    with pytest.raises(ParameterError, match="level"):
        ablation_areas({"a": base}, level=1.0)
    with pytest.raises(ParameterError, match="no curve"):
        ablation_areas({})
    with pytest.raises(ParameterError, match="one point alone"):
        ablation_areas({"a": curve(erased=(0,), top=[30.0])})
    with pytest.raises(ParameterError, match="two numbers of neurons above none"):
        ablation_areas({"a": curve(erased=(0, 10), top=[30.0, 20.0])}, scale="log")
    with pytest.raises(MismatchError, match="different metrics"):
        ablation_areas({"a": base, "b": curve("perplexity", top=[30.0, 40.0, 50.0])})
    other = Curve(**{**vars(base), "draws": base.draws[:, ::-1]})
    with pytest.raises(MismatchError, match="draw the sentences of the bootstrap differently"):
        ablation_areas({"a": base, "b": other})
