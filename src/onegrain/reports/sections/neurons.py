"""Section on single neurons: one card for each, with the words that move it and its values as coloured text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from onegrain.analyses.neurons.heat import heat
from onegrain.analyses.neurons.histogram import value_histogram
from onegrain.analyses.neurons.words import NeuronScale, NeuronWords, top_words
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Block, Fold, HeatMap, Section, Sketch, Table, Text
from onegrain.reports.rendering.drawings import Histogram, Mark

__all__ = ["card_anchors", "neurons_section"]

SENTENCES = 4
IN_TABLE = 8
OF_LABEL = 5
CONTEXTS = 3


def neurons_section(
    activations: Activations,
    ranking: Ranking,
    k: int = 5,
    *,
    min_count: int = 3,
    prefix: str = "neuron",
    explain: bool = True,
) -> Section:
    """Return a section with a card for each of a ranking's first k neurons, and for the first of every label.

    Args:
        activations: activations of the ranking's model; any corpus.
        ranking: ranking of the same neurons.
        k: number of first neurons that get a card.
        min_count: leave out word types that occur less often than this.
        prefix: prefix of the anchors of the cards, unique in the page.
        explain: begin with a paragraph on what the words and numbers are, and open the first card.

    Raises:
        MismatchError: the ranking is of other neurons.
        ParameterError: k is outside 1..neurons, or the ranking ranks none.
    """
    activations.space.require_same(ranking.space, "the ranking does not belong to these activations")
    first = _first(ranking, k)
    by_label = _first_of_labels(ranking)
    every = list(dict.fromkeys([*first, *by_label.values()]))
    words = dict(zip(every, top_words(activations, every, IN_TABLE, min_count=min_count), strict=True))
    anchors = card_anchors(ranking, k, prefix)
    blocks: list[Block] = []
    if explain:
        text = (
            f"The words of {activations.corpus.source} that move a neuron most, in both directions. Numbers "
            "are standard deviations from the neuron's mean, averaged over a word's occurrences; words seen "
            f"fewer than {min_count} times are left out."
        )
        blocks.append(Text.of(text))
    if by_label:
        blocks.append(_label_table(by_label, words, ranking, anchors))
    positions = ranking.positions()
    for index in every:
        card = _card(activations, words[index])
        title = f"{words[index].name}, number {int(positions[index]) + 1}{_meaning(ranking, index)}"
        anchor = anchors[words[index].name]
        if explain and index == first[0]:
            blocks += [Text((), title, anchor), *card]
        else:
            blocks.append(Fold(title, card, anchor))
    return Section("Single neurons", blocks, "neurons")


def card_anchors(ranking: Ranking, k: int, prefix: str) -> dict[str, str]:
    """Return the neurons that :func:`neurons_section` gives a card: name -> anchor in the page."""
    every = dict.fromkeys([*_first(ranking, k), *_first_of_labels(ranking).values()])
    return {ranking.space.name(index): f"{prefix}-{index}" for index in every}


def _first(ranking: Ranking, k: int) -> list[int]:
    first = [int(index) for index in ranking.order[: min(ranking.require_k(k), ranking.n_ranked)]]
    if not first:
        raise ParameterError(f"this {ranking.method} ranking ranks no neuron, so there is none to show")
    return first


def _first_of_labels(ranking: Ranking) -> dict[str, int]:
    """Return the first neuron of every label that has any weight."""
    if ranking.label_scores is None:
        return {}
    best = {}
    for label, scores in zip(ranking.labels, ranking.label_scores, strict=True):
        if np.nan_to_num(scores).any():
            best[label] = int(ranking.label(label).order[0])
    return best


def _meaning(ranking: Ranking, index: int) -> str:
    """Return what a high value of a neuron means for the label to which it matters most, if weights say so."""
    if ranking.weights is None or not np.isfinite(ranking.weights[:, index]).all():
        return ""
    weights = ranking.weights[:, index]
    strongest = int(np.argmax(np.abs(weights)))
    if weights[strongest] == 0:
        return ""
    return f" – high values mean {'more' if weights[strongest] > 0 else 'less'} {ranking.labels[strongest]}"


def _listing(words: NeuronWords, direction: str, n: int = IN_TABLE, sign: float = 1.0) -> str:
    rows = words.words[words.words["direction"] == direction].head(n)
    return ", ".join(f"{row.word} ({sign * row.deviation:+.1f})" for row in rows.itertuples())


def _label_table(
    by_label: Mapping[str, int], words: Mapping[int, NeuronWords], ranking: Ranking, anchors: Mapping[str, str]
) -> Table:
    """Return one row per label: its first neuron, and the words at which it speaks against and for the label.

    With weights, the signs are turned so that high means more of the label. Without, they are the neuron's own.
    """
    rows = []
    for label, index in by_label.items():
        row: dict[str, object] = {"label": label, "neuron": words[index].name}
        sign = 1.0
        if ranking.weights is not None:
            weight = float(ranking.weights[ranking.labels.index(label), index])
            row["weight"] = weight
            sign = -1.0 if weight < 0 else 1.0
        low, high = ("low", "high") if sign > 0 else ("high", "low")
        row |= {
            "low": _listing(words[index], low, OF_LABEL, sign),
            "high": _listing(words[index], high, OF_LABEL, sign),
        }
        rows.append(row)
    weighted = ranking.weights is not None
    caption = "The first neuron of every label." + (
        " High means more of the label: the signs of neurons with a negative weight are turned."
        if weighted
        else ""
    )
    links = {"neuron": [anchors.get(str(row["neuron"])) for row in rows]}
    headings = {"low": "low: less of the label", "high": "high: more of the label"} if weighted else {}
    return Table(pd.DataFrame(rows), caption, {"weight": "+.3f"} if weighted else {}, headings, links)


def _card(activations: Activations, words: NeuronWords) -> list[Block]:
    if words.std == 0:
        return [Text.of("This neuron is constant on this corpus; no word moves it.")]
    low, high = _listing(words, "low"), _listing(words, "high")
    histogram = value_histogram(activations, words.neuron)
    marks = [Mark(words.mean, "mean")] + ([Mark(0.0, "0")] if words.minimum < 0 < words.maximum else [])
    drawing = Histogram.of_counts(histogram.edges, histogram.counts, marks)
    sketch = Sketch(drawing, f"Values of {words.name} at {words.counted:,} words.")
    scale = NeuronScale(np.array([words.mean]), np.array([words.std]))
    heat_map = heat(activations, [words.neuron], words.sentences(SENTENCES), scale=scale)[0]
    texts = [f"{name}: {text}." for name, text in (("Down", low), ("Up", high)) if text]
    caption = "in sentences where it is furthest from its mean (the number is the sentence's, from 0)"
    occurrences = Fold("Strongest single occurrences", [_contexts(words)])
    return [Text(tuple(texts)), sketch, HeatMap(heat_map, caption), occurrences]


def _contexts(words: NeuronWords) -> Table:
    rows = words.occurrences.groupby("direction", sort=False).head(CONTEXTS)
    frame = rows[["deviation", "left", "word", "right", "sentence", "position"]].reset_index(drop=True)
    return Table(frame, f"{words.name} in context.", {"deviation": "+.2f"})
