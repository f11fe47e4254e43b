"""The training words of an LCA ranking, identified from its record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onegrain.errors import ParameterError
from onegrain.rankings.data.labelled import LabelledWords, read_labelled, split_sentences
from onegrain.rankings.data.memory import Memory, values_of
from onegrain.rankings.elastic_net.problem import ProbeData
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.redrawing import mismatch, options_of, require_source
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking

__all__ = ["training_words"]

BLOCK = 4096
"""Number of words processed at once."""
SAME = 1e-3
"""Largest relative difference between two objectives of the same words."""


def training_words(ranking: Ranking, activations: Activations, memory: Memory) -> LabelledWords:
    """Return the training words of a ranking, with values as its probe used them (standardised if it did so).

    Raises:
        ParameterError: the record lacks what ``lca`` writes of its probe.
        MismatchError: the neurons, words, labels, model, extraction or values differ from those of the ranking.
            Values differ if the objective of the ranking's probe is not the one in the record.
    """
    _require_probe(ranking)
    require_source(ranking, activations)
    options = options_of(ranking, LcaOptions)
    kept = _sentences(ranking, activations, options)
    words = read_labelled(activations, str(ranking.layer), kept, options.min_count, memory)
    if words.labels != ranking.labels:
        raise mismatch(
            ranking, activations, f"labels {', '.join(words.labels)}, not {', '.join(ranking.labels)}"
        )
    if options.standardize:
        words = _standardized(words, memory)
    stated = float(ranking.details["solution"]["objective"])
    objective = _objective(ranking, words)
    if not abs(objective - stated) <= SAME * abs(stated):
        raise mismatch(
            ranking,
            activations,
            f"values: its probe's objective is {stated:.6g} nats, on these {objective:.6g}",
        )
    return words


def _require_probe(ranking: Ranking) -> None:
    """Raise ParameterError unless the record has the probe of an ``lca`` ranking."""
    needed = {"lambda1", "lambda2", "biases", "solution", "train"}
    if ranking.weights is None or not needed <= set(ranking.details):
        raise ParameterError(
            "this lca ranking has no record of its probe; give the record that rank('lca', ...) returned"
        )


def _sentences(ranking: Ranking, activations: Activations, options: LcaOptions) -> np.ndarray:
    """Return a mask, bool (sentences,), of the training sentences, recognised by the counts of labels."""
    layer, known = activations.layer(str(ranking.layer)), ranking.details["train"]["label_words"]
    seed = ranking.provenance.seed or 0
    for apart in (True, False) if len(ranking.provenance.inputs) > 1 else (False,):
        kept, _ = split_sentences(activations, options, seed, apart=apart)
        inside = kept[activations.corpus.sentence_of_word] & (layer.codes >= 0)
        counts = np.bincount(layer.codes[inside], minlength=len(layer.vocabulary)).tolist()
        if known.items() <= dict(zip(layer.vocabulary, counts, strict=True)).items():
            return kept
    raise mismatch(ranking, activations, f"labels in {layer.name!r}: the ranking's counts of words are {known}")


def _standardized(words: LabelledWords, memory: Memory) -> LabelledWords:
    """Return the words with neurons of mean zero and standard deviation one."""
    data = ProbeData(
        words.values, words.codes, len(words.labels), None, True, memory=memory, rounding=words.rounding
    )
    values = memory.host_table(data.n_words, data.n_neurons, data.dtype)
    for rows in data.rows():
        values[rows] = data.block(rows).cpu()
    return replace(words, values=values_of(values))


def _objective(ranking: Ranking, words: LabelledWords) -> float:
    """Return the objective of the ranking's probe on the words, in nats per word."""
    theta = np.asarray(ranking.weights)
    biases, total = np.array(ranking.details["biases"]), 0.0
    for start in range(0, len(words), BLOCK):
        rows = slice(start, start + BLOCK)
        logits = (np.asarray(words.values[rows]) @ theta.T.astype(np.float32)).astype(np.float64) + biases
        of_label = np.take_along_axis(logits, words.codes[rows, None], axis=1)[:, 0]
        highest = logits.max(axis=1)
        total += float((highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1)) - of_label).sum())
    penalty = (
        ranking.details["lambda1"] * np.abs(theta).sum() + ranking.details["lambda2"] * np.square(theta).sum()
    )
    return total / len(words) + float(penalty)
