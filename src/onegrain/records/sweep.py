"""The Sweep record: several metrics of a model under several edits of the neurons of several rankings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import ParameterError, RecordError
from onegrain.records.curve import ALL_LINES, Curve
from onegrain.records.fields import header_field, require_integers, require_numbers, require_values
from onegrain.records.parquet import join_draws, open_table, split_draws, write_table
from onegrain.records.provenance import Provenance

__all__ = ["COLUMNS", "Setting", "Sweep", "order_name"]

SETTING = ["ranking", "label", "metric", "edit"]
COLUMNS = [*SETTING, "line", "order", "neurons", "value", "low", "high"]
MOST_NEURONS = 2**40

Setting = tuple[str, str | None, str, str]
"""Ranking, label (None for the ranking's own order), metric and edit: what one curve of a sweep is of."""


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Described):
    """Metrics of a running model while more and more neurons are edited: many curves, measured together.

    Attributes:
        points: one row per measurement: ``ranking``, ``label`` (None for the ranking's own order, else the
            label whose order it is), ``metric``, ``edit`` (as text), ``line`` (one of ``ALL_LINES``), ``order``
            (number of the random order, else 0), ``neurons`` (number of neurons edited), ``value``, ``low`` and
            ``high`` (95 % bootstrap interval over sentences).
        sizes: the number of neurons of each ranking.
        metrics: facts of each metric by its name in the sweep: ``metric`` (its registered name),
            ``higher_is_better``, ``signature``, ``n_sentences``.
        provenance: what the sweep was made from; its inputs begin with those of the rankings, in order.
        details: JSON-able facts: the hashes of the ``orders``, how random orders were matched, ...
        draws: float64 (points, resamples), every point's value in each draw of the bootstrap over sentences.
            All points of one metric use the same draws, so that differences of points are taken within each.
            None if the metrics have no draws.
    """

    points: pd.DataFrame
    sizes: Mapping[str, int]
    metrics: Mapping[str, Mapping[str, Any]]
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)
    draws: np.ndarray | None = None

    def __post_init__(self) -> None:
        if list(self.points.columns) != COLUMNS:
            raise RecordError(f"a sweep has the columns {COLUMNS}, got {list(self.points.columns)}")
        if not len(self.points):
            raise RecordError("a sweep has no point")
        object.__setattr__(self, "points", self.points.reset_index(drop=True))
        if self.draws is not None and (self.draws.ndim != 2 or len(self.draws) != len(self.points)):
            raise RecordError(f"draws of shape {self.draws.shape} for {len(self.points)} points")
        require_values("column 'ranking' of a sweep", self.points["ranking"], tuple(self.sizes))
        require_values("column 'metric' of a sweep", self.points["metric"], tuple(self.metrics))
        require_values("column 'line' of a sweep", self.points["line"], ALL_LINES)
        if not all(isinstance(edit, str) for edit in self.points["edit"].unique()):
            raise RecordError("a point of a sweep has no edit")
        require_numbers("a sweep", self.points, "value", "low", "high")
        require_integers("orders of a sweep", self.points["order"], 0, MOST_NEURONS)
        for name, size in self.sizes.items():
            of_ranking = self.points["ranking"] == name
            require_integers(f"neurons of {name!r}", self.points.loc[of_ranking, "neurons"], 0, size)
        for name, facts in self.metrics.items():
            for key, kind in (("metric", str), ("higher_is_better", bool), ("signature", str)):
                if not isinstance(facts, Mapping) or not isinstance(facts.get(key), kind):
                    raise RecordError(f"metric {name!r} of a sweep has no {key!r}")

    @property
    def rankings(self) -> tuple[str, ...]:
        """The names of the rankings."""
        return tuple(self.sizes)

    @property
    def edits(self) -> tuple[str, ...]:
        """The edits, as text."""
        return tuple(dict.fromkeys(self.points["edit"]))

    @property
    def labels(self) -> tuple[str | None, ...]:
        """The labels whose orders were used; None stands for the rankings' own orders."""
        return tuple(dict.fromkeys(_label(value) for value in self.points["label"]))

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines."""
        return tuple(line for line in ALL_LINES if (self.points["line"] == line).any())

    def settings(self) -> list[Setting]:
        """Return every ranking, label, metric and edit that has points, in order."""
        rows = self.points[SETTING].drop_duplicates().itertuples(index=False, name=None)
        return [(ranking, _label(label), metric, edit) for ranking, label, metric, edit in rows]

    def curve(
        self,
        ranking: str | None = None,
        *,
        label: str | None = None,
        metric: str | None = None,
        edit: str | None = None,
    ) -> Curve:
        """Return the curve of one ranking, metric and edit, with the mean of the random orders as one line.

        Args:
            ranking: name of the ranking; may be left out if there is only one, like the others.
            label: the label whose order was used; None for the ranking's own order or the only label.
            metric: name of the metric.
            edit: the edit, as text.

        Raises:
            ParameterError: the sweep has no such curve, or several; the message lists what it has.
        """
        wanted = (ranking, label, metric, edit)
        fitting = [
            setting
            for setting in self.settings()
            if all(want in (None, have) for want, have in zip(wanted, setting, strict=True))
        ]
        if label is None and None in {setting[1] for setting in fitting}:
            fitting = [setting for setting in fitting if setting[1] is None]
        if len(fitting) != 1:
            listed = "; ".join(_named(setting) for setting in (fitting or self.settings())[:10])
            raise ParameterError(f"{'several curves' if fitting else 'no curve'} of this sweep: {listed}")
        return self._curve(fitting[0])

    def curves(self) -> dict[Setting, Curve]:
        """Return every curve by its ranking, label, metric and edit."""
        return {setting: self._curve(setting) for setting in self.settings()}

    def rows(self, setting: Setting) -> np.ndarray:
        """Return the positions of the points of one ranking, label, metric and edit, int64."""
        ranking, label, metric, edit = setting
        points = self.points
        labels = points["label"].isna() if label is None else points["label"] == label
        fits = (points["ranking"] == ranking) & labels & (points["metric"] == metric) & (points["edit"] == edit)
        return np.flatnonzero(fits.to_numpy())

    def random_curves(self, setting: Setting) -> list[Curve]:
        """Return a curve of each random order of one ranking, label, metric and edit."""
        points = self.points.iloc[self.rows(setting)]
        numbers = sorted(points.loc[points["line"] == "random", "order"].unique())
        return [self._curve(setting, int(number)) for number in numbers]

    def _curve(self, setting: Setting, order: int | None = None) -> Curve:
        """Return one curve; with ``order``, of that random order only."""
        ranking, label, metric, edit = setting
        points = self.points.iloc[self.rows(setting)]
        if order is not None:
            points = points[(points["line"] == "random") & (points["order"] == order)]
        rows, draws, values = [], [], []
        for line in ALL_LINES:
            of_line = points[points["line"] == line]
            for neurons in sorted(of_line["neurons"].unique()):
                group = of_line[of_line["neurons"] == neurons]
                bounds = (group["low"].iloc[0], group["high"].iloc[0])
                if line == "random":
                    bounds = (group["value"].min(), group["value"].max())
                    values.append(group.sort_values("order")["value"].tolist())
                rows.append((line, int(neurons), float(group["value"].mean()), *map(float, bounds)))
                if self.draws is not None:
                    draws.append(self.draws[group.index].mean(axis=0))
        facts = self.metrics[metric]
        details: dict[str, Any] = {"n_sentences": facts.get("n_sentences")}
        details |= {"order": self._order_hash(ranking, label)} if self._order_hash(ranking, label) else {}
        details |= {name: facts[name] for name in ("batching_noise", "dtype") if name in facts}
        details |= {"random_values": [list(order) for order in zip(*values, strict=True)]} if values else {}
        return Curve(
            metric=str(facts["metric"]),
            higher_is_better=bool(facts["higher_is_better"]),
            signature=str(facts["signature"]),
            points=pd.DataFrame(rows, columns=["line", "neurons", "value", "low", "high"]),
            n_neurons=self.sizes[ranking],
            provenance=self._provenance(ranking, label, metric, edit),
            details=details,
            draws=np.stack(draws) if draws else None,
        )

    def _order_hash(self, ranking: str, label: str | None) -> str | None:
        orders = self.details.get("orders")
        return orders.get(order_name(ranking, label)) if isinstance(orders, Mapping) else None

    def _provenance(self, ranking: str, label: str | None, metric: str, edit: str) -> Provenance:
        """Return the provenance of a curve: that of the sweep, of one ranking, metric and edit."""
        place = list(self.sizes).index(ranking)
        chosen = {"metric": metric, "edit": edit} | ({"label": label} if label is not None else {})
        parameters = {k: v for k, v in self.provenance.parameters.items() if k not in ("edits", "labels")}
        inputs = self.provenance.inputs[place : place + 1] + self.provenance.inputs[len(self.sizes) :]
        return self.provenance.model_copy(update={"parameters": {**parameters, **chosen}, "inputs": inputs})

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the points."""
        return self.points.copy()

    def summary(self) -> dict[str, Any]:
        """Return the sweep's facts: what was measured under which edits, and the intact model's values."""
        intact = self.points[self.points["neurons"] == 0].drop_duplicates("metric").set_index("metric")["value"]
        return {
            "record": "sweep",
            "rankings": [f"{name} ({size} neurons)" for name, size in self.sizes.items()],
            "labels": [label for label in self.labels if label is not None],
            "metrics": [f"{name} ({value:.4g} intact)" for name, value in intact.items()],
            "edits": list(self.edits),
            "lines": list(self.lines),
            "measurements": len(self.points),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the measured ``points``."""
        return {"points": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "sweep",
            "sizes": dict(self.sizes),
            "metrics": {name: dict(facts) for name, facts in self.metrics.items()},
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        # the header's keys are sorted in the file, so the order of the names is kept apart
        names = {"rankings": list(self.sizes), "metric_names": list(self.metrics)}
        write_table(path, join_draws(self.points, self.draws), {**header, **names}, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Sweep:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or not a sweep.
        """
        with open_table(path, "sweep") as (frame, header):
            points, draws = split_draws(frame)
            sizes, metrics = (header_field(header, key, dict) for key in ("sizes", "metrics"))
            names, metric_names = (header_field(header, key, list) for key in ("rankings", "metric_names"))
            if not all(type(size) is int for size in sizes.values()):
                raise RecordError("'sizes' are not numbers of neurons")
            return cls(
                points=points.assign(label=[_label(value) for value in points["label"]]),
                sizes=dict(_in_order(sizes, names)),
                metrics=dict(_in_order(metrics, metric_names)),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
                draws=draws,
            )


def order_name(ranking: str, label: str | None) -> str:
    """Return the name of an order in a sweep's ``details``."""
    return ranking if label is None else f"{ranking} / {label}"


def _in_order(values: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    if sorted(values) != sorted(map(str, names)):
        raise RecordError("the names of the rankings or metrics do not match their facts")
    return ((name, values[name]) for name in names)


def _label(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _named(setting: Setting) -> str:
    ranking, label, metric, edit = setting
    return (
        f"ranking={ranking!r}" + (f", label={label!r}" if label else "") + f", metric={metric!r}, edit={edit!r}"
    )
