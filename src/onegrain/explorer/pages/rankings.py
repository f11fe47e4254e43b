"""The page of rankings: all rankings by model, and the order of one of them as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from onegrain.explorer.addresses import LONGEST_NAME, PageQuery, address, changed, link
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.figures import Figure
from onegrain.explorer.orders import RANKING, Order, order_of, ranking_of, store_of
from onegrain.explorer.pages.page import Choice, Page, Shell, chosen_store, shell_of
from onegrain.explorer.pages.ranked_neurons import NeuronLinks, RankedNeuron, ranked_neuron
from onegrain.explorer.pages.rankings_figures import order_figures, selected_neurons, sorted_neurons
from onegrain.explorer.state import Explorer
from onegrain.library import ACTIVATIONS
from onegrain.records.ranking import Ranking

__all__ = ["RankedNeuron", "RankingGroup", "RankingsPage", "RankingsQuery", "rankings"]

ROWS = 50
Sort = Literal["rank", "-rank", "score", "-score", "neuron", "-neuron", "interval", "-interval"]


class RankingsQuery(PageQuery):
    """The state of the page of rankings."""

    ranking: str = Field("", max_length=LONGEST_NAME, description="Ranking, by its name.")
    label: str = Field("", max_length=LONGEST_NAME, description="Label whose own order is shown.")
    site: str = Field("", max_length=LONGEST_NAME, description="Pattern of sites, such as layers.* or **.")
    low: float = Field(0.0, ge=0.0, le=100.0, description="Leave out the first per cent of the order.")
    high: float = Field(100.0, ge=0.0, le=100.0, description="Show the order up to this per cent.")
    sort: Sort = Field("rank", description="Column to sort by; a minus sign for descending.")
    page: int = Field(1, ge=1, le=10**9, description="Page of 50 rows.")

    @model_validator(mode="after")
    def _rising(self) -> RankingsQuery:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


@dataclass(frozen=True)
class RankingGroup:
    """The rankings of one model."""

    model: str
    rankings: tuple[Choice, ...]


@dataclass(frozen=True)
class RankingsPage(Page):
    """The page of rankings.

    Attributes:
        query: the state.
        groups: all rankings, by model; the chosen one is current.
        ranking: the chosen ranking; empty without one.
        model, method, corpus, layer: facts of it.
        labels: its own order, and those of its labels.
        neurons: number of its neurons.
        n_ranked: number of neurons that the method ranks.
        store: the store in which its neurons are looked at; empty if none has them.
        unit: unit of the damage; empty without.
        effect_of: the metric and the edit of the damage; empty without.
        effect_record: the name of the record that the damage is from; empty without.
        interval_of: where the rank intervals are from; empty without.
        selected: number of neurons that pass the filters.
        rows: one page of them.
        first: the number of the first row among the selected ones, from 1.
        sorts: name of a column -> the address that sorts by it.
        previous, following: addresses of the neighbouring pages of rows; empty at the ends.
        accuracy: of the method's own probe on held-out words, as text; empty without.
    """

    query: RankingsQuery
    shell: Shell
    figures: tuple[Figure, ...]
    groups: tuple[RankingGroup, ...]
    ranking: str
    model: str
    method: str
    corpus: str
    layer: str
    labels: tuple[Choice, ...]
    neurons: int
    n_ranked: int
    store: str
    unit: str
    effect_of: str
    effect_record: str
    interval_of: str
    selected: int
    rows: tuple[RankedNeuron, ...]
    first: int
    sorts: dict[str, str]
    previous: str
    following: str
    accuracy: str


def rankings(explorer: Explorer, query: RankingsQuery) -> RankingsPage:
    """Return the page of rankings in a state.

    Raises:
        NotFoundError: the ranking, label or page of rows does not exist.
        ModelError: no site matches the pattern.
    """
    collection = explorer.collection
    entry = _chosen(collection, query)
    shell = shell_of(explorer, "rankings", query)
    groups = _groups(collection, query, entry)
    if entry is None:
        return RankingsPage(
            "Rankings", shell, (), query, groups, "", "", "", "", "", (), 0, 0, "", "", "", "", "", 0, (), 0,
            {}, "", "", "",
        )  # fmt: skip
    ranking, order = ranking_of(collection, entry.name), order_of(collection, entry.name, query.label)
    store = store_of(collection, entry, order.ranking.space, query.store)
    chosen = sorted_neurons(order, selected_neurons(order, query.low, query.high, query.site), query.sort)
    pages = max(1, -(-len(chosen) // ROWS))
    if query.page > pages:
        raise NotFoundError(f"the last page of these rows is {pages}, not {query.page}")
    first = (query.page - 1) * ROWS
    effect = order.finest_curve
    links = NeuronLinks(collection, query, entry, query.label, store)
    return RankingsPage(
        title="Rankings",
        shell=shell,
        figures=tuple(order_figures(order, chosen, (query.low, query.high), is_filtered=bool(query.site))),
        query=query,
        groups=groups,
        ranking=entry.name,
        model=entry.model,
        method=order.ranking.method,
        corpus=entry.corpus,
        layer=order.ranking.layer or "",
        labels=_labels(ranking, order, query),
        neurons=len(order.ranking),
        n_ranked=order.ranking.n_ranked,
        store="" if store is None else store.name,
        unit="" if effect is None else effect.unit,
        effect_of="" if effect is None else f"{effect.metric}, {effect.edit}",
        effect_record="" if effect is None else effect.record,
        interval_of=order.interval_source,
        selected=len(chosen),
        rows=tuple(ranked_neuron(order, int(index), effect, links) for index in chosen[first : first + ROWS]),
        first=first + 1,
        sorts=_sorts(query),
        previous=address("rankings", changed(query, page=query.page - 1)) if query.page > 1 else "",
        following=address("rankings", changed(query, page=query.page + 1)) if query.page < pages else "",
        accuracy=_accuracy(ranking),
    )


def _chosen(collection: Collection, query: RankingsQuery) -> Entry | None:
    """Return the ranking that a state names, else the first of its store's model, else the first."""
    if query.ranking:
        return collection.entry(query.ranking, RANKING)
    every = collection.of_kind(RANKING)
    if collection.of_kind(ACTIVATIONS):
        weights = chosen_store(collection, query).weights
        every = collection.about(weights, RANKING) or every
    return every[0] if every else None


