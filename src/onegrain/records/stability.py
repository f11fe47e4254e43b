"""The Stability record: how a ranking changes when its sentences do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import ParameterError, RecordError
from onegrain.records.fields import header_field, require_integers, require_numbers, require_values
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["KINDS", "Stability", "neuron_frame", "summary_frame"]

KINDS = ("bootstrap", "halves", "seeds")
"""Kinds of draws: as many sentences as there are, with replacement; two random halves of them; or other seeds
of a method that takes random steps, on the same sentences. Every record has the first two."""

NEURONS = ["draws", "rank", "neuron", "site", "unit", "median", "low", "high", "ranked"]
SUMMARY = ["draws", "label", "k", "jaccard", "phi", "low", "high", "size"]


@dataclass(frozen=True, eq=False, repr=False)
class Stability(Described):
    """The similarity of a ranking to those that its method makes from other draws of the sentences.

    A neuron that the method does not rank in a draw (without a weight, or without a score) is in no top set,
    and all such neurons share their middle rank.

    Attributes:
        method: the ranking's method.
        space: the neurons.
        neurons: one row per neuron and kind of draws (``KINDS``), each by rising ``rank``: ``draws``
            (the kind), ``rank`` (its place in the ranking itself, from 1), ``neuron`` (flat index), ``site``,
            ``unit``, ``median``, ``low`` and ``high`` (median rank over the draws, and the ranks between which
            the middle ``level`` of them lie: a spread over draws of one corpus, not a confidence interval),
            ``ranked`` (share of the draws in which the method ranks it), and for each k ``top:k`` (share of the
            draws in which it is among the first k).
        likeness: one row per kind, label and k: ``draws``, ``label`` (None: the order of all neurons), ``k``,
            ``jaccard`` (mean overlap of two top sets), ``phi``, ``low`` and ``high`` (stability corrected for
            chance, with its interval over more draws of the same sentences; see core/selection.py),
            ``size`` (mean number of neurons in a top set: less than k if fewer are ranked). For
            ``bootstrap`` and ``seeds`` every pair of draws is compared; for ``halves`` the two halves of each
            split, which share no sentence. Neurons that never change are not counted.
        correlations: ``spearman`` and ``kendall`` for each kind, the mean over the same pairs.
        level: share of the draws, or of repeated sets of draws, between ``low`` and ``high``.
        details: JSON-able facts: ``orders`` (their number), ``redrawn``, and ``not_converged`` and
            ``largest_gap`` (of the probes' relative duality gaps; None without probes or penalties) by kind,
            ``sentences``, ``words`` and ``constant`` neurons.
        provenance: provenance of the record.
    """

    method: str
    space: NeuronSpace
    neurons: pd.DataFrame
    likeness: pd.DataFrame
    correlations: Mapping[str, Mapping[str, float]]
    level: float
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.neurons.columns[: len(NEURONS)]) != NEURONS:
            raise RecordError(f"stability has the columns {NEURONS}, got {list(self.neurons.columns)}")
        if list(self.likeness.columns) != SUMMARY:
            raise RecordError(f"a summary has the columns {SUMMARY}, got {list(self.likeness.columns)}")
        if self.kinds not in (KINDS[:2], KINDS):
            raise RecordError(f"stability has the draws {', '.join(KINDS)}, got {', '.join(self.kinds)}")
        if len(self.neurons) != len(self.kinds) * self.space.size:
            raise RecordError(
                f"{len(self.neurons)} rows for {self.space.size} neurons and {len(self.kinds)} kinds"
            )
        if not all(isinstance(row, Mapping) for row in self.correlations.values()):
            raise RecordError("the correlations are not those of kinds of draws")
        require_values("draws", self.neurons["draws"], KINDS)
        require_values("draws of the summary", self.likeness["draws"], KINDS)
        require_integers("neuron", self.neurons["neuron"], 0, self.space.size - 1)
        require_integers("rank", self.neurons["rank"], 1, self.space.size)
        require_integers("k", self.likeness["k"], 1, self.space.size)
        require_numbers("stability", self.neurons, "unit", *self.neurons.columns[5:])
        require_numbers("a summary", self.likeness, *SUMMARY[3:])

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those of ``KINDS`` that were drawn: ``seeds`` only for a method that takes random steps."""
        return tuple(self.correlations)

    @property
    def ks(self) -> tuple[int, ...]:
        """The sizes of top sets, ascending."""
        return tuple(int(name.removeprefix("top:")) for name in self.neurons.columns[len(NEURONS) :])

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels whose own orders ``likeness`` describes."""
        return tuple(dict.fromkeys(label for label in self.likeness["label"] if label is not None))

    def of(self, kind: str) -> pd.DataFrame:
        """Return one row per neuron for one kind of draws, by rising rank in the ranking."""
        rows = self.neurons[self.neurons["draws"] == self._require_kind(kind)]
        return rows.drop(columns="draws").reset_index(drop=True)

    def at(self, kind: str, label: str | None = None) -> pd.DataFrame:
        """Return one row per size of top set for one kind of draws: of the whole ranking, or of a label's."""
        if label is not None and label not in self.labels:
            raise ParameterError(f"no label {label!r}; the labels are: {', '.join(self.labels)}")
        same = self.likeness["label"].isna() if label is None else self.likeness["label"] == label
        rows = self.likeness[same & (self.likeness["draws"] == self._require_kind(kind))]
        return rows.drop(columns=["draws", "label"]).reset_index(drop=True)

    def _require_kind(self, kind: str) -> str:
        if kind not in self.kinds:
            raise ParameterError(f"no draws {kind!r}; they are {', '.join(self.kinds)}")
        return kind

    def summary(self) -> dict[str, Any]:
        """Return the facts: what was drawn how often, and the largest duality gap of probes."""
        facts: dict[str, Any] = {
            "record": "stability",
            "method": self.method,
            "labels": list(self.labels),
            "neurons": self.space.describe(),
            "level": self.level,
        }
        for name in ("orders", "redrawn", "not_converged"):
            counts = self.details[name]
            if name == "orders" or any(counts.values()):
                facts[name.replace("_", " ")] = [f"{count} {kind}" for kind, count in counts.items()]
        gaps = [gap for gap in self.details["largest_gap"].values() if gap is not None]
        return facts | ({"largest gap": f"{max(gaps):.1e}"} if gaps else {})

    def to_pandas(self) -> pd.DataFrame:
        """Return ``neurons``, one row per neuron and kind of draws, as a copy."""
        return self.neurons.copy()

    def tables(self, label: str | None = None) -> dict[str, pd.DataFrame]:
        """Return the likeness of top sets for each kind of draws, and the ``neurons`` of the bootstrap."""
        return {kind: self.at(kind, label) for kind in self.kinds} | {"neurons": self.of(KINDS[0])}

    def _first_rows(self, rows: int) -> tuple[pd.DataFrame, int]:
        of_all = self.likeness[self.likeness["label"].isna()].drop(columns="label")
        return of_all.head(rows), len(of_all)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "stability",
            "method": self.method,
            "space": self.space.to_json(),
            "summary": self.likeness.astype(object).where(self.likeness.notna(), None).to_numpy().tolist(),
            "correlations": {kind: dict(by_draw) for kind, by_draw in self.correlations.items()},
            "level": self.level,
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, self.neurons, header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Stability:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or no stability.
        """
        with open_table(path, "stability") as (frame, header):
            return cls(
                method=header_field(header, "method", str),
                space=NeuronSpace.from_json(header_field(header, "space", dict)),
                neurons=frame,
                likeness=summary_frame(header_field(header, "summary", list)),
                correlations=header_field(header, "correlations", dict),
                level=header_field(header, "level", float),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
            )


def neuron_frame(ranking: Ranking, columns: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Return the table of neurons, from one array (neurons,) per column, by flat index, for each kind."""
    sites, units = ranking.space.columns()
    order = ranking.order
    parts = [
        pd.DataFrame(
            {
                "draws": np.full(len(order), kind, dtype=object),
                "rank": np.arange(1, len(order) + 1),
                "neuron": order,
                "site": np.array(sites, dtype=object)[order],
                "unit": units[order],
                **{name: values[order] for name, values in columns[kind].items()},
            }
        )
        for kind in columns
    ]
    return pd.concat(parts, ignore_index=True)


def summary_frame(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return the table of likenesses from its rows; None becomes NaN in a column of numbers."""
    types = {"draws": object, "label": object, "k": np.int64}
    columns = zip(*rows, strict=True) if rows else [()] * len(SUMMARY)
    return pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=types.get(name, np.float64))
            for name, column in zip(SUMMARY, columns, strict=True)
        }
    )
