"""The NeuronStatistics record: what a model's neurons do on a reference corpus."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32

from onegrain.core.describing import Described
from onegrain.errors import ParameterError, RecordError
from onegrain.records.fields import header_field, texts
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import Provenance
from onegrain.records.space import NeuronSpace

__all__ = ["NeuronStatistics"]

SAMPLE = "sample:"
STATISTICS = ("mean", "deviation", "least", "largest", "mode")


@dataclass(frozen=True, eq=False, repr=False)
class NeuronStatistics(Described):
    """Statistics of every neuron over the words of a reference corpus; edits take their values from them.

    Attributes:
        space: the neurons.
        columns: float64 (neurons,) by name: ``mean``, ``deviation`` (the standard deviation, with the number of
            words as denominator), ``least`` and ``largest`` value, ``mode`` (the middle of the fullest bin of
            the histogram), perhaps ``optimal`` (see :func:`onegrain.optimal_constants`); and
            ``mean:LABEL`` and ``deviation:LABEL`` over the words of each label.
        n_words: the number of words.
        layer: the label layer of the labels; None without.
        words_of: the number of words of each label.
        samples: float32 (words, neurons), values at some words drawn at random; None if there are none.
        details: JSON-able facts, such as the number of ``bins``.
        provenance: what the statistics were made from.
    """

    space: NeuronSpace
    columns: Mapping[str, np.ndarray]
    n_words: int
    provenance: Provenance
    layer: str | None = None
    words_of: Mapping[str, int] = field(default_factory=dict)
    samples: Float32[np.ndarray, "words neurons"] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if values.shape != (self.space.size,):
                raise RecordError(f"column {name!r} has {values.shape} values for {self.space.size} neurons")
        if self.samples is not None and self.samples.shape[1:] != (self.space.size,):
            raise RecordError(f"samples of shape {self.samples.shape} for {self.space.size} neurons")

    def column(self, name: str, label: str | None = None) -> np.ndarray:
        """Return a statistic of every neuron, float64 (neurons,), over all words or the words of a label.

        Raises:
            ParameterError: the record lacks the statistic or the label; the message says what it has.
        """
        wanted = name if label is None else f"{name}:{label}"
        if wanted in self.columns:
            return np.asarray(self.columns[wanted])
        if label is not None:
            labels = ", ".join(self.words_of) if self.words_of else "it was measured without a label layer"
            raise ParameterError(f"the reference has no label {label!r}; its labels: {labels}")
        raise ParameterError(
            f"the reference has no {name!r}; it has: {', '.join(key for key in self.columns if ':' not in key)}"
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per neuron: ``site``, ``unit`` and every statistic."""
        sites, units = self.space.columns()
        return pd.DataFrame({"site": sites, "unit": units, **self.columns})

    def summary(self) -> dict[str, Any]:
        """Return the facts: neurons, words, labels and samples."""
        model = self.provenance.subject()
        return {
            "record": "neuron statistics",
            "model": model.id if model else None,
            "neurons": self.space.describe(),
            "words": self.n_words,
            "label layer": self.layer,
            "labels": list(self.words_of),
            "samples": 0 if self.samples is None else len(self.samples),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the statistics of the ``neurons``."""
        return {"neurons": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "neuron statistics",
            "space": self.space.to_json(),
            "columns": list(self.columns),
            "n_words": self.n_words,
            "layer": self.layer,
            "words_of": dict(self.words_of),
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        drawn = () if self.samples is None else self.samples
        samples = {f"{SAMPLE}{number}": row for number, row in enumerate(drawn)}
        write_table(path, pd.DataFrame({**self.columns, **samples}), header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NeuronStatistics:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or holds no statistics.
        """
        with open_table(path, "neuron statistics") as (frame, header):
            names = [name for name in frame.columns if not name.startswith(SAMPLE)]
            if sorted(names) != sorted(texts(header, "columns")):
                raise RecordError(f"the columns are {names}, not those that the header names")
            drawn = [frame[name].to_numpy(np.float32) for name in frame.columns if name.startswith(SAMPLE)]
            return cls(
                space=NeuronSpace.from_json(header_field(header, "space", dict)),
                columns={name: frame[name].to_numpy(np.float64) for name in names},
                n_words=header_field(header, "n_words", int),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                layer=header_field(header, "layer", str, type(None)),
                words_of=header_field(header, "words_of", dict),
                samples=np.stack(drawn) if drawn else None,
                details=header_field(header, "details", dict),
            )
