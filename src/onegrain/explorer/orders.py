"""Orders of neurons: a ranking or one of its labels, with what other records say of the same order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from onegrain.analyses.neurons.edited import damage_by_count
from onegrain.analyses.questions.damage import damage_unit
from onegrain.errors import MismatchError
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.related import belongs, related
from onegrain.library import ACTIVATIONS
from onegrain.metrics.registry import metric_title
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.records.sweep import Sweep

__all__ = ["EditCurve", "Order", "edit_curves", "model_rankings", "order_of", "ranking_of", "store_of"]

RANKING = "ranking"
BOOTSTRAP = "bootstrap"


@dataclass(frozen=True, eq=False)
class EditCurve:
    """A curve in which the first neurons of an order are edited, more and more of them.

    Attributes:
        record: the name of the curve or sweep.
        kind: ``curve`` or ``sweep``.
        metric: the title of the metric.
        edit: the edit, as text.
        unit: unit of the damage.
        table: see :func:`onegrain.analyses.neurons.edited.damage_by_count`.
    """

    record: str
    kind: str
    metric: str
    edit: str
    unit: str
    table: pd.DataFrame = field(repr=False)


@dataclass(frozen=True, eq=False)
class Order:
    """The order of all neurons of a ranking, or that of one of its labels.

    Attributes:
        entry: the ranking.
        label: the label whose order it is; empty for the ranking's own.
        ranking: the ranking with this order, see :meth:`onegrain.records.ranking.Ranking.label`.
        places: int64 (neurons,), the place of each neuron in the order, from 0, by flat index.
        low, high: float64 (neurons,), the rank interval of each neuron, by flat index; NaN if unknown.
        interval_source: the record and the draws from which the rank intervals are; empty without.
        score_low, score_high: float64 (neurons,), the interval of each neuron's score; NaN if unknown.
        curves: the curves in which the first neurons of this order are edited.
    """

    entry: Entry
    label: str
    ranking: Ranking
    places: Int64[np.ndarray, " neurons"]
    low: Float64[np.ndarray, " neurons"]
    high: Float64[np.ndarray, " neurons"]
    interval_source: str
    score_low: Float64[np.ndarray, " neurons"]
    score_high: Float64[np.ndarray, " neurons"]
    curves: tuple[EditCurve, ...]

    @property
    def name(self) -> str:
        """The title of the ranking, after the label if the order is that of one."""
        return f"{self.label} in {self.entry.title}" if self.label else self.entry.title

    @property
    def finest_curve(self) -> EditCurve | None:
        """The curve that edits the smallest set of first neurons; None without curves."""
        return min(self.curves, key=lambda curve: int(curve.table["neurons"].min()), default=None)


def ranking_of(collection: Collection, name: str) -> Ranking:
    """Return the ranking of a name.

    Raises:
        NotFoundError: no ranking has this name.
    """
    ranking: Ranking = collection.record(name, RANKING)
    return ranking


def model_rankings(collection: Collection, store: Entry, site: str, width: int) -> Iterator[Entry]:
    """Yield the rankings of a store's model that have a site of some width, in the order of their names."""
    for entry, ranking in related(collection, store, RANKING):
        widths = dict(zip(ranking.space.sites, ranking.space.widths, strict=True))
        if widths.get(site) == width and belongs(collection, entry, store):
            yield entry


def order_of(collection: Collection, name: str, label: str = "") -> Order:
    """Return the order of a ranking or of one of its labels; it is made once until the collection changes.

    Raises:
        NotFoundError: no ranking has this name, or it lacks the label.
    """
    ranking = ranking_of(collection, name)
    if label and (label not in ranking.labels or ranking.label_scores is None):
        known = ", ".join(ranking.labels) if ranking.label_scores is not None else ""
        raise NotFoundError(
            f"the ranking {name} has no order for the label {label!r}; it has: {known or 'none'}"
        )
    return collection.derived(f"order\0{name}\0{label}", lambda: _order(collection, name, label))


