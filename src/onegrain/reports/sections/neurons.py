"""Section on single neurons: the words that move them, and their values as coloured text."""

from __future__ import annotations

import numpy as np
import pandas as pd

from onegrain.analyses.neurons.heat import heat
from onegrain.analyses.neurons.words import Moments, NeuronWords, top_words
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Block, HeatMap, Section, Table, Text

__all__ = ["neurons_section"]

SENTENCES = 4
IN_TABLE = 8
OF_LABEL = 5
CONTEXTS = 3


def neurons_section(activations: Activations, ranking: Ranking, k: int = 5, *, min_count: int = 3) -> Section:
    """The first k neurons of a ranking, and the first neuron of every label: what moves them.

    Args:
        activations: of the ranking's model; any corpus.
        ranking: of the same neurons.
        k: neurons to show.
        min_count: leave out word types that occur less often than this.

    Raises:
        MismatchError: the ranking is of other neurons.
        ParameterError: k is outside 1..neurons, or the ranking ranks none.
    """
    activations.space.require_same(ranking.space, "the ranking does not belong to these activations")
    first = [int(index) for index in ranking.order[: min(ranking.require_k(k), ranking.n_ranked)]]
    if not first:
        raise ParameterError(f"this {ranking.method} ranking ranks no neuron, so there is none to show")
    by_label = _first_of_labels(ranking)
    every = list(dict.fromkeys([*first, *by_label.values()]))
    found = dict(zip(every, top_words(activations, every, IN_TABLE, min_count=min_count), strict=True))
    blocks: list[Block] = [
        Text.of(
            f"The words of {activations.corpus.source} that move a neuron most, in both directions. Numbers "
            "are standard "
            "deviations from the neuron's mean, averaged over a word's occurrences; words seen fewer than "
            f"{min_count} "
            "times are left out."
        )
    ]
    if by_label:
        rows = [_label_row(label, index, found[index], ranking) for label, index in by_label.items()]
        caption = "The first neuron of every label."
        blocks.append(Table(pd.DataFrame(rows), caption, {"weight": "+.3f"} if "weight" in rows[0] else {}))
    for index in first:
        blocks += _neuron(activations, found[index], int(ranking.positions()[index]) + 1)
    return Section("Single neurons", blocks, "neurons")


def _first_of_labels(ranking: Ranking) -> dict[str, int]:
    if ranking.label_scores is None:
        return {}
    best = {}
    for label, scores in zip(ranking.labels, ranking.label_scores, strict=True):
        if np.nan_to_num(scores).any():
            best[label] = int(ranking.label(label).order[0])
    return best


def _listing(words: NeuronWords, direction: str, n: int = IN_TABLE) -> str:
    part = words.words[words.words["direction"] == direction].head(n)
    return ", ".join(f"{row.word} ({row.deviation:+.1f})" for row in part.itertuples())


def _label_row(label: str, index: int, words: NeuronWords, ranking: Ranking) -> dict[str, object]:
    row: dict[str, object] = {"label": label, "neuron": words.name}
    if ranking.weights is not None:
        row["weight"] = float(ranking.weights[ranking.labels.index(label), index])
    return row | {"high": _listing(words, "high", OF_LABEL), "low": _listing(words, "low", OF_LABEL)}


def _neuron(activations: Activations, words: NeuronWords, place: int) -> list[Block]:
    heading = f"{words.name}, number {place}"
    if words.std == 0:
        return [Text.of("This neuron is constant on this corpus; no word moves it.", heading=heading)]
    high, low = _listing(words, "high"), _listing(words, "low")
    scale = Moments(np.array([words.mean]), np.array([words.std]))
    shown = heat(activations, [words.neuron], words.sentences(SENTENCES), scale=scale)[0]
    texts = [f"{name}: {text}." for name, text in (("Up", high), ("Down", low)) if text]
    caption = "in sentences where it is furthest from its mean (the number is the sentence's, from 0)"
    return [Text(tuple(texts), heading=heading), _contexts(words), HeatMap(shown, caption)]


def _contexts(words: NeuronWords) -> Table:
    part = words.occurrences.groupby("direction", sort=False).head(CONTEXTS)
    frame = part[["deviation", "left", "word", "right", "sentence", "position"]].reset_index(drop=True)
    return Table(frame, "Strongest single occurrences, in context.", {"deviation": "+.2f"})
