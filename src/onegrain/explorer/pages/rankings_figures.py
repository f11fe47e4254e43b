"""The figures of an order of neurons, and the neurons of it that a table shows."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from onegrain.core.patterns import match_sites
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.orders import EditCurve, Order
from onegrain.reports.rendering.drawings import Bars, IntervalRow, Intervals, Sparkline
from onegrain.reports.rendering.numbers import number as shown_number

__all__ = ["order_figures", "selected_neurons", "sorted_neurons"]

POINTS = 160
MOST_SITES = 24
SHARE = 10.0
MOST_CURVES = 3


def selected_neurons(order: Order, low: float, high: float, site: str) -> Int64[np.ndarray, " selected"]:
    """Return the flat indices of neurons that pass filters, in the order.

    Args:
        order: the order.
        low: leave out the first per cent.
        high: leave out what follows this per cent.
        site: patterns of sites, separated by spaces or commas; all sites if empty.

    Raises:
        ModelError: a pattern matches no site.
    """
    size = len(order.ranking)
    first, last = (int(np.ceil(size * share / 100 - 1e-9)) for share in (low, high))
    chosen = order.ranking.order[first:last]
    if not site:
        return chosen
    space = order.ranking.space
    mask = np.zeros(size, dtype=bool)
    for name in match_sites(space.sites, [part for part in site.replace(",", " ").split() if part]):
        mask[space.slice(name)] = True
    return chosen[mask[chosen]]


def sorted_neurons(order: Order, chosen: np.ndarray, sort: str) -> Int64[np.ndarray, " selected"]:
    """Return selected neurons by a column; those without a value come last."""
    name, sign = sort.removeprefix("-"), -1.0 if sort.startswith("-") else 1.0
    keys = {
        "rank": order.places[chosen].astype(np.float64),
        "neuron": chosen.astype(np.float64),
        "score": order.ranking.scores[chosen],
        "interval": order.high[chosen] - order.low[chosen],
    }[name]
    return chosen[np.argsort(np.where(np.isnan(keys), np.inf, sign * keys), kind="stable")]


def order_figures(
    order: Order, chosen: np.ndarray, shares: tuple[float, float], *, is_filtered: bool
) -> list[Figure]:
    """Return the figures of an order: its scores, the sites of its neurons, and what editing the first does.

    Args:
        order: the order.
        chosen: int64, the flat indices that pass the filters.
        shares: the per cent of the order at which the filters begin and end.
        is_filtered: True if only some sites pass.
    """
    figures = [_scores(order), _sites(order, chosen, shares, is_filtered=is_filtered)]
    return figures + [_effects(curve, order, number) for number, curve in enumerate(order.curves[:MOST_CURVES])]


def _scores(order: Order) -> Figure:
    """Return the scores by rank, at evenly spaced ranks."""
    ranking = order.ranking
    scores = ranking.scores[ranking.order]
    known = np.flatnonzero(np.isfinite(scores))
    spread = np.linspace(0, max(0, len(known) - 1), min(POINTS, len(known))).round()
    ranks = known[np.unique(spread.astype(np.int64))]
    missing = len(scores) - len(known)
    ends = [shown_number(scores[rank]) for rank in (ranks[0], ranks[-1])] if len(ranks) else ["–", "–"]
    caption = (
        f"Scores from {ends[0]} at rank 1 to {ends[1]} at rank {len(known):,}"
        + (f", at {len(ranks)} evenly spaced ranks" if len(ranks) < len(known) else "")
        + (f"; {missing:,} neurons have no finite score" if missing else "")
        + "."
    )
    table = FigureTable.of(("rank", "score"), [(rank + 1, scores[rank]) for rank in ranks.tolist()])
    return Figure("scores", "Scores by rank", Sparkline(tuple(scores[ranks].tolist())), table, caption)


def _sites(order: Order, chosen: np.ndarray, shares: tuple[float, float], *, is_filtered: bool) -> Figure:
    """Return the number of neurons of each site: of the percentiles that are shown, else of the first tenth."""
    ranking = order.ranking
    if shares == (0.0, 100.0):
        first = int(np.ceil(len(ranking) * SHARE / 100))
        limited = ranking.order[:first]
        chosen = limited[np.isin(limited, chosen)] if is_filtered else limited
        what = f"the first {SHARE:g} % of the order ({first:,} neurons)"
    else:
        what = f"the order from {shares[0]:g} to {shares[1]:g} % ({len(chosen):,} neurons)"
    counts = {site: len(units) for site, units in ranking.space.by_site(chosen).items()}
    rows = [(site, counts.get(site, 0)) for site in ranking.space.sites if counts.get(site) or not is_filtered]
    drawn = rows
    caption = f"How many of {what} each site has."
    if len(rows) > MOST_SITES:
        most = {site for site, _ in sorted(rows, key=lambda row: -row[1])[:MOST_SITES]}
        drawn = [row for row in rows if row[0] in most]
        caption += f" The {MOST_SITES} sites with most are drawn; the table has all."
    drawing = Bars(tuple((site, float(count)) for site, count in drawn), unit="neurons")
    return Figure("sites", "Neurons by site", drawing, FigureTable.of(("site", "neurons"), rows), caption)


def _effects(curve: EditCurve, order: Order, number: int) -> Figure:
    """Return the damage of editing more and more of the order's first neurons, beside random ones."""
    table, rows = curve.table, []
    for row in table.itertuples():
        rows.append(IntervalRow(f"first {row.neurons:,}", row.damage, row.low, row.high))
        if np.isfinite(row.random):
            rows.append(IntervalRow("random", row.random, row.random_low, row.random_high, soft=True))
    orders = int(table["random_orders"].max())
    caption = (
        f"Damage to {curve.metric} in {curve.unit} when the first neurons of {order.name} are edited together "
        f"({curve.edit}), with 95 % intervals over sentences where the record has draws"
        + (
            f"; in grey as many random neurons: the mean of {orders} orders, from the least to the largest"
            if orders
            else ""
        )
        + f". From {curve.record}."
    )
    columns = ("neurons", "damage", "low", "high", "random", "random least", "random largest")
    values = table[["neurons", "damage", "low", "high", "random", "random_low", "random_high"]]
    return Figure(
        f"damage-{number + 1}",
        f"Editing the first neurons ({curve.edit}): {curve.metric}",
        Intervals(tuple(rows), unit=curve.unit, reference=0.0),
        FigureTable.of(columns, values.itertuples(index=False, name=None)),
        caption,
    )
