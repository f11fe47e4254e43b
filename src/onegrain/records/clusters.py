"""The Clusters record: groups of correlated neurons, and a representative of each group."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from onegrain.core.describing import Described
from onegrain.errors import ParameterError, RecordError
from onegrain.records.fields import header_field, require_integers
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["Clusters"]

COLUMNS = ["neuron", "site", "unit", "cluster", "size", "mean_correlation", "medoid"]


@dataclass(frozen=True, eq=False, repr=False)
class Clusters(Described):
    """A partition of neurons into clusters whose members are correlated.

    Attributes:
        space: the space that the flat indices in ``neurons`` refer to.
        neurons: int64 (neurons,), the flat indices that were clustered, ascending.
        numbers: int64 (neurons,), the cluster of each; clusters are numbered from 0 by their lowest member.
        mean_correlation: float64 (neurons,), the mean absolute correlation of each with the other members of
            its cluster (the mean correlation where ``signed``); NaN for a neuron alone.
        medoids: int64 (clusters,), the flat index of each cluster's member with the highest mean correlation;
            among members that are equal to nine decimals, the lowest index.
        linkage: ``average``, ``complete`` or ``single``.
        threshold: the distance up to which clusters were joined.
        signed: True if the distance is 1 - r, False if it is 1 - abs(r), for which opposite neurons are close.
        provenance: provenance of the record.
        details: JSON-able facts: ``words``, ``left_out`` by reason, ``constant`` neurons (each a cluster of its
            own).
    """

    space: NeuronSpace
    neurons: Int64[np.ndarray, " neurons"]
    numbers: Int64[np.ndarray, " neurons"]
    mean_correlation: Float64[np.ndarray, " neurons"]
    medoids: Int64[np.ndarray, " clusters"]
    linkage: str
    threshold: float
    signed: bool
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.neurons, self.numbers, self.mean_correlation)}
        if shapes != {(len(self.neurons),)} or not len(self.neurons):
            raise RecordError(f"clusters need one number and one correlation per neuron, got shapes {shapes}")
        inside = (self.neurons >= 0) & (self.neurons < self.space.size)
        if not inside.all() or (np.diff(self.neurons) <= 0).any():
            raise RecordError(f"clustered neurons are not ascending indices below {self.space.size}")
        firsts = np.unique(self.numbers, return_index=True)
        if not np.array_equal(firsts[0], np.arange(len(firsts[0]))) or (np.diff(firsts[1]) < 0).any():
            raise RecordError("clusters are not numbered from 0 by their lowest member")
        clustered = np.isin(self.medoids, self.neurons).all()
        if not clustered or not np.array_equal(
            self.numbers[self.neurons.searchsorted(self.medoids)], firsts[0]
        ):
            raise RecordError("the medoids are not one member of each cluster, in the clusters' order")

    def __len__(self) -> int:
        return len(self.medoids)

    @cached_property
    def sizes(self) -> Int64[np.ndarray, " clusters"]:
        """The number of neurons of each cluster."""
        return np.bincount(self.numbers, minlength=len(self))

    def members(self, number: int) -> Int64[np.ndarray, " members"]:
        """Return the flat indices of one cluster, ascending."""
        if not 0 <= number < len(self):
            raise ParameterError(f"clusters are numbered 0..{len(self) - 1}, not {number}")
        return self.neurons[self.numbers == number]

    def representatives(self, ranking: Ranking | None = None) -> Int64[np.ndarray, " clusters"]:
        """Return the flat index of one neuron per cluster: its medoid, or its best neuron in a ranking.

        Raises:
            MismatchError: the ranking has other neurons, or those of another model.
        """
        if ranking is None:
            return self.medoids
        self.require_of(ranking)
        places = ranking.positions()[self.neurons]
        order = np.argsort(places)
        first = np.unique(self.numbers[order], return_index=True)[1]
        return self.neurons[order[first]]

    def require_of(self, ranking: Ranking) -> None:
        """Raise MismatchError unless a ranking is of these neurons of this model."""
        self.space.require_same(ranking.space, f"clusters and {ranking.method} ranking")
        self.provenance.require_same_model("clusters", ranking.provenance, f"{ranking.method} ranking")

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per clustered neuron, ascending, with the columns ``COLUMNS``."""
        sites, units = self.space.columns()
        columns = (
            self.neurons,
            np.array(sites, dtype=object)[self.neurons],
            units[self.neurons],
            self.numbers,
            self.sizes[self.numbers],
            self.mean_correlation,
            np.isin(self.neurons, self.medoids),
        )
        return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))

    def groups(self, representatives: Int64[np.ndarray, " clusters"] | None = None) -> pd.DataFrame:
        """Return one row per cluster of two or more neurons, the largest first.

        Args:
            representatives: int64 (clusters,) as from :meth:`representatives`; by default the medoids.

        Returns:
            ``cluster``, ``size``, ``representative``, ``mean_correlation`` (of the representative with the
            others) and ``members`` (names, ascending by index).
        """
        chosen = self.medoids if representatives is None else representatives
        groups = np.split(self.neurons[np.argsort(self.numbers, kind="stable")], np.cumsum(self.sizes)[:-1])
        rows = []
        for number in np.argsort(-self.sizes, kind="stable").tolist():
            if self.sizes[number] < 2:
                break
            best = int(chosen[number])
            row = {
                "cluster": number,
                "size": int(self.sizes[number]),
                "representative": self.space.name(best),
                "mean_correlation": float(self.mean_correlation[self.neurons.searchsorted(best)]),
                "members": [self.space.name(int(index)) for index in groups[number]],
            }
            rows.append(row)
        columns = ["cluster", "size", "representative", "mean_correlation", "members"]
        return pd.DataFrame(rows, columns=columns)

    def summary(self) -> dict[str, Any]:
        """Return the facts: how many neurons were clustered, how, and into how many clusters."""
        return {
            "record": "clusters",
            "neurons": self.space.describe(),
            "clustered": len(self.neurons),
            "clusters": len(self),
            "linkage": self.linkage,
            "threshold": self.threshold,
            "signed": self.signed,
            "constant": self.details["constant"],
            "words": self.details["words"],
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the clusters as ``rows``, see :meth:`groups`."""
        return {"rows": self.groups()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "clusters",
            "space": self.space.to_json(),
            "linkage": self.linkage,
            "threshold": self.threshold,
            "signed": self.signed,
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, self.to_pandas, header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Clusters:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or no clusters.
        """
        with open_table(path, "clusters") as (frame, header):
            space = NeuronSpace.from_json(header_field(header, "space", dict))
            for name in ("neuron", "cluster"):
                require_integers(f"column {name!r}", frame[name], 0, space.size - 1)
            neurons, numbers = (frame[name].to_numpy(np.int64) for name in ("neuron", "cluster"))
            medoid = frame["medoid"].to_numpy()
            if medoid.dtype != np.bool_:
                raise RecordError("column 'medoid' does not hold true and false")
            return cls(
                space=space,
                neurons=neurons,
                numbers=numbers,
                mean_correlation=frame["mean_correlation"].to_numpy(np.float64),
                medoids=neurons[medoid][np.argsort(numbers[medoid], kind="stable")],
                linkage=header_field(header, "linkage", str),
                threshold=header_field(header, "threshold", float),
                signed=header_field(header, "signed", bool),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
            )
