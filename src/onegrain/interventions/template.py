"""An edit without its neurons, which an analysis applies to one set of neurons after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.registry import parse_edit
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.matching import matched_order, matching_cells
from onegrain.interventions.orders import random_permutations
from onegrain.interventions.references import References, measure_reference
from onegrain.interventions.where import Where
from onegrain.models import LoadedModel
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.records.statistics import NeuronStatistics

__all__ = ["EditTemplate", "described_places", "matched_sets"]


@dataclass(frozen=True, eq=False)
class EditTemplate:
    """An edit, its places, and what it takes its values from.

    Attributes:
        model: the model.
        edit: the edit.
        where: the places.
        recurrent: True if the state of LSTM layers is edited as well.
        reference: statistics measured on activations of the model, if the edit needs some.
        pairs: the paired sentences, if the edit needs some.
    """

    model: LoadedModel
    edit: NeuronEdit
    where: Where
    recurrent: bool
    reference: NeuronStatistics | None
    pairs: Corpus | None

    @classmethod
    def of(
        cls,
        model: LoadedModel,
        edit: str | NeuronEdit,
        where: Where | None,
        recurrent: bool,
        reference: NeuronStatistics | Activations | None,
        pairs: Corpus | None,
    ) -> EditTemplate:
        """Return the template of the arguments of an analysis; activations are measured once, here.

        Raises:
            ParameterError: the edit does not exist, or needs what is not given.
            MismatchError: the reference is of another model.
        """
        chosen = parse_edit(edit)
        if isinstance(reference, Activations):
            reference = measure_reference(reference, [chosen])
        References(model, [chosen], reference, pairs)
        return cls(model, chosen, where or Where(), recurrent, reference, pairs)

    def on(self, space: NeuronSpace, neurons: np.ndarray) -> Intervention:
        """Return the edit of some neurons (int64 flat indices) of a space."""
        return Intervention.of(space, neurons, self.edit, where=self.where, recurrent=self.recurrent)

    def require(self, space: NeuronSpace, neurons: np.ndarray) -> None:
        """Check that the reference has what the edit needs for these neurons, before any pass.

        Raises:
            ParameterError: the reference lacks a statistic or a label.
            MismatchError: the reference or the model lacks a site.
        """
        references = References(self.model, [self.edit], self.reference, self.pairs)
        points = {point.name: point for point in self.model.require_space(space)}
        for site, units in space.by_site(neurons).items():
            self.edit.at(references.of(points[site], units))

    def parameters(self) -> dict[str, Any]:
        """Return what a record says of the edit; places, state and pairs only if they were chosen."""
        return {"edit": str(self.edit), **described_places(self.where, self.recurrent, self.pairs)}

    def provenance(
        self, stage: str, ranking: Ranking, corpus: Corpus, parameters: dict[str, Any], seed: int
    ) -> Provenance:
        """Return the provenance of an analysis that edits a ranking's neurons with this template."""
        return Provenance(
            stage=stage,
            model=self.model.identity,
            corpus=CorpusIdentity.of(corpus),
            sites=ranking.space.sites,
            parameters={**parameters, **self.parameters()},
            seed=seed,
            inputs=(ranking.provenance, *([] if self.reference is None else [self.reference.provenance])),
        )


def described_places(where: Where, recurrent: bool, pairs: Corpus | None) -> dict[str, Any]:
    """Return what a record says of the places of an edit; places, state and pairs only if they were chosen."""
    described: dict[str, Any] = {}
    if not where.everywhere:
        described["where"] = where.to_json()
    if recurrent:
        described["recurrent"] = True
    if pairs is not None:
        described["pairs"] = CorpusIdentity.of(pairs).model_dump()
    return described


def matched_sets(space: NeuronSpace, neurons: np.ndarray, orders: int, seed: int) -> list[np.ndarray]:
    """Return random sets with as many neurons of each site as some neurons have, int64 flat indices each.

    Set i takes the first neurons of each site in random order number i, the one that :func:`neuron_orders` has
    for the same seed. Sets that are matched to equal numbers of neurons are therefore equal, and those matched
    to fewer are parts of them.

    Args:
        space: the neurons to draw from; the chosen ones are among them.
        neurons: flat indices of the neurons to match.
        orders: the number of sets.
        seed: random seed.
    """
    chosen = np.asarray(neurons, dtype=np.int64)
    order = np.concatenate([chosen, np.setdiff1d(np.arange(space.size), chosen)])
    cells = matching_cells("site", space)
    assert cells is not None
    return [
        np.sort(matched_order(order, random, cells)[: len(chosen)])
        for random in random_permutations(space.size, orders, seed)
    ]
