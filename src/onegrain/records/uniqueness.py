"""The Uniqueness record: how often a property can be read from new neurons after the first were taken away."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import ParameterError, RecordError
from onegrain.records.fields import header_field, require_integers, require_numbers
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import Provenance
from onegrain.records.space import NeuronSpace

__all__ = ["ROUNDS", "Uniqueness"]

ROUNDS = [
    "round", "left", "ranked",
    "accuracy", "low", "high",
    "loss", "loss_low", "loss_high", "within",
    "rest", "rest_low", "rest_high",
]  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Uniqueness(Described):
    """Rounds of ranking the neurons, testing the first k, and taking them away.

    Attributes:
        method: the ranking method.
        layer: the label layer.
        space: the neurons.
        k: how many neurons each round takes away.
        delta: how much accuracy a probe of k neurons may lose against the probe of all neurons.
        full: the accuracy of the probe of all neurons: ``accuracy``, ``low``, ``high``.
        rounds: one row per round: ``round`` (from 1), ``left`` (neurons that were ranked in it), ``ranked``
            (how many of its k neurons the method gave a score), ``accuracy`` of a new probe of its k neurons
            alone with ``low`` and ``high``, ``loss`` (the full accuracy less this one) with its interval,
            ``within`` (the loss is at most delta), and ``rest``, the accuracy of a new probe of all neurons
            that are left after the round, with its interval; NaN if none is left.
        level: confidence level of the intervals, from a bootstrap over tested sentences in the same draws.
        details: JSON-able facts: ``removed`` (flat indices of each round's neurons), ``majority``, ``random``
            (mean accuracy of probes of k random neurons, with ``low`` and ``high``, the least and largest),
            ``random_sets``, ``chosen_k`` (True if k was found on the tested words), ``probe``, and the numbers
            of tested ``words`` and ``sentences``.
        provenance: what the record was made from.
    """

    method: str
    layer: str
    space: NeuronSpace
    k: int
    delta: float
    full: Mapping[str, float]
    rounds: pd.DataFrame
    level: float
    provenance: Provenance
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.rounds.columns) != ROUNDS:
            raise RecordError(f"rounds have the columns {ROUNDS}, got {list(self.rounds.columns)}")
        if set(self.full) != {"accuracy", "low", "high"}:
            raise RecordError(f"the full probe has {sorted(self.full)}, not accuracy, low and high")
        require_integers("round", self.rounds["round"], 1, max(1, len(self.rounds)))
        require_integers("left", self.rounds["left"], 1, self.space.size)
        require_integers("ranked", self.rounds["ranked"], 0, self.space.size)
        if self.rounds["within"].dtype != bool:
            raise RecordError("within is not true or false in every round")
        numbers = [name for name in ROUNDS[3:] if name != "within"]
        require_numbers("rounds", self.rounds, *numbers)

    @property
    def count(self) -> int:
        """The number of rounds within delta, counted from the first without a gap."""
        return int(self.rounds["within"].cumprod().sum())

    @property
    def ended(self) -> bool:
        """True if a round was not within delta, or too few neurons were left for another round."""
        last = int(self.rounds["left"].iloc[-1]) if len(self.rounds) else 0
        return self.count < len(self.rounds) or last < 2 * self.k

    def neurons(self, number: int) -> list[str]:
        """Return the neurons that a round took away, best first, as ``site:unit``.

        Raises:
            ParameterError: there is no such round.
        """
        if not 1 <= number <= len(self.rounds):
            raise ParameterError(f"no round {number}; there are {len(self.rounds)}")
        return [self.space.name(int(index)) for index in self.details["removed"][number - 1]]

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of ``rounds``."""
        return self.rounds.copy()

    def summary(self) -> dict[str, Any]:
        """Return the facts: in how many rounds k new neurons sufficed."""
        return {
            "record": "uniqueness",
            "method": self.method,
            "label layer": self.layer,
            "neurons": self.space.describe(),
            "neurons per round": self.k,
            "delta": self.delta,
            "full accuracy": self.full["accuracy"],
            "rounds within delta": self.count,
            "rounds": len(self.rounds),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the ``rounds``."""
        return {"rounds": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as Parquet, with everything else in the file's metadata."""
        header = {
            "record": "uniqueness",
            "method": self.method,
            "layer": self.layer,
            "space": self.space.to_json(),
            "k": self.k,
            "delta": self.delta,
            "full": dict(self.full),
            "level": self.level,
            "details": dict(self.details),
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_table(path, self.rounds, header, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Uniqueness:
        """Read a record that :meth:`save` wrote.

        Raises:
            RecordError: the file is missing, damaged, or no uniqueness.
        """
        with open_table(path, "uniqueness") as (frame, header):
            return cls(
                method=header_field(header, "method", str),
                layer=header_field(header, "layer", str),
                space=NeuronSpace.from_json(header_field(header, "space", dict)),
                k=header_field(header, "k", int),
                delta=header_field(header, "delta", float),
                full=header_field(header, "full", dict),
                rounds=frame,
                level=header_field(header, "level", float),
                provenance=Provenance.model_validate(header_field(header, "provenance", dict)),
                details=header_field(header, "details", dict),
            )
