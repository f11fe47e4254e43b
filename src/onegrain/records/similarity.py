"""The Similarity record: how similar the sites of two models are, each compared with all its neurons."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import RecordError
from onegrain.records.fields import header_field, require_numbers
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import Provenance

__all__ = ["MEASURES", "Similarity"]

MEASURES = ("cka", "pwcca", "svcca")
"""Linear CKA [Kornblith19], PWCCA [Morcos18] and mean SVCCA [Raghu17]; each from 0 to 1."""

PAIR = ["site_a", "site_b"]


@dataclass(frozen=True, eq=False, repr=False)
class Similarity(Described):
    """The similarity of every site of one model to every site of another.

    Attributes:
        table: one row per pair of sites, sorted by the site of the first model: ``site_a``, ``site_b``, and a
            column per measure; NaN where a site does not vary.
        provenance: provenance of the record.
        details: JSON-able facts: ``a`` and ``b`` (the models), ``words``; and for each of the two models a list
            by site: ``neurons``, with PWCCA ``rank`` (in how many directions the site varies), with SVCCA
            ``kept`` (how many of them were looked at).
    """

    table: pd.DataFrame
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = list(self.table.columns)
        if columns[:2] != PAIR or not columns[2:] or not set(columns[2:]) <= set(MEASURES):
            raise RecordError(f"a similarity has the columns {PAIR} and some of {MEASURES}, got {columns}")
        if len(set(columns)) < len(columns):
            raise RecordError(f"a similarity has each measure once, got {columns}")
        if self.table.duplicated(PAIR).any():
            raise RecordError("a similarity has a pair of sites twice")
        require_numbers("a similarity", self.table, *columns[2:])

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures, in the order of their columns."""
        return tuple(self.table.columns[2:])

    def matrix(self, measure: str) -> pd.DataFrame:
        """Return one measure as a table: a row per site of the first model, a column per site of the second.

        Raises:
            RecordError: the record does not have the measure.
        """
        if measure not in self.measures:
            raise RecordError(f"no measure {measure!r} in this record; it has {', '.join(self.measures)}")
        sites = [list(dict.fromkeys(self.table[column])) for column in PAIR]
        wide = self.table.pivot(index=PAIR[0], columns=PAIR[1], values=measure)
        return wide.loc[sites[0], sites[1]]

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of ``table``."""
        return self.table.copy()

    def summary(self) -> dict[str, Any]:
        """Return the facts: the two models, the measures, and the number of words."""
        return {
            "record": "similarity",
            "models": [self.details["a"], self.details["b"]],
            "measures": list(self.measures),
            "words": self.details["words"],
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the compared pairs of sites as ``rows``."""
        return {"rows": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "similarity",
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, self.table, header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Similarity:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or no similarity.
        """
        with open_table(path, "similarity") as (frame, header):
            provenance = Provenance.model_validate(header_field(header, "provenance", dict))
            return cls(frame, provenance, header_field(header, "details", dict))
