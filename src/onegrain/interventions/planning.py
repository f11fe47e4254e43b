"""The plan of a sweep: which neurons are edited at each point of each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onegrain.core.options import require_choice, require_count
from onegrain.errors import CorpusError, LabelError, ParameterError
from onegrain.interventions.belonging import require_ranking_of
from onegrain.interventions.editing import require_editable
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.registry import parse_edit
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.matching import MATCHES, change_sizes, matching_cells
from onegrain.interventions.orders import line_counts, neuron_orders, require_lines, sweep_counts
from onegrain.interventions.where import Where
from onegrain.metrics import Metric
from onegrain.models import LoadedModel
from onegrain.records.corpus import Corpus
from onegrain.records.curve import ALL_LINES
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.records.statistics import NeuronStatistics

__all__ = [
    "Grid",
    "PlannedLine",
    "edits_by_text",
    "plan_lines",
    "require_pairs_of",
    "require_possible",
    "require_words",
]


INTACT = Intervention({})
"""No edit. Every line begins with it, so that the intact model is measured once."""


@dataclass(frozen=True)
class Grid:
    """Which lines of a sweep are measured, and at which numbers of neurons; see :func:`onegrain.sweep`."""

    lines: Sequence[str]
    steps: int = 20
    counts: Sequence[int] | None = None
    shares: Sequence[float] | None = None
    every: int | None = None
    max_erased: int | None = None
    random_orders: int = 5
    match: str = "site"
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", require_lines(self.lines))
        if "random" in self.lines:
            require_count("random_orders", self.random_orders)
        require_choice("match", self.match, tuple(MATCHES))

    def numbers(self, neurons: int) -> list[int]:
        """Return the numbers of neurons of a ranking; see :func:`sweep_counts`."""
        return sweep_counts(
            neurons,
            steps=self.steps,
            counts=self.counts,
            shares=self.shares,
            every=self.every,
            max_erased=self.max_erased,
        )

    def described(self) -> dict[str, Any]:
        """Return what a record says of the lines; of the random orders only if there are some."""
        random = {"random_orders": self.random_orders, "match": self.match}
        return {"lines": list(self.lines), **(random if "random" in self.lines else {})}


@dataclass(frozen=True, eq=False)
class PlannedLine:
    """One line of a sweep.

    Attributes:
        ranking: the name of the ranking.
        label: the label whose order it is; None for the ranking's own.
        edit: the edit, as text.
        line: one of ``ALL_LINES``.
        number: the number of the random order, else 0.
        counts: the numbers of neurons that are edited.
        interventions: the edit of that many neurons, for each number.
    """

    ranking: str
    label: str | None
    edit: str
    line: str
    number: int
    counts: list[int]
    interventions: list[Intervention]


def edits_by_text(edits: str | NeuronEdit | Iterable[str | NeuronEdit]) -> dict[str, NeuronEdit]:
    """Return edits by their text, each once.

    Raises:
        ParameterError: a text names no edit, or there is none.
    """
    several = [edits] if isinstance(edits, str | NeuronEdit) else list(edits)
    parsed = [parse_edit(edit) for edit in several]
    if not parsed:
        raise ParameterError("edits is empty; name at least one, such as zero")
    return {str(edit): edit for edit in parsed}


def require_possible(
    model: LoadedModel,
    rankings: Iterable[Ranking],
    templates: Iterable[Intervention],
    reference: NeuronStatistics | None,
    pairs: Corpus | None,
) -> None:
    """Check before any measurement that a model has the neurons, and that the edits have what they need.

    Raises:
        MismatchError: a ranking or the reference is of another model, or the model lacks a site.
        ModelError: a site does not have a unit.
        ParameterError: an edit lacks its reference, or is not possible at a site.
    """
    listed = list(templates)
    for ranking in rankings:
        require_ranking_of(model, ranking)
        everything = Intervention.of(ranking, ranking.space.size)
        for template in listed:
            chosen = replace(template, neurons=everything.neurons)
            require_editable(model, [chosen], reference=reference, pairs=pairs)


def require_pairs_of(pairs: Corpus | None, metrics: Mapping[str, Metric]) -> None:
    """Check that each sentence of every metric's corpus has a pair.

    Raises:
        CorpusError: the numbers of sentences differ.
    """
    for name, metric in metrics.items():
        if pairs is not None and metric.corpus.n_sentences != pairs.n_sentences:
            raise CorpusError(
                f"{pairs.n_sentences} paired sentences for the {metric.corpus.n_sentences} sentences that "
                f"{name} is measured on; interchange needs a pair for each sentence",
                pairs.source,
            )


def require_words(where: Where, metrics: Mapping[str, Metric]) -> None:
    """Check that the corpora of the metrics have the words at which neurons are edited.

    Raises:
        LabelError: neither side of a corpus has the label layer with the label.
    """
    if where.words is None:
        return
    layer, _, label = where.words.partition("=")
    for name, metric in metrics.items():
        sides = [side for side in (metric.corpus, metric.corpus.target) if side is not None]
        if not any(layer in side.layers and label in side.layers[layer].vocabulary for side in sides):
            raise LabelError(
                f"the corpus that {name} is measured on, {metric.corpus.source}, has no words with "
                f"{where.words}; give it this label layer, or choose other words"
            )


def plan_lines(
    model: LoadedModel,
    rankings: Mapping[tuple[str, str | None], Ranking],
    templates: Mapping[str, Intervention],
    grid: Grid,
    reference: NeuronStatistics | None,
) -> Iterator[PlannedLine]:
    """Yield the lines of every ranking under every edit.

    Args:
        model: the model.
        rankings: (name, label) -> ranking.
        templates: text of an edit -> the edit, without neurons.
        grid: the lines and numbers.
        reference: statistics of the neurons, for random orders that are matched by size.
    """
    for (name, label), ranking in rankings.items():
        counts = grid.numbers(ranking.space.size)
        for text, template in templates.items():
            cells = None
            if "random" in grid.lines:
                by_size = grid.match == "size"
                sizes = change_sizes(model, ranking.space, template.edit, reference) if by_size else None
                cells = matching_cells(grid.match, ranking.space, sizes)
            orders = neuron_orders(ranking, grid.lines, grid.random_orders, grid.seed, cells)
            for line in ALL_LINES:
                for number, order in enumerate(orders.get(line, ())):
                    numbers = line_counts(line, counts, ranking.space.size)
                    edited = [_edit_of(template, ranking.space, order[:count]) for count in numbers]
                    yield PlannedLine(name, label, text, line, number, numbers, edited)


def _edit_of(template: Intervention, space: NeuronSpace, neurons: np.ndarray) -> Intervention:
    if not len(neurons):
        return INTACT
    units = space.by_site(neurons)
    return replace(template, neurons={site: tuple(of.tolist()) for site, of in units.items()})
