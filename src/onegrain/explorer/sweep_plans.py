"""The plan of the sweep that an address names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onegrain.errors import ParameterError
from onegrain.explorer.collection import Collection
from onegrain.explorer.sweep_offers import (
    Offer,
    SweptModel,
    chosen_model,
    chosen_offer,
    offers_of,
    stores_of,
    swept_models,
)
from onegrain.explorer.sweep_query import SweepQuery
from onegrain.metrics.registry import create_metric
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking

if TYPE_CHECKING:
    from onegrain.interventions.planned import PlannedSweep
    from onegrain.models import LoadedModel

__all__ = ["ChosenSweep", "choose_sweep", "sweeping"]


@dataclass(frozen=True, eq=False)
class ChosenSweep:
    """The model, measure, rankings and store that a state names, opened."""

    model: SweptModel
    offer: Offer
    rankings: dict[str, Ranking]
    reference: Activations | None


def choose_sweep(collection: Collection, query: SweepQuery) -> ChosenSweep:
    """Return what a state names.

    Raises:
        NotFoundError: a name is unknown.
        ParameterError: nothing can be measured, a ranking is of another model, or a kind needs a store.
    """
    model = chosen_model(swept_models(collection), query)
    if model is None:
        raise ParameterError("no model with rankings can be loaded here; name its folder to onegrain explore")
    offer = chosen_offer(offers_of(collection, model), query)
    if offer is None:
        raise ParameterError(
            f"nothing here can be measured of {model.name}; give a store of its activations, or its study"
        )
    names = query.ranking or model.rankings[:1]
    for name in names:
        collection.entry(name, "ranking")
        if name not in model.rankings:
            raise ParameterError(f"the ranking {name} is of another model than {model.name}")
    rankings = {collection.entry(name).title: collection.record(name, "ranking") for name in names}
    if len(rankings) < len(names):
        raise ParameterError("two rankings have the same name; choose one of them")
    reference = None
    if set(query.kind) - {"zero"}:
        sites = {site for ranking in rankings.values() for site in ranking.space.sites}
        stores = [store for _, store in stores_of(collection, model) if sites <= set(store.space.sites)]
        if not stores:
            raise ParameterError(f"{', '.join(query.kind)} needs a store with the activations of {model.name}")
        reference = stores[0]
    return ChosenSweep(model, offer, rankings, reference)


def sweeping(chosen: ChosenSweep, query: SweepQuery) -> Callable[[LoadedModel], PlannedSweep]:
    """Return the function that plans a sweep in a loaded model.

    Args:
        chosen: what the state names.
        query: the state.
    """
    metric = create_metric(chosen.offer.metric, chosen.offer.corpus(query.sentences))

    def plan(model: LoadedModel) -> PlannedSweep:
        from onegrain.interventions.planned import plan_sweep
        from onegrain.interventions.planning import Grid

        grid = Grid(query.line, query.steps, random_orders=query.orders)
        return plan_sweep(
            model,
            chosen.rankings,
            {metric.name: metric},
            list(query.kind),
            grid,
            reference=chosen.reference,
        )

    return plan