def _order(collection: Collection, name: str, label: str) -> Order:
    entry, ranking = collection.entry(name, RANKING), ranking_of(collection, name)
    ordered = ranking.label(label) if label else ranking
    low, high, source = np.full(len(ranking), np.nan), np.full(len(ranking), np.nan), ""
    stability = None if label else _stability_of(collection, entry, ranking)
    if stability is not None:
        record, table, level = stability
        indices = table["neuron"].to_numpy(np.int64)
        low[indices], high[indices] = table["low"], table["high"]
        source = f"{record}: the middle {100 * level:g} % of the bootstrap draws of its sentences"
    interval = {} if label else ranking.details.get("interval") or {}
    bounds = [
        np.array([np.nan if value is None else value for value in interval.get(side, [])], dtype=np.float64)
        for side in ("low", "high")
    ]
    if any(bound.shape != (len(ranking),) for bound in bounds):
        bounds = [np.full(len(ranking), np.nan)] * 2
    return Order(
        entry=entry,
        label=label,
        ranking=ordered,
        places=ordered.positions(),
        low=low,
        high=high,
        interval_source=source,
        score_low=bounds[0],
        score_high=bounds[1],
        curves=tuple(edit_curves(collection, entry, ordered.order_hash)),
    )


def _stability_of(
    collection: Collection, entry: Entry, ranking: Ranking
) -> tuple[str, pd.DataFrame, float] | None:
    """Return the stability of this very order: its name, its rows of the bootstrap, and their level."""
    for candidate, stability in related(collection, entry, "stability"):
        if stability.space != ranking.space or stability.method != ranking.method:
            continue
        table = stability.of(BOOTSTRAP)
        if _hash(table["neuron"].to_numpy()) == ranking.order_hash:
            return candidate.title, table, stability.level
    return None


def _hash(order: np.ndarray) -> str:
    return hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()


def edit_curves(collection: Collection, entry: Entry, order_hash: str) -> Iterator[EditCurve]:
    """Yield the curves, those of sweeps too, in which the first neurons of an order of a model are edited."""
    for name, kind, curve in _curves(collection, entry):
        if curve.details.get("order") == order_hash:
            table = damage_by_count(curve)
            if len(table):
                yield EditCurve(
                    record=name,
                    kind=kind,
                    metric=metric_title(curve.metric),
                    edit=str(curve.provenance.parameters.get("edit", "zero")),
                    unit=damage_unit(curve.metric, curve.higher_is_better),
                    table=table,
                )


def _curves(collection: Collection, entry: Entry) -> Iterator[tuple[str, str, Curve]]:
    for candidate, record in related(collection, entry, "curve", "sweep"):
        if candidate.kind == "curve":
            yield candidate.name, candidate.kind, record
        else:
            for curve in _sweep_curves(collection, candidate.name):
                yield candidate.name, candidate.kind, curve


def _sweep_curves(collection: Collection, name: str) -> list[Curve]:
    sweep: Sweep = collection.record(name, "sweep")
    return collection.derived(f"curves\0{name}", lambda: list(sweep.curves().values()))


def store_of(collection: Collection, ranking: Entry, space: NeuronSpace, preferred: str = "") -> Entry | None:
    """Return the store of a ranking's model that has most of its sites; None if no store has any.

    Args:
        collection: the records.
        ranking: the ranking.
        space: its neurons.
        preferred: the name of the store of the page's state, which is taken among equals; may be empty.
    """
    sites = set(zip(space.sites, space.widths, strict=True))
    shared = {}
    for entry, activations in related(collection, ranking, ACTIVATIONS):
        known = activations.space
        count = len(sites & set(zip(known.sites, known.widths, strict=True)))
        if count and belongs(collection, ranking, entry) and _same_model(collection, ranking, entry):
            shared[entry] = (count, entry.name == preferred)
    return max(shared, key=lambda entry: shared[entry], default=None)


def _same_model(collection: Collection, ranking: Entry, store: Entry) -> bool:
    """Return False if a store has latents of another dictionary than a ranking."""
    try:
        ranking_of(collection, ranking.name).provenance.require_same_model(
            ranking.name, collection.store(store.name).provenance, store.name
        )
    except MismatchError:
        return False
    return True
