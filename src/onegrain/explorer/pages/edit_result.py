"""What the model writes before and after an edit, a fragment, with the likelihood of every subword."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.explorer.addresses import address
from onegrain.explorer.edits import EditQuery, chosen_neurons, interventions_of, reference_of, shown_text
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.edit import sliders_of
from onegrain.explorer.pages.page import Page, Shell, chosen_store, shell_of
from onegrain.explorer.state import Explorer
from onegrain.reports.rendering.drawings import level
from onegrain.reports.rendering.numbers import percent

if TYPE_CHECKING:
    from onegrain.interventions import Intervention
    from onegrain.interventions.steered_text import ScoredText, SteeredText
    from onegrain.interventions.value_shift import ValueShift
    from onegrain.models import LoadedModel

__all__ = ["EditResultPage", "Stretch", "Subword", "edit_result", "interventions_at"]

STRONGEST = 5.0
"""Change of a log-probability, in nats, at which the colour of a subword is strongest."""


@dataclass(frozen=True)
class Stretch:
    """Words of a text that stay or change."""

    text: str
    changed: bool


@dataclass(frozen=True)
class Subword:
    """A written subword.

    Attributes:
        text: the subword.
        before, after: its log-probability before and after the edit, in nats.
        change: the difference.
        level: the change on the diverging scale of colours.
    """

    text: str
    before: float
    after: float
    change: float
    level: int | None


@dataclass(frozen=True)
class EditResultPage(Page):
    """What an edit does to one text.

    Attributes:
        query: the state.
        edits: the edit in words, one line for each value that neurons are set to.
        text: the text that the model reads.
        what: ``continuation``, ``translation`` or, for an encoder, ``values``.
        before, after: both texts in stretches; none for an encoder.
        changed: True if a word of the text changed.
        subwords_before, subwords_after: the subwords of both texts; none for an encoder.
        file: the address of the edit as a file for ``onegrain steer``.
    """

    query: EditQuery
    shell: Shell
    figures: tuple[Figure, ...]
    edits: tuple[str, ...]
    text: str
    what: str
    before: tuple[Stretch, ...]
    after: tuple[Stretch, ...]
    changed: bool
    subwords_before: tuple[Subword, ...]
    subwords_after: tuple[Subword, ...]
    file: str


def edit_result(explorer: Explorer, query: EditQuery) -> EditResultPage:
    """Return what a model does with a text before and after an edit; the model runs in the queue.

    Raises:
        NotFoundError: the model of the store is not in the collection.
        ParameterError: there is no neuron or text, a parameter is missing, or the edit touched no value.
        BusyError: too much other work waits for the model.
        TimeLimitError: the model takes too long.
    """
    store = chosen_store(explorer.collection, query)
    activations = explorer.collection.store(store.name)
    corpus = shown_text(explorer, activations, query)
    if corpus is None:
        raise ParameterError("type the text that the model is to translate")
    interventions = interventions_at(explorer, query)
    reference = reference_of(explorer.collection, store, query, interventions)

    def work(model: LoadedModel, progress: Progress) -> SteeredText | ValueShift:
        from onegrain.interventions.steered_text import steer_text
        from onegrain.interventions.value_shift import value_shift

        if model.task == "encoder":
            return value_shift(model, interventions, corpus, reference=reference)
        return steer_text(
            model, interventions, corpus, reference=reference, max_new_tokens=query.max_new_tokens
        )

    result = explorer.work.run(store, work)
    return _page(explorer, query, interventions, " ".join(corpus.words), result)


def interventions_at(explorer: Explorer, query: EditQuery) -> list[Intervention]:
    """Return the edit of an address.

    Raises:
        ParameterError: there is no neuron, or a parameter is missing.
    """
    store = chosen_store(explorer.collection, query)
    neurons = chosen_neurons(explorer, explorer.collection.store(store.name), query)
    values = [slider.value for slider in sliders_of(explorer, store, neurons, query)]
    return interventions_of(query, neurons, values)


def _page(
    explorer: Explorer,
    query: EditQuery,
    interventions: Sequence[Intervention],
    text: str,
    result: SteeredText | ValueShift,
) -> EditResultPage:
    from onegrain.interventions.steered_text import SteeredText

    before: tuple[Stretch, ...] = ()
    after: tuple[Stretch, ...] = ()
    written: tuple[Subword, ...] = ()
    rewritten: tuple[Subword, ...] = ()
    figures: tuple[Figure, ...]
    if isinstance(result, SteeredText):
        parts = result.steering.differences(0)
        before = tuple(Stretch(" ".join(part.before), part.changed) for part in parts if part.before)
        after = tuple(Stretch(" ".join(part.after), part.changed) for part in parts if part.after)
        written, rewritten = _subwords(result.before), _subwords(result.after)
        what = "translation" if result.steering.translated else "continuation"
        figures = (
            _subword_figure("before", f"The {what} before the edit", written),
            _subword_figure("after", f"The {what} after the edit", rewritten),
        )
        changed = result.steering.changed()[0]
    else:
        what, figures, changed = "values", (_shift_figure(result),), bool((result.change > 0).any())
    return EditResultPage(
        title="What the edit does",
        query=query,
        shell=shell_of(explorer, "edit-result", query),
        figures=figures,
        edits=tuple(map(str, interventions)),
        text=text,
        what=what,
        before=before,
        after=after,
        changed=changed,
        subwords_before=written,
        subwords_after=rewritten,
        file=address("edit/file", query),
    )


def _subwords(text: ScoredText) -> tuple[Subword, ...]:
    return tuple(
        Subword(
            subword,
            float(before),
            float(after),
            _change(before, after),
            level(_change(before, after), STRONGEST),
        )
        for subword, before, after in zip(text.subwords, text.before, text.after, strict=True)
    )


def _change(before: float, after: float) -> float:
    change = float(after) - float(before)
    return change if math.isfinite(change) else math.nan


def _subword_figure(name: str, title: str, subwords: Sequence[Subword]) -> Figure:
    rows = [(subword.text, subword.before, subword.after, subword.change) for subword in subwords]
    columns = ("subword", "log-probability before", "after", "change")
    caption = (
        "Log-probability of each subword given those before it, in nats, in the untouched and edited model."
    )
    return Figure(name, title, None, FigureTable.of(columns, rows), caption)


def _shift_figure(shift: ValueShift) -> Figure:
    rows = zip(shift.words, shift.cosine, shift.change, strict=True)
    moved = float(np.nanmean(shift.change)) if np.isfinite(shift.change).any() else math.nan
    caption = (
        f"This model writes no text. Its values at {shift.site} change by {percent(moved)} of their length on "
        "average."
    )
    table = FigureTable.of(("word", "cosine before and after", "change, share of the length"), rows)
    return Figure("values", "The values before and after the edit", None, table, caption)
