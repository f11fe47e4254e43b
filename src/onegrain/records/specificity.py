"""The Specificity record: what editing the neurons of each label does to the words of every label."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import ParameterError, RecordError
from onegrain.records.fields import header_field, require_integers, require_numbers
from onegrain.records.parquet import json_numbers, open_table, write_table
from onegrain.records.provenance import Provenance

__all__ = ["CELLS", "CONTRASTS", "Specificity"]

CELLS = [
    "edited", "predicted", "words", "intact",
    "damage", "damage_low", "damage_high",
    "random", "random_low", "random_high",
    "excess", "excess_low", "excess_high", "p", "q",
]  # fmt: skip
CONTRASTS = ["label", "same", "other", "contrast", "low", "high", "p", "q"]
VALUES = ("damage", "random", "excess", "p", "q")


@dataclass(frozen=True, eq=False, repr=False)
class Specificity(Described):
    """The damage that editing the top neurons of one label does to predicted words with another.

    Losses and their rises are in nats per predicted word. Intervals are bootstrap intervals over sentences, in
    the same draws for every number; those of an excess also cover how much random sets differ.

    Attributes:
        layer: the label layer.
        k: how many neurons of each label were edited together.
        edit: the edit, as text.
        cells: one row per pair of labels: ``edited`` (the label whose top neurons are edited), ``predicted``
            (the label of the words), ``words`` (their number), ``intact`` (their loss in the intact model),
            ``damage`` (the rise of the loss) with ``damage_low`` and ``damage_high``, ``random`` (the mean rise
            over random sets with as many neurons of each site) with the least and the largest of the sets in
            ``random_low`` and ``random_high``, ``excess`` (damage less random) with its interval, ``p`` (of no
            excess) and ``q`` (p corrected over all cells by Benjamini and Hochberg).
        contrasts: one row per label: ``label``, ``same`` (its neurons' excess on its own words), ``other``
            (their mean excess on the words of the other labels), ``contrast`` (same less other) with its
            interval, ``p`` and ``q`` (corrected over the labels).
        overall: the mean contrast over the labels: ``contrast``, ``low``, ``high``, ``p``.
        level: confidence level of the intervals.
        details: JSON-able facts: ``ranked`` (label -> how many of its edited neurons the ranking ranks),
            ``left_out`` (label -> why it has no row or column), ``sentences``, ``random_orders``,
            ``resamples``, ``order`` (the hash of the ranking's order) and the ``signature`` of the loss.
        provenance: what the record was made from.
    """

    layer: str
    k: int
    edit: str
    cells: pd.DataFrame
    contrasts: pd.DataFrame
    overall: Mapping[str, float]
    level: float
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, frame, columns in (
            ("cells", self.cells, CELLS),
            ("contrasts", self.contrasts, CONTRASTS),
        ):
            if list(frame.columns) != columns:
                raise RecordError(f"{what} of a specificity have {columns}, got {list(frame.columns)}")
        if self.cells.duplicated(["edited", "predicted"]).any():
            raise RecordError("a specificity has a pair of labels twice")
        if set(self.overall) != {"contrast", "low", "high", "p"}:
            raise RecordError(f"the overall contrast has {sorted(self.overall)}")
        require_integers("words", self.cells["words"], 1, 2**62)
        require_numbers("a specificity", self.cells, *CELLS[3:])
        require_numbers("contrasts", self.contrasts, *CONTRASTS[1:])

    @property
    def edited(self) -> tuple[str, ...]:
        """The labels whose neurons were edited."""
        return tuple(dict.fromkeys(self.cells["edited"]))

    @property
    def predicted(self) -> tuple[str, ...]:
        """The labels of the words whose loss was measured."""
        return tuple(dict.fromkeys(self.cells["predicted"]))

    def matrix(self, value: str = "excess") -> pd.DataFrame:
        """Return one number of every cell: a row per label whose neurons were edited, a column per label.

        Args:
            value: ``damage``, ``random``, ``excess``, ``p`` or ``q``.

        Raises:
            ParameterError: there is no such number.
        """
        if value not in VALUES:
            raise ParameterError(f"no number {value!r}; the numbers are: {', '.join(VALUES)}")
        wide = self.cells.pivot(index="edited", columns="predicted", values=value)
        return wide.loc[list(self.edited), list(self.predicted)]

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of ``cells``."""
        return self.cells.copy()

    def summary(self) -> dict[str, Any]:
        """Return the facts: what was edited, and the mean contrast of own against other words."""
        model = self.provenance.subject()
        return {
            "record": "specificity",
            "model": model.id if model else None,
            "label layer": self.layer,
            "edit": self.edit,
            "neurons per label": self.k,
            "labels": list(self.edited),
            "own words less others, nats per word": self.overall["contrast"],
            f"{100 * self.level:g} % interval": [self.overall["low"], self.overall["high"]],
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the ``contrasts`` and the ``cells``."""
        return {"contrasts": self.contrasts.copy(), "cells": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "specificity",
            "layer": self.layer,
            "k": self.k,
            "edit": self.edit,
            "contrasts": {
                name: values.tolist() if name == "label" else json_numbers(values.to_numpy(np.float64))
                for name, values in self.contrasts.items()
            },
            "overall": dict(self.overall),
            "level": self.level,
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, self.cells, header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Specificity:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or no specificity.
        """
        with open_table(path, "specificity") as (frame, header):
            contrasts = header_field(header, "contrasts", dict)
            return cls(
                layer=header_field(header, "layer", str),
                k=header_field(header, "k", int),
                edit=header_field(header, "edit", str),
                cells=frame,
                contrasts=pd.DataFrame(
                    {
                        name: pd.Series(values, dtype=None if name == "label" else np.float64)
                        for name, values in contrasts.items()
                    }
                )[CONTRASTS],
                overall=header_field(header, "overall", dict),
                level=header_field(header, "level", float),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
            )
