"""An edit of some neurons at some places: a value that is saved as JSON and runs in any model that has them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onegrain.core.output import whole_file
from onegrain.core.sealing import read_json
from onegrain.errors import ParameterError, RecordError
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.registry import edit_from_json, parse_edit
from onegrain.interventions.edits.zero import Zero
from onegrain.interventions.where import Where
from onegrain.records.ranking import Ranking
from onegrain.records.space import Neurons, NeuronSpace

__all__ = ["Intervention", "interventions_text", "load_interventions", "save_interventions"]

RECORD = "interventions"


@dataclass(frozen=True)
class Intervention:
    """An edit of some neurons at some places.

    Two interventions are equal if they do the same: equal neurons, edit and places.

    Attributes:
        neurons: the units of each site, ascending.
        edit: the edit.
        where: the places; everywhere by default.
        recurrent: True to edit the state that a recurrent layer passes to its own next step as well, so that
            the neuron is missing from its own future; False to edit what the modules above read. Only LSTM
            layers have such a state.

    Raises:
        ParameterError: a unit is negative or no whole number.
    """

    neurons: Mapping[str, tuple[int, ...]]
    edit: NeuronEdit = field(default_factory=Zero)
    where: Where = field(default_factory=Where)
    recurrent: bool = False

    def __post_init__(self) -> None:
        units = {site: tuple(sorted(set(map(int, chosen)))) for site, chosen in self.neurons.items()}
        for site, chosen in units.items():
            if chosen and chosen[0] < 0:
                raise ParameterError(f"site {site!r} has units from 0, not {chosen[0]}")
        object.__setattr__(self, "neurons", {site: chosen for site, chosen in units.items() if chosen})

    @classmethod
    def of(
        cls,
        space: NeuronSpace | Ranking | Neurons,
        neurons: Neurons | int | None = None,
        edit: str | NeuronEdit = "zero",
        *,
        where: Where | None = None,
        recurrent: bool = False,
    ) -> Intervention:
        """Return the edit of neurons that are named in any of the usual ways.

        Args:
            space: the space that flat indices refer to; a ranking, with its space; or one or more names
                ``site:unit``, without ``neurons``.
            neurons: names or flat indices of neurons of the space, in any order. With a ranking also a number
                k: the first k neurons.
            edit: the edit, or its text, such as ``mean`` or ``clamp(value=3.0)``.
            where: the places; everywhere by default.
            recurrent: see the class.

        >>> print(Intervention.of(["layers.1:3", "layers.0:7"], edit="scale(factor=2)"))
        scale(factor=2) of layers.0:7, layers.1:3
        """
        chosen = _by_site(space, neurons)
        return cls(chosen, parse_edit(edit), where or Where(), recurrent)

    @property
    def size(self) -> int:
        """The number of neurons."""
        return sum(map(len, self.neurons.values()))

    def __str__(self) -> str:
        names = [f"{site}:{unit}" for site, units in sorted(self.neurons.items()) for unit in units]
        text = f"{self.edit} of {', '.join(names[:5])}"
        if len(names) > len(names[:5]):
            text += f" and {len(names) - 5} more"
        places = [f"{name} {value}" for name, value in self.where.to_json().items()]
        return (
            text + (f" at {', '.join(places)}" if places else "") + (", in the state" if self.recurrent else "")
        )

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.neurons.items())), self.edit, self.where, self.recurrent))

    def to_json(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_json` reads."""
        value: dict[str, Any] = {
            "edit": self.edit.to_json(),
            "neurons": {site: list(units) for site, units in self.neurons.items()},
        }
        if not self.where.everywhere:
            value["where"] = self.where.to_json()
        return value | ({"recurrent": True} if self.recurrent else {})

    @classmethod
    def from_json(cls, value: Any) -> Intervention:
        """Return what :meth:`to_json` wrote.

        Raises:
            ParameterError: the value is of another form.
        """
        if not isinstance(value, Mapping) or not isinstance(value.get("neurons"), Mapping):
            raise ParameterError("an intervention is an object with an edit and the neurons of each site")
        neurons = value["neurons"]
        for site, units in neurons.items():
            if not isinstance(units, list) or not all(type(unit) is int for unit in units):
                raise ParameterError(f"the neurons of site {site!r} must be a list of whole numbers")
        recurrent = value.get("recurrent", False)
        if not isinstance(recurrent, bool):
            raise ParameterError(f"recurrent must be true or false, got {recurrent!r:.60}")
        return cls(
            {site: tuple(units) for site, units in neurons.items()},
            edit_from_json(value.get("edit")),
            Where.from_json(value.get("where", {})),
            recurrent,
        )


def save_interventions(
    interventions: Intervention | Sequence[Intervention], path: str | os.PathLike[str], *, force: bool = False
) -> None:
    """Write interventions as a JSON file, whole or not at all."""
    with whole_file(path, force=force) as partial:
        partial.write_text(interventions_text(interventions), encoding="utf-8")


def interventions_text(interventions: Intervention | Sequence[Intervention]) -> str:
    """Return the content of the file that :func:`save_interventions` writes."""
    several = [interventions] if isinstance(interventions, Intervention) else list(interventions)
    content = {"record": RECORD, "interventions": [each.to_json() for each in several]}
    return json.dumps(content, indent=1) + "\n"


def load_interventions(path: str | os.PathLike[str]) -> list[Intervention]:
    """Read the interventions of a JSON file; it may have been written by hand.

    Raises:
        RecordError: the file is missing, is not JSON, or holds no interventions.
    """
    content = read_json(path, RECORD)
    listed = content.get("interventions")
    if content.get("record") != RECORD or not isinstance(listed, list):
        raise RecordError(f'{path} holds no interventions: it lacks "record": "{RECORD}" or their list')
    try:
        return [Intervention.from_json(value) for value in listed]
    except ParameterError as error:
        raise RecordError(f"{path} holds an intervention that cannot be read: {error}") from error


def _by_site(
    space: NeuronSpace | Ranking | Neurons, neurons: Neurons | int | None
) -> dict[str, tuple[int, ...]]:
    """Return the units of each site."""
    if isinstance(space, Ranking) and isinstance(neurons, int | np.integer):
        chosen = space.order[: space.require_k(int(neurons))]
        return _units(space.space, chosen)
    named_space = space.space if isinstance(space, Ranking) else space
    if isinstance(named_space, NeuronSpace):
        if neurons is None or isinstance(neurons, int | np.integer):
            raise ParameterError("say which neurons to edit: names or flat indices, or a ranking and a number")
        return _units(named_space, neurons)
    if neurons is not None:
        raise ParameterError("flat indices need a space or a ranking before them; names need neither")
    names = [named_space] if isinstance(named_space, str) else list(named_space)
    if not names:
        raise ParameterError("without a space, neurons are named SITE:UNIT")
    units: dict[str, list[int]] = {}
    for name in names:
        site, colon, unit = str(name).rpartition(":")
        if not isinstance(name, str) or not colon or not unit.isdecimal():
            raise ParameterError(f"without a space, neurons are named SITE:UNIT, got {name!r}; write SITE:UNIT")
        units.setdefault(site, []).append(int(unit))
    return {site: tuple(chosen) for site, chosen in units.items()}


def _units(space: NeuronSpace, neurons: Neurons) -> dict[str, tuple[int, ...]]:
    return {site: tuple(units.tolist()) for site, units in space.by_site(neurons).items()}
