"""The Effects record: what an edit does by the direct path, and what the layers above it add or repair."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import ParameterError, RecordError
from onegrain.records.fields import header_field, require_integers, require_numbers, require_values
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import Provenance

__all__ = ["ALL", "COLUMNS", "LINES", "PARTS", "Effects"]

PARTS = ("total", "direct", "mediated")
"""The rise of the loss, the part of it that the direct path carries, and the rest."""

LINES = ("top", "random", "difference")
"""The first neurons of the ranking, random sets with as many neurons of each site, and the first less the
second."""

ALL = "all"
"""The name of the rows in which the neurons of all sites are edited together."""

COLUMNS = [
    "site",
    "line",
    "neurons",
    *(f"{part}{end}" for part in PARTS for end in ("", "_low", "_high")),
    "p",
    "q",
]


@dataclass(frozen=True, eq=False, repr=False)
class Effects(Described):
    """The total and the direct effect of editing neurons on the loss, in nats per predicted subword.

    *Total* is the rise of the loss. *Direct* is the rise with the attention and the MLP of every block giving
    what they gave in the untouched run, so that only the residual stream carries the change. *Mediated* is
    total less
    direct: what the layers above add (positive) or repair (negative).

    Attributes:
        k: how many neurons were edited together.
        edit: the edit, as text.
        intact: the loss of the untouched model.
        table: one row per site and line: ``site`` (``all``, or the site whose neurons alone are edited),
            ``line`` (``LINES``), ``neurons`` (how many), ``total``, ``direct`` and ``mediated``, each with
            ``_low`` and ``_high``, ``p`` (of nothing mediated) and ``q`` (corrected over the rows of a line by
            Benjamini and Hochberg).
        level: confidence level of the intervals, from a bootstrap over sentences; those of random neurons
            and of the difference are about one more random set.
        details: JSON-able facts: ``sentences``, ``subwords``, ``random_orders``, ``resamples``, the ``order``
            of the ranking (its hash), and the ``convention`` for the final norm.
        provenance: what the record was made from.
    """

    k: int
    edit: str
    intact: float
    table: pd.DataFrame
    level: float
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.table.columns) != COLUMNS:
            raise RecordError(f"effects have the columns {COLUMNS}, got {list(self.table.columns)}")
        if self.table.duplicated(["site", "line"]).any():
            raise RecordError("effects have a site and line twice")
        require_values("line", self.table["line"], LINES)
        require_integers("neurons", self.table["neurons"], 1, 2**62)
        require_numbers("effects", self.table, *COLUMNS[3:])
        if not all(isinstance(site, str) for site in self.table["site"]):
            raise RecordError("a row of effects has no name of a site")

    @property
    def sites(self) -> tuple[str, ...]:
        """``all``, then the sites that were also edited alone."""
        return tuple(dict.fromkeys(self.table["site"]))

    def at(self, line: str = "top", site: str = ALL) -> dict[str, Any]:
        """Return one row of the table, by name.

        Raises:
            ParameterError: there is no such row.
        """
        rows = self.table[(self.table["line"] == line) & (self.table["site"] == site)]
        if rows.empty:
            raise ParameterError(
                f"no row of {line!r} at {site!r}; the lines are {', '.join(LINES)}, the sites "
                f"{', '.join(self.sites)}"
            )
        return {str(name): value for name, value in rows.iloc[0].items()}

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of ``table``."""
        return self.table.copy()

    def summary(self) -> dict[str, Any]:
        """Return the facts: what was edited, and its total, direct and mediated effect."""
        model = self.provenance.subject()
        top = self.at()
        return {
            "record": "effects",
            "model": model.id if model else None,
            "edit": self.edit,
            "neurons": self.k,
            "loss, nats per subword": self.intact,
            **{f"{part} effect": float(top[part]) for part in PARTS},
            f"mediated, {100 * self.level:g} % interval": [
                float(top["mediated_low"]), float(top["mediated_high"]),
            ],
        }  # fmt: skip

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the effects as ``rows``."""
        return {"rows": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "effects",
            "k": self.k,
            "edit": self.edit,
            "intact": self.intact,
            "level": self.level,
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, self.table, header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Effects:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or holds no effects.
        """
        with open_table(path, "effects") as (frame, header):
            return cls(
                k=header_field(header, "k", int),
                edit=header_field(header, "edit", str),
                intact=header_field(header, "intact", float),
                table=frame,
                level=header_field(header, "level", float),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
            )
