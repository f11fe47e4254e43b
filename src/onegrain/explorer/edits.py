"""The edit of an address, and the statistics from which it takes its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onegrain.errors import ParameterError
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.edit_query import OPTIMAL, EditQuery
from onegrain.explorer.edited_text import MATCH
from onegrain.explorer.recent import Recent
from onegrain.explorer.related import related

if TYPE_CHECKING:
    from onegrain.interventions import Intervention, Where
    from onegrain.records.statistics import NeuronStatistics

__all__ = ["constants_of", "edit_text", "interventions_of", "ranked_values", "reference_of"]

MOST_REFERENCES = 4
"""Statistics of sites that stay in memory."""
STATISTICS = ("statistics", "neuron statistics")


def interventions_of(
    query: EditQuery, neurons: Sequence[str], values: Sequence[float], *, only_prompt: bool = False
) -> list[Intervention]:
    """Return the edit of an address; neurons that are clamped to different values have one each.

    Args:
        query: the address.
        neurons: the neurons as ``site:unit``.
        values: the value to which each neuron is clamped.
        only_prompt: True if the model continues the text, so that a sentence from which values are taken has
            none for what is generated: ``interchange`` is then an edit of the prompt.

    Raises:
        ParameterError: no neuron is chosen, or a parameter is missing or refused.
    """
    from onegrain.interventions import Intervention, Where

    if not neurons:
        raise ParameterError("pin a neuron, name one, or choose the first neurons of a ranking")
    where = _where(query)
    if query.kind == "interchange" and only_prompt and where.everywhere:
        where = Where(part="prompt")
    if query.kind != "clamp":
        return [Intervention.of(list(neurons), edit=edit_text(query), where=where)]
    groups: dict[float, list[str]] = {}
    for neuron, value in zip(neurons, values, strict=True):
        groups.setdefault(value, []).append(neuron)
    return [
        Intervention.of(names, edit=f"clamp(value={value!r})", where=where) for value, names in groups.items()
    ]


def edit_text(query: EditQuery) -> str:
    """Return the edit as text, for every kind but clamp.

    Raises:
        ParameterError: a text that the kind needs is missing.
    """
    if query.kind == "scale":
        return f"scale(factor={query.factor!r})"
    if query.kind == "add":
        return f"add(value={query.amount!r})"
    if query.kind == "mean" and query.label:
        return f"mean(label={query.label.partition('=')[2]!r})"
    if query.kind == "other":
        if not query.other.strip():
            raise ParameterError("write the edit, such as range(edit=zero, low=1)")
        return query.other
    return query.kind


def ranked_values(
    collection: Collection, store: Entry, neurons: Sequence[str], strength: float
) -> tuple[float, ...]:
    """Return the value of each neuron that lies some way between its minimum and its maximum over a store.

    Args:
        collection: the records.
        store: the store.
        neurons: the neurons as ``site:unit``.
        strength: 0 for the minimum, 100 for the maximum, and evenly between and beyond.
    """
    if not neurons:
        return ()
    sites = tuple(dict.fromkeys(name.rpartition(":")[0] for name in neurons))
    statistics = _statistics(collection, store, sites)
    indices = [statistics.space.parse(name) for name in neurons]
    least, largest = (statistics.column(name)[indices] for name in ("least", "largest"))
    return tuple((least + strength / 100.0 * (largest - least)).tolist())


def reference_of(
    collection: Collection, store: Entry, query: EditQuery, interventions: Sequence[Intervention]
) -> NeuronStatistics | None:
    """Return the statistics that edits take their values from: of their sites, over the words of the store.

    Constants with which the model loses least come from a record that has them.

    Raises:
        NotFoundError: the address names a record of constants that is not here.
        ParameterError: a label that two layers have, or no record has constants; see also
            :func:`onegrain.neuron_statistics`.
    """
    from onegrain.interventions.references import measure_reference

    edits = [each.edit for each in interventions]
    if not any(edit.statistics or edit.needs_samples for edit in edits):
        return None
    if any(OPTIMAL in edit.statistics for edit in edits):
        return _constants(collection, store, query, interventions)
    sites = tuple(dict.fromkeys(site for each in interventions for site in each.neurons))
    if query.kind == "other":
        return _kept(collection).get(
            (store.name, sites, "", str(edits)),
            lambda: measure_reference(collection.store(store.name).restrict(sites), edits),
        )
    return _statistics(collection, store, sites, query.label.partition("=")[0] if query.kind == "mean" else "")


def constants_of(collection: Collection, store: Entry) -> tuple[Entry, ...]:
    """Return the records that have constants with which the model of a store loses least."""
    return tuple(
        entry for entry, record in related(collection, store, *STATISTICS) if OPTIMAL in record.columns
    )


def _statistics(
    collection: Collection, store: Entry, sites: tuple[str, ...], layer: str = ""
) -> NeuronStatistics:
    """Return the statistics of some sites over the words of a store, measured once."""
    from onegrain.interventions.references import neuron_statistics

    return _kept(collection).get(
        (store.name, sites, layer, ""),
        lambda: neuron_statistics(collection.store(store.name).restrict(sites), layer=layer or None),
    )


def _kept(collection: Collection) -> Recent[NeuronStatistics]:
    return collection.derived("edit statistics", lambda: Recent(MOST_REFERENCES))


def _constants(
    collection: Collection, store: Entry, query: EditQuery, interventions: Sequence[Intervention]
) -> NeuronStatistics:
    """Return the record of constants that an address names, else the first that has those of all neurons."""
    if query.constants:
        named: NeuronStatistics = collection.record(query.constants, *STATISTICS)
        return named
    records = [collection.record(entry.name) for entry in constants_of(collection, store)]
    if not records:
        raise ParameterError(
            "no record here has constants with which this model loses least; make one with onegrain constants, "
            "and give it to onegrain explore"
        )
    return next((record for record in records if _covers(record, interventions)), records[0])


def _covers(record: NeuronStatistics, interventions: Sequence[Intervention]) -> bool:
    """Return True if a record has a constant for every neuron of an edit."""
    constants = record.columns[OPTIMAL]
    sites = set(record.space.sites)
    return all(
        site in sites and not np.isnan(constants[[record.space.index(site, unit) for unit in units]]).any()
        for each in interventions
        for site, units in each.neurons.items()
    )


def _where(query: EditQuery) -> Where:
    from onegrain.interventions import Where

    if query.where == "label":
        return Where(words=query.words or None)
    if query.where == "regex":
        return Where(words=f"{MATCH}=yes")
    if query.where == "positions":
        try:
            return Where(positions=tuple(int(part) for part in query.positions.split(",")))
        except ValueError:
            raise ParameterError("positions are whole numbers with commas between them, such as 0,-1") from None
    if query.where in ("prompt", "generated"):
        return Where(part=query.where)
    return Where()