def _groups(collection: Collection, query: RankingsQuery, chosen: Entry | None) -> tuple[RankingGroup, ...]:
    by_model: dict[str, list[Entry]] = {}
    for entry in collection.of_kind(RANKING):
        by_model.setdefault(entry.model or "unknown model", []).append(entry)
    return tuple(
        RankingGroup(
            model,
            tuple(
                Choice(
                    entry.title,
                    f"{entry.method}{f', {entry.layer}' if entry.layer else ''}",
                    link("rankings", query, ranking=entry.name),
                    current=chosen is not None and entry.name == chosen.name,
                )
                for entry in sorted(entries, key=lambda entry: (entry.method, entry.name))
            ),
        )
        for model, entries in sorted(by_model.items())
    )


def _labels(ranking: Ranking, order: Order, query: RankingsQuery) -> tuple[Choice, ...]:
    every = ranking.labels if ranking.label_scores is not None else ()
    return tuple(
        Choice(
            label,
            label or "all neurons",
            address("rankings", changed(query, label=label, page=1)),
            current=label == order.label,
        )
        for label in ("", *every)
    )


def _sorts(query: RankingsQuery) -> dict[str, str]:
    """Return for each column the address that sorts by it, or the other way round if it is sorted already."""
    first = {"rank": "rank", "neuron": "neuron", "score": "-score", "interval": "interval"}
    turned = {"": "-", "-": ""}
    targets = {}
    for name, sort in first.items():
        if query.sort.removeprefix("-") == name:
            sort = turned[query.sort.removesuffix(name)] + name
        targets[name] = address("rankings", changed(query, sort=sort, page=1))
    return targets


def _accuracy(ranking: Ranking) -> str:
    """Return how well the method's own probe did on held-out words; empty if the record does not say."""
    facts = ranking.summary()
    if "accuracy" not in facts:
        return ""
    interval = facts.get("95 % interval")
    text = f"{100 * facts['accuracy']:.1f} %"
    if interval is not None:
        text += f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
    return f"{text}, most frequent label {100 * facts['majority']:.1f} %"
