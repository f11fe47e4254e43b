"""The effect of editing a neuron: the smallest edited set with it in every record, beside random neurons."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onegrain.analyses.neurons.edited import smallest_set
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.orders import Order, model_rankings, order_of
from onegrain.explorer.related import related
from onegrain.records.effects import ALL

__all__ = ["EditEvidence", "edit_evidence"]


@dataclass(frozen=True)
class EditEvidence:
    """The effect of editing a set of neurons with a neuron in it.

    Attributes:
        record: the name of the record.
        kind: ``curve``, ``sweep``, ``specificity``, ``effects`` or ``control``.
        order: the ranking, and the label if it is that of one; empty if the record names the neurons.
        edit: the edit, as text.
        measure: what was measured.
        neurons: number of neurons that were edited together, the first of the order.
        rank: the place of the neuron among them, from 1; None if the record names the neurons.
        effect: the measured effect, positive for damage (in a control record, the share of cases that
            succeed).
        low, high: its interval; None if unknown.
        random: the mean effect of as many random neurons of the same sites, or of any if the record matched
            none; None if it measured none.
        random_low, random_high: the least and largest of the random sets, or an interval of about one more
            set; None if unknown.
        unit: unit of all these numbers.
    """

    record: str
    kind: str
    order: str
    edit: str
    measure: str
    neurons: int
    rank: int | None
    effect: float
    low: float | None
    high: float | None
    random: float | None
    random_low: float | None
    random_high: float | None
    unit: str


def edit_evidence(
    collection: Collection, store: Entry, site: str, unit: int, width: int
) -> tuple[EditEvidence, ...]:
    """Return what the records of a model say of editing one of its neurons, the smallest sets first.

    Of each curve, only the smallest measured set that holds the neuron is given.
    """
    rankings = list(model_rankings(collection, store, site, width))
    orders = [order_of(collection, entry.name) for entry in rankings]
    rows = [
        *_from_curves([*orders, *_label_orders(collection, store, orders)], site, unit),
        *_from_specificities(collection, store, orders, site, unit),
        *_from_effects(collection, store, orders, site, unit),
        *_from_controls(collection, store, f"{site}:{unit}"),
    ]
    return tuple(sorted(rows, key=lambda row: row.neurons))


def _label_orders(collection: Collection, store: Entry, orders: list[Order]) -> Iterator[Order]:
    """Yield the orders of labels that sweeps edit."""
    labels: dict[str, None] = {}
    for _, sweep in related(collection, store, "sweep"):
        labels |= dict.fromkeys(label for label in sweep.labels if label is not None)
    for order in orders:
        for label in labels:
            if order.ranking.label_scores is not None and label in order.ranking.labels:
                yield order_of(collection, order.entry.name, label)


def _from_curves(orders: list[Order], site: str, unit: int) -> Iterator[EditEvidence]:
    for order in orders:
        rank = int(order.places[order.ranking.space.index(site, unit)]) + 1
        for curve in order.curves:
            row = smallest_set(curve.table, rank)
            if row is not None:
                yield EditEvidence(
                    record=curve.record,
                    kind=curve.kind,
                    order=order.name,
                    edit=curve.edit,
                    measure=curve.metric,
                    neurons=int(row["neurons"]),
                    rank=rank,
                    effect=float(row["damage"]),
                    **_bounds(row["low"], row["high"], row["random"], row["random_low"], row["random_high"]),
                    unit=curve.unit,
                )


def _from_specificities(
    collection: Collection, store: Entry, orders: list[Order], site: str, unit: int
) -> Iterator[EditEvidence]:
    """Yield the damage to a label's own words where the neuron is among the label's edited neurons."""
    for entry, record in related(collection, store, "specificity"):
        order = next((o for o in orders if o.ranking.order_hash == record.details.get("order")), None)
        if order is None or order.ranking.label_scores is None:
            continue
        index = order.ranking.space.index(site, unit)
        for cell in record.cells.itertuples():
            if cell.edited != cell.predicted or cell.edited not in order.ranking.labels:
                continue
            label_order = order_of(collection, order.entry.name, cell.edited)
            rank = int(label_order.places[index]) + 1
            if rank <= record.k:
                yield EditEvidence(
                    record=entry.name,
                    kind=entry.kind,
                    order=label_order.name,
                    edit=record.edit,
                    measure=f"loss of words with {cell.predicted}",
                    neurons=record.k,
                    rank=rank,
                    effect=float(cell.damage),
                    **_bounds(
                        cell.damage_low, cell.damage_high, cell.random, cell.random_low, cell.random_high
                    ),
                    unit="nats per word",
                )


def _from_effects(
    collection: Collection, store: Entry, orders: list[Order], site: str, unit: int
) -> Iterator[EditEvidence]:
    """Yield the total effect of editing a ranking's first neurons if the neuron is one of them."""
    for entry, record in related(collection, store, "effects"):
        order = next((o for o in orders if o.ranking.order_hash == record.details.get("order")), None)
        if order is None:
            continue
        rank = int(order.places[order.ranking.space.index(site, unit)]) + 1
        if rank <= record.k:
            top, random = record.at("top", ALL), record.at("random", ALL)
            yield EditEvidence(
                record=entry.name,
                kind=entry.kind,
                order=order.name,
                edit=record.edit,
                measure="loss, total effect",
                neurons=record.k,
                rank=rank,
                effect=float(top["total"]),
                **_bounds(
                    top["total_low"],
                    top["total_high"],
                    random["total"],
                    random["total_low"],
                    random["total_high"],
                ),
                unit="nats per subword",
            )


def _from_controls(collection: Collection, store: Entry, name: str) -> Iterator[EditEvidence]:
    """Yield how often setting a set of neurons with this one changes a property of translations."""
    for entry, record in related(collection, store, "control"):
        if name not in record.neurons["top"]:
            continue
        table = record.comparison()
        best = table.loc[table["success"].idxmax()]
        yield EditEvidence(
            record=entry.name,
            kind=entry.kind,
            order="",
            edit=f"set towards {record.wanted}, beta {best['beta']:g}",
            measure=f"translations that show {record.layer} {record.wanted} in place of {record.value}",
            neurons=record.k,
            rank=None,
            effect=float(best["success"]),
            **_bounds(best["low"], best["high"], best["random"], best["random_least"], best["random_most"]),
            unit="share of cases",
        )


def _bounds(low: float, high: float, random: float, least: float, largest: float) -> dict[str, Any]:
    """Return the bounds and the numbers of random neurons by name, None in place of NaN."""
    names = ("low", "high", "random", "random_low", "random_high")
    values = (low, high, random, least, largest)
    return {
        name: None if math.isnan(value) else float(value) for name, value in zip(names, values, strict=True)
    }
