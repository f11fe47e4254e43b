"""The fragment of an edit's result: what the model writes or fills in before and after, with likelihoods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.explorer.addresses import address
from onegrain.explorer.edit_query import EditQuery
from onegrain.explorer.edited_neurons import edited_neurons
from onegrain.explorer.edited_text import paired_text, shown_text
from onegrain.explorer.edits import interventions_of, ranked_values, reference_of
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.edit import sliders_of
from onegrain.explorer.pages.edit_masks import EncoderEdit, MaskFill, edited_encoder, mask_figures, mask_fills
from onegrain.explorer.pages.page import Page, Shell, chosen_store, shell_of
from onegrain.explorer.pages.subwords import Subword
from onegrain.explorer.state import Explorer
from onegrain.explorer.tasks import architecture_of, continues
from onegrain.reports.rendering.numbers import percent

if TYPE_CHECKING:
    from onegrain.interventions import Intervention
    from onegrain.interventions.steered_text import ScoredText, SteeredText
    from onegrain.interventions.value_shift import ValueShift
    from onegrain.models import LoadedModel

__all__ = ["EditResultPage", "Stretch", "Subword", "edit_result", "interventions_at"]

Written = Literal["continuation", "translation", "masked words", "values"]


@dataclass(frozen=True)
class Stretch:
    """Words of a text that stay or change."""

    text: str
    changed: bool


@dataclass(frozen=True)
class EditResultPage(Page):
    """The result of an edit for one text.

    Attributes:
        query: the state.
        edits: the edit in words, one line for each value that neurons are set to.
        text: the text that the model reads.
        what: ``continuation``, ``translation``, ``masked words`` or, for an encoder that predicts none,
            ``values``.
        changed: True if a word that the model writes or fills in changed; without any, if its values did.
        file: the address of the edit as a file for ``onegrain steer``.
        before, after: both texts in stretches; none for an encoder.
        subwords_before, subwords_after: the subwords of both texts; none for an encoder.
        masks: the masked places of the text that an encoder reads, with the words that it fills in.
        masks_left_out: number of words that were not masked, since the text is long.
        no_masks: why an encoder fills in no words; empty otherwise.
    """

    query: EditQuery
    shell: Shell
    figures: tuple[Figure, ...]
    edits: tuple[str, ...]
    text: str
    what: Written
    changed: bool
    file: str
    before: tuple[Stretch, ...] = ()
    after: tuple[Stretch, ...] = ()
    subwords_before: tuple[Subword, ...] = ()
    subwords_after: tuple[Subword, ...] = ()
    masks: tuple[MaskFill, ...] = ()
    masks_left_out: int = 0
    no_masks: str = ""


def edit_result(explorer: Explorer, query: EditQuery) -> EditResultPage:
    """Return what a model does with a text before and after an edit; the model runs in the queue.

    Raises:
        NotFoundError: the model of the store is not in the collection, or a name is unknown.
        ParameterError: no neuron or text is given, a parameter is missing, or the edit touched no value.
        BusyError: too much other work waits for the model.
        TimeLimitError: the model takes too long.
    """
    store = chosen_store(explorer.collection, query)
    activations = explorer.collection.store(store.name)
    corpus = shown_text(explorer, activations, query)
    if corpus is None:
        raise ParameterError("type the text that the model is to translate")
    pairs = paired_text(explorer, activations, query)
    interventions = interventions_at(explorer, query)
    sources: dict[str, Any] = {
        "reference": reference_of(explorer.collection, store, query, interventions),
        "pairs": pairs,
    }

    def work(model: LoadedModel, progress: Progress) -> SteeredText | EncoderEdit:
        from onegrain.interventions.steered_text import steer_text

        if model.task == "encoder":
            return edited_encoder(model, interventions, corpus, sources)
        return steer_text(model, interventions, corpus, **sources, max_new_tokens=query.max_new_tokens)

    result = explorer.work.run(store, work)
    context = {
        "title": "What the edit does",
        "query": query,
        "shell": shell_of(explorer, "edit-result", query),
        "edits": tuple(map(str, interventions)),
        "text": " ".join(corpus.words),
        "file": address("edit/file", query),
    }
    return _encoded(context, result) if isinstance(result, EncoderEdit) else _written(context, result)


def interventions_at(explorer: Explorer, query: EditQuery) -> list[Intervention]:
    """Return the edit of an address.

    Raises:
        NotFoundError: the address names a ranking or a label that is not here.
        ParameterError: no neuron is chosen, or a parameter is missing.
    """
    store = chosen_store(explorer.collection, query)
    neurons = edited_neurons(explorer, store, query)
    values: list[float] = []
    if query.kind == "clamp":
        values += (slider.value for slider in sliders_of(explorer, store, neurons.named, query))
        values += ranked_values(explorer.collection, store, neurons.ranked, query.strength)
    only_prompt = continues(architecture_of(explorer.collection.store(store.name).provenance))
    return interventions_of(query, neurons.names, values, only_prompt=only_prompt)


def _written(context: dict[str, Any], result: SteeredText) -> EditResultPage:
    """Return the page of a model that writes."""
    parts = result.steering.differences(0)
    written, rewritten = _subwords(result.before), _subwords(result.after)
    what: Written = "translation" if result.steering.translated else "continuation"
    return EditResultPage(
        **context,
        figures=(
            _subword_figure("before", f"The {what} before the edit", written),
            _subword_figure("after", f"The {what} after the edit", rewritten),
        ),
        what=what,
        before=tuple(Stretch(" ".join(part.before), part.changed) for part in parts if part.before),
        after=tuple(Stretch(" ".join(part.after), part.changed) for part in parts if part.after),
        changed=result.steering.changed()[0],
        subwords_before=written,
        subwords_after=rewritten,
    )


def _encoded(context: dict[str, Any], result: EncoderEdit) -> EditResultPage:
    """Return the page of an encoder: the words that it fills in, and the change of its values."""
    masks = mask_fills(result)
    shift = _shift_figure(result.shift)
    return EditResultPage(
        **context,
        figures=(*mask_figures(masks), shift),
        what="masked words" if masks else "values",
        changed=bool((result.shift.change > 0).any()) if not masks else any(mask.changed for mask in masks),
        masks=masks,
        masks_left_out=result.left_out,
        no_masks=result.no_masks,
    )


def _subwords(text: ScoredText) -> tuple[Subword, ...]:
    scored = zip(text.subwords, text.before, text.after, strict=True)
    return tuple(Subword.of(subword, float(before), float(after)) for subword, before, after in scored)


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
    caption = f"The values of the model at {shift.site} change by {percent(moved)} of their length on average."
    table = FigureTable.of(("word", "cosine before and after", "change, share of the length"), rows)
    return Figure("values", "The values before and after the edit", None, table, caption)
