"""The Evaluation record: the accuracy of a probe on the neurons that rankings put first and last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import MismatchError, ParameterError, RecordError
from onegrain.records.curve import LINES
from onegrain.records.fields import header_field, require_integers, require_numbers, require_values
from onegrain.records.leakage import leakage_cautions
from onegrain.records.parquet import join_draws, open_table, split_draws, write_table
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["KINDS", "Evaluation"]

KINDS = ("masking", "retraining")
"""Masking sets all other neurons to zero in the probe of all; retraining fits a new probe to the kept ones."""

POINTS = ["kind", "ranking", "keep", "order", "neurons", "accuracy", "low", "high"]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Described):
    """Accuracy of a probe with the top, bottom and random neurons of several rankings, on the same words.

    Attributes:
        layer: the label layer.
        space: the neurons.
        methods: name of a ranking -> its method.
        points: one row per measurement: ``kind`` (``KINDS``), ``ranking`` (its name; None for a random order,
            which all rankings share), ``keep`` (one of the ``LINES`` of a curve: the kind of neurons that are
            kept), ``order`` (the number of the random order; 0 for the others), ``neurons`` (how many are
            kept), ``accuracy`` (from 0 to 1), ``low`` and ``high`` (95 % bootstrap interval over sentences).
        draws: float64 (points, resamples), the accuracy in each draw of the sentences; all points share the
            draws, so a figure computed from several points gets its interval from them.
        provenance: provenance of the record; its inputs are the training words, the tested words and the
            other words that were given, then the rankings.
        details: JSON-able facts: ``majority`` (accuracy of the commonest training label), ``full`` (of the
            probe with all neurons: ``accuracy``, ``low``, ``high``), ``probe`` (its kind and how it was
            fitted), ``orders`` (name of a ranking -> hash of its order), ``measured`` (number of different sets
            of neurons, by kind), ``train`` and ``test`` (``words``, ``sentences``, ``left_out``), ``labels``,
            ``seen`` (name of a ranking -> how it depends on the tested words, if it does), ``leakage`` (what
            training and tested words share, see records/leakage.py).
    """

    layer: str
    space: NeuronSpace
    methods: Mapping[str, str]
    points: pd.DataFrame
    draws: np.ndarray
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.points.columns) != POINTS:
            raise RecordError(f"an evaluation has the columns {POINTS}, got {list(self.points.columns)}")
        if self.draws.ndim != 2 or len(self.draws) != len(self.points):
            raise RecordError(f"draws of shape {self.draws.shape} for {len(self.points)} points")
        require_values("kind", self.points["kind"], KINDS)
        require_values("keep", self.points["keep"], LINES)
        require_values("ranking", self.points["ranking"], (*self.methods, None))
        require_integers("neurons", self.points["neurons"], 0, self.space.size)
        require_numbers("an evaluation", self.points, "order", "accuracy", "low", "high")

    @property
    def cautions(self) -> list[str]:
        """Sentences on what weakens the evaluation: rankings made from the tested words, and shared words."""
        seen = [f"Beware: {name} {what}." for name, what in self.details.get("seen", {}).items()]
        return seen + leakage_cautions(self.details.get("leakage"))

    @property
    def names(self) -> tuple[str, ...]:
        """The rankings, in the order in which they were given."""
        return tuple(self.methods)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those of ``KINDS`` that were measured."""
        return tuple(kind for kind in KINDS if (self.points["kind"] == kind).any())

    def line(self, kind: str, keep: str, ranking: str | None = None) -> pd.DataFrame:
        """Return one line by rising number of neurons: ``neurons``, ``accuracy``, ``low``, ``high``.

        A random line is the mean over the random orders, with the interval of that mean.

        Raises:
            ParameterError: there is no such line.
        """
        rows, draws = self._rows(kind, keep, ranking)
        mean = rows.groupby("neurons", sort=True)["accuracy"].mean()
        line = pd.DataFrame({"neurons": mean.index.to_numpy(), "accuracy": mean.to_numpy()})
        if keep != "random":
            ordered = rows.sort_values("neurons")
            return line.assign(low=ordered["low"].to_numpy(), high=ordered["high"].to_numpy())
        low, high = np.quantile(self._by_count(rows, draws), [0.025, 0.975], axis=1)
        return line.assign(low=low, high=high)

    def draws_of(self, kind: str, keep: str, ranking: str | None = None) -> np.ndarray:
        """Return the draws of one line, float64 (points, resamples), in the order of :meth:`line`."""
        return self._by_count(*self._rows(kind, keep, ranking))

    def require_rankings(self, rankings: Mapping[str, Ranking]) -> None:
        """Raise MismatchError unless each of these rankings was evaluated here."""
        for name, ranking in rankings.items():
            if self.details["orders"].get(name) != ranking.order_hash:
                names = ", ".join(self.names)
                raise MismatchError(
                    f"the evaluation is not of this ranking {name!r} ({ranking.method}); it is of: {names}; "
                    "evaluate the rankings that you compare"
                )

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of ``points``."""
        return self.points.copy()

    def summary(self) -> dict[str, Any]:
        """Return the evaluation's facts: the rankings, the probe, and its accuracy with all neurons."""
        facts = {
            "record": "evaluation",
            "label layer": self.layer,
            "rankings": list(self.names),
            "neurons": self.space.describe(),
            "probe": self.details["probe"]["probe"],
            "tested words": self.details["test"]["words"],
            "accuracy": self.details["full"]["accuracy"],
            "majority": self.details["majority"],
        }
        return facts | ({"caution": " ".join(self.cautions)} if self.cautions else {})

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the measured ``points``."""
        return {"points": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "evaluation",
            "layer": self.layer,
            "space": self.space.to_json(),
            "methods": [list(pair) for pair in self.methods.items()],
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, join_draws(self.points, self.draws), header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Evaluation:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or no evaluation.
        """
        with open_table(path, "evaluation") as (frame, header):
            points, draws = split_draws(frame)
            if draws is None:
                raise RecordError(f"{path} holds an evaluation without its draws; it is damaged")
            methods = dict(header_field(header, "methods", list))
            if not all(isinstance(text, str) for pair in methods.items() for text in pair):
                raise RecordError("'methods' are not pairs of texts")
            return cls(
                layer=header_field(header, "layer", str),
                space=NeuronSpace.from_json(header_field(header, "space", dict)),
                methods=methods,
                points=points,
                draws=draws,
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
            )

    def _rows(self, kind: str, keep: str, ranking: str | None) -> tuple[pd.DataFrame, np.ndarray]:
        of_ranking = self.points["ranking"].isna() if ranking is None else self.points["ranking"] == ranking
        chosen = (of_ranking & (self.points["kind"] == kind) & (self.points["keep"] == keep)).to_numpy()
        if not chosen.any():
            raise ParameterError(
                f"the evaluation has no {keep} line of {kind}{f' for {ranking!r}' if ranking else ''}; it has "
                f"{', '.join(self.kinds)} of {', '.join(self.points['keep'].unique())} neurons, for "
                f"{', '.join(self.names)}"
            )
        return self.points[chosen], self.draws[chosen]

    @staticmethod
    def _by_count(rows: pd.DataFrame, draws: np.ndarray) -> np.ndarray:
        """Return the mean of the draws over the orders, by rising number of neurons."""
        counts = rows["neurons"].to_numpy()
        return np.stack([draws[counts == count].mean(axis=0) for count in np.unique(counts)])
