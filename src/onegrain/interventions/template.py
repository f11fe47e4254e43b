"""An edit without its neurons, which an analysis applies to one set of neurons after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, silent
from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.optimal import FoundConstants, Optimal
from onegrain.interventions.edits.registry import parse_edit
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.matching import matched_order, matching_cells
from onegrain.interventions.optimal_constants import optimal_constants
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
        text: for ``optimal`` with activations as its reference, their words, on which the constants of each set
            of neurons are found; None if the reference has the constants.
    """

    model: LoadedModel
    edit: NeuronEdit
    where: Where
    recurrent: bool
    reference: NeuronStatistics | None
    pairs: Corpus | None
    text: Corpus | None = None

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
        text = reference.corpus if isinstance(reference, Activations) and chosen == Optimal() else None
        if isinstance(reference, Activations):
            reference = measure_reference(reference, [chosen])
        References(model, [chosen], reference, pairs)
        return cls(model, chosen, where or Where(), recurrent, reference, pairs, text)

    def on_each(
        self, space: NeuronSpace, sets: Sequence[np.ndarray], batch_size: int, progress: Progress
    ) -> list[list[Intervention]]:
        """Return the edit of each of several sets of neurons (int64 flat indices) of a space.

        Optimal constants are found for each set, as they depend on the neurons that are edited together.

        Raises:
            ParameterError: the reference lacks a statistic or a label.
            MismatchError: the reference or the model lacks a site.
        """
        edits = [
            Intervention.of(space, each, self.edit, where=self.where, recurrent=self.recurrent) for each in sets
        ]
        if self.text is None:
            self._require(space, np.unique(np.concatenate(sets)))
            return [[each] for each in edits]
        unique, solved = list(dict.fromkeys(edits)), {}
        with progress("constants", len(unique), "sets of neurons") as advance:
            for each in unique:
                solved[each] = self._with_constants(each, self.text, batch_size)
                advance(1)
        return [solved[each] for each in edits]

    def _with_constants(self, edit: Intervention, text: Corpus, batch_size: int) -> list[Intervention]:
        """Return an edit ``optimal`` with its constants, one intervention for each site."""
        statistics = optimal_constants(
            self.model, text, edit, reference=self.reference, batch_size=batch_size, progress=silent
        )
        constants, parts = statistics.column("optimal"), []
        for site, units in edit.neurons.items():
            flat = statistics.space.slice(site).start + np.array(units)
            parts.append(replace(edit, neurons={site: units}, edit=FoundConstants(units, constants[flat])))
        return parts

    def _require(self, space: NeuronSpace, neurons: np.ndarray) -> None:
        """Check that the reference has what the edit needs for these neurons, before any pass."""
        references = References(self.model, [self.edit], self.reference, self.pairs)
        points = {point.name: point for point in self.model.require_space(space)}
        for site, units in space.by_site(neurons).items():
            try:
                self.edit.at(references.of(points[site], units))
            except ParameterError as error:
                if self.edit != Optimal():
                    raise
                raise ParameterError(
                    f"{error}. Random neurons are edited, too: with activations of the model as the reference, "
                    "such as a small store, the constants of every set of neurons are found on their words"
                ) from None

    def parameters(self) -> dict[str, Any]:
        """Return what a record says of the edit; places, state and pairs only if they were chosen."""
        constants = {} if self.text is None else {"constants": "found for each set of neurons"}
        places = described_places(self.where, self.recurrent, self.pairs)
        return {"edit": str(self.edit), **constants, **places}

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

    Set i takes the first neurons of each site in the site's random order number i, so that sets that are
    matched to equal numbers of neurons are equal, and those matched to fewer are parts of them.

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
    randoms = random_permutations(space.size, orders, seed)
    return [np.sort(matched_order(order, random, cells)[: len(chosen)]) for random in randoms]
