"""The training words of an LCA ranking, identified from its record."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np

from onegrain.errors import MismatchError, ParameterError
from onegrain.rankings.data.labelled import LabelledWords, read_labelled, split_sentences
from onegrain.rankings.data.memory import Memory, values_of
from onegrain.rankings.elastic_net.problem import ProbeData
from onegrain.rankings.lca.options import LcaOptions
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["options_of", "require_whole", "training_words"]

BLOCK = 4096
"""Number of words processed at once."""
SAME = 1e-3
"""Largest relative difference between two objectives of the same words."""


def options_of(ranking: Ranking) -> LcaOptions:
    """Return the options with which a ranking was made."""
    parameters = ranking.provenance.parameters
    return LcaOptions(
        **{field.name: parameters[field.name] for field in fields(LcaOptions) if field.name in parameters}
    )


def training_words(ranking: Ranking, activations: Activations, memory: Memory) -> LabelledWords:
    """Return the training words of a ranking, with values as its probe used them (standardised if it did so).

    Raises:
        ParameterError: the ranking is not a complete ranking by ``lca``.
        MismatchError: the neurons, words, labels, model, extraction or values differ from those of the ranking.
            Values differ if the objective of the ranking's probe is not the one in the record.
    """
    require_whole(ranking)
    _require_source(ranking, activations)
    options = options_of(ranking)
    kept = _sentences(ranking, activations, options)
    words = read_labelled(activations, str(ranking.layer), kept, options.min_count, memory)
    if words.labels != ranking.labels:
        raise _mismatch(
            ranking, activations, f"labels {', '.join(words.labels)}, not {', '.join(ranking.labels)}"
        )
    if options.standardize:
        words = _standardized(words, memory)
    stated = float(ranking.details["solution"]["objective"])
    objective = _objective(ranking, words)
    if not abs(objective - stated) <= SAME * abs(stated):
        raise _mismatch(
            ranking,
            activations,
            f"values: its probe's objective is {stated:.6g} nats, on these {objective:.6g}",
        )
    return words


def require_whole(ranking: Ranking) -> None:
    """Raise ParameterError unless the ranking is a complete ranking by ``lca``."""
    needed = {"lambda1", "lambda2", "biases", "solution", "train"}
    is_lca = ranking.method == "lca" and ranking.weights is not None and ranking.provenance.stage == "rank"
    if not is_lca or not needed <= set(ranking.details):
        raise ParameterError(
            f"stability refits the probe of a whole lca ranking; this is a ranking by {ranking.method}, of one "
            "label, or without redundant neurons: give the record that rank('lca', ...) returned"
        )


def _require_source(ranking: Ranking, activations: Activations) -> None:
    activations.space.require_same(ranking.space, f"{ranking.method} ranking")
    corpus = ranking.provenance.corpus
    if corpus is not None and corpus.content_hash != activations.corpus.content_hash:
        raise _mismatch(ranking, activations, f"words: the ranking's are those of {corpus.source}")
    provenance = activations.provenance
    source = ranking.provenance.inputs[0] if ranking.provenance.inputs else provenance
    if _identity(source) != _identity(provenance):
        raise _mismatch(ranking, activations, f"model or parameters: the ranking's are {_identity(source)}")


def _identity(provenance: Provenance) -> str:
    """Return the model and parameters with which activations were extracted, as text."""
    weights = provenance.model.weight_hash if provenance.model else None
    return json.dumps([provenance.stage, weights, provenance.parameters], sort_keys=True)


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
    raise _mismatch(
        ranking, activations, f"labels in {layer.name!r}: the ranking's counts of words are {known}"
    )


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


def _mismatch(ranking: Ranking, activations: Activations, what: str) -> MismatchError:
    return MismatchError(
        f"{activations.describe()} is not what this {ranking.method} ranking was made from; it has other {what}"
        "; give the activations that were ranked"
    )
