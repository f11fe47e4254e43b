"""The Ranking record: the order of all neurons, and of all neurons for each label."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
import pandas as pd

from onegrain.core.describing import Described
from onegrain.core.ordering import order_by_score
from onegrain.errors import LabelError, ParameterError, RecordError
from onegrain.records.fields import header_field, require_integers, texts
from onegrain.records.leakage import leakage_cautions
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import Provenance
from onegrain.records.ranking_table import (
    partner_columns,
    ranking_frame,
    require_frame,
    scores_by_index,
    scores_by_label,
)
from onegrain.records.space import NeuronSpace

__all__ = ["Ranking"]


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(Described):
    """All neurons of a space in an order, best first, and how the order was made.

    Attributes:
        method: the registered name of the method, e.g. ``lca``.
        space: the neurons that are ranked.
        order: int64 (neurons,), flat indices, best first; a permutation.
        scores: float64 (neurons,), by flat index; NaN if the method has no score for a neuron.
        n_ranked: the number of neurons that the method ranks, the first of the order. The others follow: by how
            close each was to being ranked if the method knows it (``slopes``), else in an order drawn from the
            seed. Neurons of equal score are in an order drawn from the seed, never in index order.
        layer: the label layer, or None for an unsupervised method.
        labels: the labels (sorted), or empty.
        label_scores: float64 (labels, neurons), by flat index; each label's order sorts by them, descending.
        weights: float64 (labels, neurons), the signed weights of a probe, or None.
        slopes: float64 (labels, neurons), the size of the loss's gradient by each weight, or None; it sorts
            neurons of equal score in a label's order, descending.
        details: JSON-able facts of the method: grids, accuracies, cut-offs.
        provenance: provenance of the ranking.
    """

    method: str
    space: NeuronSpace
    order: np.ndarray
    scores: np.ndarray
    n_ranked: int
    provenance: Provenance
    layer: str | None = None
    labels: tuple[str, ...] = ()
    label_scores: np.ndarray | None = None
    weights: np.ndarray | None = None
    slopes: np.ndarray | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = self.space.size
        if self.order.shape != (size,) or not np.array_equal(np.sort(self.order), np.arange(size)):
            raise RecordError(f"the order is not a permutation of the {size} neurons")
        if self.scores.shape != (size,):
            raise RecordError(f"{self.scores.size} scores for {size} neurons")
        for name in ("label_scores", "weights", "slopes"):
            table = getattr(self, name)
            if table is not None and table.shape != (len(self.labels), size):
                raise RecordError(
                    f"{name} of shape {table.shape} for {len(self.labels)} labels, {size} neurons"
                )

    @classmethod
    def by_scores(
        cls, method: str, space: NeuronSpace, scores: np.ndarray, provenance: Provenance, **more: Any
    ) -> Ranking:
        """Return the ranking that sorts neurons by their scores, descending.

        Neurons of equal score are in an order drawn from the provenance's seed. Neurons without a score (NaN)
        come last, in an order drawn in the same way, and are not ranked.

        Args:
            method: the name of the method.
            space: the neurons.
            scores: float64 (neurons,), by flat index.
            provenance: provenance of the ranking.
            more: the other attributes.
        """
        ranked = int((~np.isnan(scores)).sum())
        order = order_by_score(scores, provenance.seed or 0)
        return cls(method, space, order, scores, ranked, provenance, **more)

    def __len__(self) -> int:
        return self.space.size

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """Return the neuron at a place of the order (0 is the best) as ``site:unit``, or a list for a slice."""
        if isinstance(place, slice):
            return [self.space.name(int(index)) for index in self.order[place]]
        return self.space.name(int(self.order[place]))

    def top(self, k: int = 10) -> list[str]:
        """Return the first k neurons of the order, as ``site:unit``."""
        return [self.space.name(int(index)) for index in self.order[:k]]

    def bottom(self, k: int = 10) -> list[str]:
        """Return the last k neurons of the order, the very last first, as ``site:unit``.

        Where fewer neurons are ranked than there are, these are unranked ones.
        """
        return [self.space.name(int(index)) for index in self.order[::-1][:k]]

    def label(self, name: str) -> Ranking:
        """Return the ranking of the neurons for one label, by that label's scores.

        Neurons of equal score are sorted by ``slopes``, and those of equal slope are in an order drawn from the
        seed and the label's name, so that the last neurons of two labels are not the same by chance. The
        neurons whose score is neither 0 nor NaN are ranked.

        Raises:
            LabelError: the ranking has no such label; the message lists its labels.
        """
        if self.label_scores is None or name not in self.labels:
            labels = ", ".join(self.labels) or "none: the method has no labels"
            raise LabelError(f"no label {name!r} in this {self.method} ranking; its labels are: {labels}")
        row = self.labels.index(name)
        scores = self.label_scores[row]
        slopes = None if self.slopes is None else self.slopes[row]
        return Ranking(
            method=self.method,
            space=self.space,
            order=order_by_score(scores, self.provenance.seed or 0, then=slopes, stream=name),
            scores=scores,
            n_ranked=int(np.count_nonzero(np.nan_to_num(scores, nan=0.0))),
            provenance=self.provenance,
            layer=self.layer,
            labels=(name,),
            label_scores=scores[None, :],
            weights=None if self.weights is None else self.weights[row : row + 1],
            slopes=None if slopes is None else slopes[None, :],
        )

    @property
    def order_hash(self) -> str:
        """SHA-256 (hex) of the order, by which curves and evaluations identify it."""
        return hashlib.sha256(self.order.astype("<i8").tobytes()).hexdigest()

    def positions(self) -> np.ndarray:
        """Return the place of each neuron in the order, from 0, by flat index: int64 (neurons,)."""
        places = np.empty(self.space.size, dtype=np.int64)
        places[self.order] = np.arange(self.space.size)
        return places

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per neuron, best first: rank (from 1), neuron, site, unit, score, scores by label."""
        tables = {"score": self.label_scores, "weight": self.weights, "slope": self.slopes}
        return ranking_frame(self.space, self.order, self.scores, self.labels, tables)

    def summary(self) -> dict[str, Any]:
        """Return the facts: method, labels, neurons, the first five, and how its probe did, with cautions.

        ``accuracy`` is that of the method's own probe on held-out words, with its 95 % interval over sentences,
        and ``majority`` that of always answering with the most frequent label.
        """
        facts = {
            "record": "ranking",
            "method": self.method,
            "label layer": self.layer,
            "labels": list(self.labels),
            "neurons": self.space.describe(),
            "ranked": self.n_ranked,
        }
        evaluation = self.details.get("evaluation")
        facts["top"] = self.top(5)
        if not isinstance(evaluation, Mapping):
            return facts
        full = evaluation.get("full") or {}
        if "accuracy" in full:
            facts["accuracy"] = full["accuracy"]
            facts |= {"95 % interval": [full["low"], full["high"]]} if "low" in full else {}
            facts["majority"] = evaluation["majority"]
        cautions = leakage_cautions(evaluation.get("leakage"))
        return facts | ({"caution": " ".join(cautions)} if cautions else {})

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the ``neurons``, best first, with their partners in other models if the ranking names them.

        A partner is written ``MODEL/SITE:UNIT``, models counted from 1.
        """
        frame = self.to_pandas()[["rank", "neuron", "site", "unit", "score"]]
        return {"neurons": frame.assign(**partner_columns(self.details, self.order))}

    def _first_rows(self, rows: int) -> tuple[pd.DataFrame, int]:
        first = self.order[:rows]
        table = {"rank": range(1, len(first) + 1), "neuron": self[:rows], "score": self.scores[first]}
        return pd.DataFrame(table), self.space.size

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "ranking",
            "method": self.method,
            "space": self.space.to_json(),
            "n_ranked": self.n_ranked,
            "layer": self.layer,
            "labels": list(self.labels),
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, self.to_pandas, header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ranking:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or no ranking.
        """
        with open_table(path, "ranking") as (frame, header):
            space = NeuronSpace.from_json(header_field(header, "space", dict))
            order = frame["neuron"].to_numpy()
            require_integers("column 'neuron'", order, 0, space.size - 1)
            labels = texts(header, "labels")
            ranking = cls(
                method=header_field(header, "method", str),
                space=space,
                order=order.astype(np.int64),
                scores=scores_by_index(frame, order, "score"),
                n_ranked=header_field(header, "n_ranked", int),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                layer=header_field(header, "layer", str, type(None)),
                labels=labels,
                label_scores=scores_by_label(frame, order, "score", labels),
                weights=scores_by_label(frame, order, "weight", labels),
                slopes=scores_by_label(frame, order, "slope", labels),
                details=header_field(header, "details", dict),
            )
            if not 0 <= ranking.n_ranked <= space.size:
                raise RecordError(f"n_ranked is {ranking.n_ranked}, but there are {space.size} neurons")
            require_frame(frame, ranking.to_pandas())
            return ranking

    def require_k(self, k: int) -> int:
        """Return k if 1 <= k <= neurons, else raise ParameterError."""
        if not 1 <= k <= self.space.size:
            raise ParameterError(f"k must be from 1 to {self.space.size}, got {k}")
        return k
