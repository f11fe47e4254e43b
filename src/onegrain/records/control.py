"""The Control record: how often setting neurons changes one value of a property to another in translations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.bootstrap import quantile_interval
from onegrain.core.describing import Described
from onegrain.errors import RecordError
from onegrain.records.fields import header_field, require_integers, require_numbers, require_values
from onegrain.records.parquet import join_draws, open_table, split_draws, write_table
from onegrain.records.provenance import Provenance

__all__ = ["SETS", "Control"]

SETS = ("top", "random")
"""The neurons that are set: the first of the ranking, or random ones with as many of each site."""

COLUMNS = [
    "set", "number", "beta", "cases", "successes", "success", "low", "high", "exact", "bleu", "bleu_low",
    "bleu_high",
]  # fmt: skip
LEVEL = 0.95


@dataclass(frozen=True, eq=False, repr=False)
class Control(Described):
    """How often setting neurons gives a translation the wanted value, and what it changes besides.

    Neurons are set to a1 + beta (a1 - a2), where a1 is a neuron's mean over words with the wanted value and a2
    that over words with the value that the sentences have [Bau et al., ICLR 2019]. A case is a sentence whose
    unedited translation shows the value.

    Attributes:
        layer: the property, e.g. ``Number``.
        value: the value that the sentences have.
        wanted: the value that their translations should get.
        judged: ``exact`` (by the right translations) or ``lexicon``.
        k: number of neurons in each set.
        points: one row per set and beta: ``set`` (one of ``SETS``), ``number`` (of the random set, from 0; 0
            for top), ``beta``, ``cases``, ``successes`` (cases whose translation shows the wanted value),
            ``success`` (their share) with ``low`` and ``high`` (95 % bootstrap interval over sentences),
            ``exact`` (share of the cases whose translation is the right one word for word; NaN with a lexicon),
            and ``bleu`` with ``bleu_low`` and ``bleu_high``: BLEU of all translations against the unedited
            ones, without the words that express the property, so that 100 means that nothing else changed.
        neurons: the names of the neurons of each set: ``top``, ``random 0``, ``random 1``, ...
        signature: of BLEU, see sacrebleu.
        n_sentences: number of sentences.
        provenance: what the record was made from.
        details: JSON-able facts, such as ``examples`` by beta (source, before, after, and whether it has
            the wanted value).
        draws: float64 (points, resamples), the success in each draw of the bootstrap over sentences, which all
            points share.
    """

    layer: str
    value: str
    wanted: str
    judged: str
    k: int
    points: pd.DataFrame
    neurons: Mapping[str, list[str]]
    signature: str
    n_sentences: int
    provenance: Provenance
    draws: np.ndarray
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.points.columns) != COLUMNS:
            raise RecordError(f"control has the columns {COLUMNS}, got {list(self.points.columns)}")
        if self.draws.ndim != 2 or len(self.draws) != len(self.points):
            raise RecordError(f"draws of shape {self.draws.shape} for {len(self.points)} points")
        require_values("set", self.points["set"], SETS)
        require_integers("cases", self.points["cases"], 0, self.n_sentences)
        require_integers("successes", self.points["successes"], 0, self.n_sentences)
        require_numbers("control", self.points, *COLUMNS[2:])

    @property
    def betas(self) -> tuple[float, ...]:
        """The values of beta, ascending."""
        return tuple(sorted(float(beta) for beta in self.points["beta"].unique()))

    def comparison(self) -> pd.DataFrame:
        """Return one row per beta: the first neurons of the ranking beside the matched random sets.

        Columns: ``beta``; ``success``, ``low`` and ``high`` of the top neurons; ``random`` (mean over the
        random sets), ``random_least`` and ``random_most``; ``difference`` with ``difference_low`` and
        ``difference_high`` (95 % bootstrap interval over sentences, in paired draws); ``p``, the chance that a
        random set is as good as the top one, (1 + sets that are) / (1 + sets); ``bleu`` of the top neurons and
        ``random_bleu``, the mean over the random sets.
        """
        rows = []
        for beta in self.betas:
            at_beta = self.points["beta"] == beta
            top = self.points[at_beta & (self.points["set"] == "top")]
            others = self.points[at_beta & (self.points["set"] == "random")]
            row: dict[str, Any] = {"beta": beta}
            row |= {name: float(top[name].iloc[0]) for name in ("success", "low", "high")}
            mean = self.draws[others.index].mean(axis=0)
            low, high = quantile_interval((self.draws[top.index[0]] - mean)[:, None], LEVEL)
            as_good = int((others["successes"] >= top["successes"].iloc[0]).sum())
            row |= {
                "random": float(others["success"].mean()),
                "random_least": float(others["success"].min()),
                "random_most": float(others["success"].max()),
                "difference": row["success"] - float(others["success"].mean()),
                "difference_low": float(low[0]),
                "difference_high": float(high[0]),
                "p": (1 + as_good) / (1 + len(others)),
                "bleu": float(top["bleu"].iloc[0]),
                "random_bleu": float(others["bleu"].mean()),
            }
            rows.append(row)
        return pd.DataFrame(rows)

    def summary(self) -> dict[str, Any]:
        """Return the facts: the change, the neurons, and the success at the best beta beside random ones."""
        table = self.comparison()
        best = table.loc[table["success"].idxmax()]
        model = self.provenance.subject()
        return {
            "record": "control",
            "model": model.id if model else None,
            "change": f"{self.layer}: {self.value} to {self.wanted}",
            "judged by": "the right translations" if self.judged == "exact" else "a lexicon",
            "neurons": self.neurons["top"],
            "sentences": self.n_sentences,
            "cases": int(self.points["cases"].iloc[0]),
            "best beta": float(best["beta"]),
            "success": float(best["success"]),
            "random success": float(best["random"]),
            "bleu elsewhere": float(best["bleu"]),
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the points."""
        return self.points.copy()

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the ``comparison`` with random sets, and the ``points``."""
        return {"comparison": self.comparison(), "points": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "control",
            "layer": self.layer,
            "value": self.value,
            "wanted": self.wanted,
            "judged": self.judged,
            "k": self.k,
            "neurons": {name: list(names) for name, names in self.neurons.items()},
            "signature": self.signature,
            "n_sentences": self.n_sentences,
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, join_draws(self.points, self.draws), header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Control:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or not a record of control.
        """
        with open_table(path, "control") as (frame, header):
            points, draws = split_draws(frame)
            if draws is None:
                raise RecordError("the record has no draws")
            names = ("layer", "value", "wanted", "judged", "signature")
            texts = {name: header_field(header, name, str) for name in names}
            return cls(
                **texts,
                k=header_field(header, "k", int),
                points=points,
                neurons=header_field(header, "neurons", dict),
                n_sentences=header_field(header, "n_sentences", int),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                draws=draws,
                details=header_field(header, "details", dict),
            )
