"""The ConceptSearch record: how well each neuron of a store tells the words of a concept from all others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int8

from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.core.describing import Described
from onegrain.errors import ParameterError, RecordError
from onegrain.records.fields import header_field
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import Provenance
from onegrain.records.space import NeuronSpace

__all__ = ["Concept", "ConceptSearch"]

KIND = "concept search"
KINDS = ("words", "regex", "label")
SIGNS = ("sign", "iou_sign")
MEASURES = (
    "auroc", "sign", "mean_difference", "standardised_difference", "iou", "iou_sign", "iou_quantile", "p", "q",
)  # fmt: skip


@dataclass(frozen=True)
class Concept:
    """The words that a search is about.

    Attributes:
        kind: ``words`` (a word list), ``regex`` or ``label``.
        value: the words joined by spaces, the regular expression, or the label.
        layer: the label layer of a label, else None.
        words: number of words of the concept that have an activation.
        others: number of the other words that have an activation.
        examples: up to ten of its word types, the most frequent first.
    """

    kind: str
    value: str
    layer: str | None
    words: int
    others: int
    examples: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the concept as one line of text."""
        named = f"{self.layer}={self.value}" if self.kind == "label" else f"{self.kind} {self.value}"
        return named if len(named) <= 100 else f"{named[:97]}..."


@dataclass(frozen=True, eq=False, repr=False)
class ConceptSearch(Described):
    """How well every neuron of a store tells the words of a concept from all other words.

    Areas and overlaps follow from integers and are exact, whether they come from an index or from the store.
    From an index, mean differences are rounded: by at most 6e-8 of the mean absolute deviation of the words on
    either side. The p-values rest on a normal approximation. A neuron that never changes has NaN.

    Attributes:
        concept: the words of the concept.
        space: the neurons.
        auroc: (neurons,), the area under the ROC curve of the neuron's value, with the better sign: the
            probability that a word of the concept lies above (sign 1) or below (sign -1) another word, ties
            counted as one half. From 0.5 to 1.
        sign: (neurons,), 1 if high values mean the concept, -1 if low values do; 0 without an AUROC.
        mean_difference: (neurons,), mean over the words of the concept less that over the others.
        standardised_difference: (neurons,), the same in standard deviations of the neuron over all words.
        iou: (neurons,), |M and C| / |M or C| [Mu20]: C are the words of the concept, M the words with the
            highest (lowest) values of the neuron, at the best of a few quantiles and with the better sign.
        iou_sign: (neurons,), 1 if M holds the highest values, -1 if it holds the lowest; 0 without an IoU.
        iou_quantile: (neurons,), the quantile q of that M: it holds the fewest words, words of equal value
            together, that make up at least a share 1 - q of all words.
        p: (neurons,), two-sided p-value of the AUROC by the normal approximation of Mann and Whitney's U.
        q: (neurons,), the p-values corrected for all neurons together after Benjamini and Hochberg.
        provenance: provenance of the record.
        details: JSON-able facts, such as ``source`` (``index`` or ``store``) and ``quantiles``.
    """

    concept: Concept
    space: NeuronSpace
    auroc: Float64[np.ndarray, " neurons"]
    sign: Int8[np.ndarray, " neurons"]
    mean_difference: Float64[np.ndarray, " neurons"]
    standardised_difference: Float64[np.ndarray, " neurons"]
    iou: Float64[np.ndarray, " neurons"]
    iou_sign: Int8[np.ndarray, " neurons"]
    iou_quantile: Float64[np.ndarray, " neurons"]
    p: Float64[np.ndarray, " neurons"]
    q: Float64[np.ndarray, " neurons"]
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.concept.kind not in KINDS:
            raise RecordError(f"a concept is one of {', '.join(KINDS)}, got {self.concept.kind!r}")
        for name in MEASURES:
            if getattr(self, name).shape != (self.space.size,):
                raise RecordError(f"{name} of shape {getattr(self, name).shape} for {self.space.size} neurons")

    def order(self, by: str = "auroc") -> np.ndarray:
        """Return the flat indices of all neurons, the best first; neurons without a value come last.

        Args:
            by: ``auroc``, ``iou``, or ``standardised_difference``, whose size counts; ties by flat index.

        Raises:
            ParameterError: another measure.
        """
        if by not in ("auroc", "iou", "standardised_difference"):
            raise ParameterError(f"neurons are ordered by auroc, iou or standardised_difference, not by {by!r}")
        values = np.abs(getattr(self, by))
        return np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")

    def top(self, k: int = 10, by: str = "auroc") -> list[str]:
        """Return the best k neurons as ``site:unit``; see :meth:`order`."""
        return [self.space.name(int(index)) for index in self.order(by)[:k]]

    @property
    def n_significant(self) -> int:
        """Number of neurons with q <= 0.05."""
        return int((self.q <= SIGNIFICANT).sum())

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per neuron in the order of the AUROC, the best first: ``site``, ``unit``, measures."""
        order = self.order()
        return self._frame().iloc[order].reset_index(drop=True)

    def _frame(self) -> pd.DataFrame:
        sites, units = self.space.columns()
        return pd.DataFrame({"site": sites, "unit": units, **{name: getattr(self, name) for name in MEASURES}})

    def summary(self) -> dict[str, Any]:
        """Return the facts: the concept, its words, and the best neurons."""
        model = self.provenance.subject()
        best = self.order()[:1]
        return {
            "record": KIND,
            "model": model.id if model else None,
            "concept": self.concept.describe(),
            "words": self.concept.words,
            "other words": self.concept.others,
            "examples": list(self.concept.examples),
            "neurons": self.space.describe(),
            "best neuron": self.space.name(int(best[0])),
            "its AUROC": float(self.auroc[best[0]]),
            f"neurons with q <= {SIGNIFICANT:g}": self.n_significant,
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the ``neurons``, the best first."""
        return {"neurons": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": KIND,
            "concept": {
                "kind": self.concept.kind,
                "value": self.concept.value,
                "layer": self.concept.layer,
                "words": self.concept.words,
                "others": self.concept.others,
                "examples": list(self.concept.examples),
            },
            "space": self.space.to_json(),
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        frame = pd.DataFrame({name: getattr(self, name) for name in MEASURES})
        write_table(path, frame, header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ConceptSearch:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or no concept search.
        """
        with open_table(path, KIND) as (frame, header):
            if list(frame.columns) != list(MEASURES):
                raise RecordError(f"a concept search has the columns {list(MEASURES)}")
            concept = header_field(header, "concept", dict)
            return cls(
                concept=Concept(
                    kind=header_field(concept, "kind", str),
                    value=header_field(concept, "value", str),
                    layer=header_field(concept, "layer", str, type(None)),
                    words=header_field(concept, "words", int),
                    others=header_field(concept, "others", int),
                    examples=tuple(header_field(concept, "examples", list)),
                ),
                space=NeuronSpace.from_json(header_field(header, "space", dict)),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
                **{name: frame[name].to_numpy(np.int8 if name in SIGNS else np.float64) for name in MEASURES},
            )
