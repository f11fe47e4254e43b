"""The Curve record: a metric against the number of neurons edited."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import RecordError
from onegrain.records.fields import header_field, require_integers, require_numbers
from onegrain.records.parquet import join_draws, open_table, split_draws, write_table
from onegrain.records.provenance import Provenance

__all__ = ["ALL_LINES", "KEEP", "LINES", "Curve", "share_random"]

LINES = ("top", "bottom", "random")
"""The lines of a curve that edit more and more neurons: the first of a ranking, its last, or random ones."""

KEEP = "keep"
"""The line that edits all but the first neurons of a ranking: do these suffice?"""

ALL_LINES = (*LINES, KEEP)

COLUMNS = ["line", "neurons", "value", "low", "high"]


@dataclass(frozen=True, eq=False, repr=False)
class Curve(Described):
    """A metric of a running model while more and more of its neurons are erased, or edited in another way.

    Attributes:
        metric: the metric's name, e.g. ``perplexity``.
        higher_is_better: True if higher values are better.
        signature: description by which the metric can be computed again (sacrebleu's signature, or the
            definition of perplexity).
        points: one row per measurement: ``line`` (one of ``ALL_LINES``), ``neurons`` (number of neurons
            edited), ``value``, ``low`` and ``high`` (95 % bootstrap interval over sentences; for ``random`` the
            mean over the random orders, with the least and largest of them).
        n_neurons: number of neurons of the ranking.
        details: JSON-able facts of the sweep.
        provenance: provenance of the curve.
        draws: float64 (points, resamples), every point's value in each draw of the bootstrap over sentences;
            for ``random`` the mean over the random orders. All points use the same draws, and so do all curves
            of one metric on one corpus, so that a quantity computed from several points gets its interval from
            them. None if the curve has no draws.
    """

    metric: str
    higher_is_better: bool
    signature: str
    points: pd.DataFrame
    n_neurons: int
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)
    draws: np.ndarray | None = None

    def __post_init__(self) -> None:
        if list(self.points.columns) != COLUMNS:
            raise RecordError(f"a curve has the columns {COLUMNS}, got {list(self.points.columns)}")
        if self.draws is not None and (self.draws.ndim != 2 or len(self.draws) != len(self.points)):
            raise RecordError(f"draws of shape {self.draws.shape} for {len(self.points)} points")
        require_integers("neurons", self.points["neurons"], 0, self.n_neurons)
        require_numbers("a curve", self.points, "value", "low", "high")
        if not all(isinstance(line, str) for line in self.points["line"].unique()):
            raise RecordError("a point of a curve has no name of a line")

    @property
    def intact(self) -> float:
        """The metric of the intact model.

        Raises:
            RecordError: the curve has no point with 0 neurons.
        """
        values = self.points.loc[self.points["neurons"] == 0, "value"]
        if values.empty:
            raise RecordError("the curve has no point with nothing erased")
        return float(values.iloc[0])

    def line(self, name: str) -> pd.DataFrame:
        """Return the rows of one line, by rising number of neurons."""
        return self.points[self.points["line"] == name].sort_values("neurons", ignore_index=True)

    def draws_of(self, name: str) -> np.ndarray:
        """Return the draws of one line, float64 (points, resamples), in the order of :meth:`line`.

        The array is (points, 0) if the curve has no draws.
        """
        rows = self.points[self.points["line"] == name].sort_values("neurons").index
        return np.empty((len(rows), 0)) if self.draws is None else self.draws[rows]

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the points."""
        return self.points.copy()

    def summary(self) -> dict[str, Any]:
        """Return the curve's facts: what was measured, of how many neurons, and its value with none erased."""
        facts = {
            "record": "curve",
            "metric": self.metric,
            "signature": self.signature,
            "neurons": self.n_neurons,
            "intact": self.intact,
            "lines": self.points["line"].unique().tolist(),
        }
        noise = self.details.get("batching_noise")
        return facts if noise is None else facts | {"noise of batching": noise}

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the measured ``points``."""
        return {"points": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "curve",
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "signature": self.signature,
            "n_neurons": self.n_neurons,
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, join_draws(self.points, self.draws), header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Curve:
        """Read a record that :meth:`save` wrote.

        Older files call the column ``neurons`` ``erased``.

        Raises:
            RecordError: the file is missing, damaged, or not a curve.
        """
        with open_table(path, "curve") as (frame, header):
            points, draws = split_draws(frame)
            return cls(
                metric=header_field(header, "metric", str),
                higher_is_better=header_field(header, "higher_is_better", bool),
                signature=header_field(header, "signature", str),
                points=points.rename(columns={"erased": "neurons"}),
                n_neurons=header_field(header, "n_neurons", int),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
                draws=draws,
            )


def share_random(curves: Iterable[Curve]) -> bool:
    """Return True if the random orders of some curves are the same: one curve has them, or all have equal ones.

    Random orders that are matched to the rankings by site differ from curve to curve.
    """
    lines = [line for line in (curve.line("random") for curve in curves) if len(line)]
    return all(line.equals(lines[0]) for line in lines)
