"""Search a store for neurons that follow a concept."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from onegrain.activations import open_activations
from onegrain.core.bootstrap import adjusted_p_values
from onegrain.core.progress import Progress, automatic
from onegrain.records.activations import Activations
from onegrain.records.concept_search import ConceptSearch
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.searching.concepts import concept_words
from onegrain.searching.index import NeuronIndex
from onegrain.searching.scoring import QUANTILES, areas, least_words, overlaps

__all__ = ["search"]


def search(
    store: str | os.PathLike[str] | Activations,
    *,
    words: str | Path | Iterable[str] | None = None,
    regex: str | None = None,
    label: str | None = None,
    layer: str | None = None,
    index: NeuronIndex | None = None,
    progress: Progress = automatic,
) -> ConceptSearch:
    """Score every neuron for a concept: words of a list, words that match an expression, or words with a label.

    The words of the concept are compared with all other words that have an activation. With an index
    (:func:`onegrain.index_neurons`), a search takes about a second; without one, the whole store is read. The
    numbers are the same.

    Args:
        store: a store of activations, its path or its URL, or activations in memory.
        words: a word list: one word, several, or a file (a ``Path``; see
            :func:`~onegrain.corpora.read_word_list`). Words are compared with their case.
        regex: a regular expression that must match all of a word, such as ``r".+ing"``.
        label: a label.
        layer: the label layer of ``label``; may be left out if one layer alone has the label.
        index: an open index of the store; by default the one beside the store, if there is one.
        progress: shows how many neurons are scored.

    Raises:
        ParameterError: none or several of ``words``, ``regex`` and ``label``, or a concept without words or
            without other words.
        LabelError: no such layer or label, or several layers have the label.
        MismatchError: the index is of another store.
        RecordError: the store or the index is damaged.

    >>> import onegrain
    >>> planted = onegrain.planted(50)
    >>> finding = search(planted.activations, label=planted.activations.corpus.layer("upos").vocabulary[0])
    >>> finding.auroc.shape == (planted.activations.n_neurons,)
    True
    """
    activations = store if isinstance(store, Activations) else open_activations(store)
    concept, mask = concept_words(activations, words=words, regex=regex, label=label, layer=layer)
    present = activations.present
    inside, n = mask[present], int(present.sum())
    columns: dict[str, list] = {"ranks": [], "ties": [], "mean": [], "std": [], "shared": [], "extreme": []}
    with progress("search", activations.n_neurons, "neurons") as advance:
        for neuron in range(activations.n_neurons):
            values = activations.neuron(neuron)[present].astype(np.float64)
            middle = rankdata(values)
            ordered = np.sort(values)
            sizes = np.unique(values, return_counts=True)[1].astype(np.float64)
            columns["ranks"].append(int((2 * middle[inside] - (n + 1)).sum()))
            columns["ties"].append((sizes**3 - sizes).sum())
            columns["mean"].append(values[inside].mean() - values[~inside].mean())
            columns["std"].append(values.std())
            ends = [least_words(n, quantile) for quantile in QUANTILES]
            extreme = np.stack(
                [[values >= ordered[n - end] for end in ends], [values <= ordered[end - 1] for end in ends]]
            )
            columns["extreme"].append(extreme.sum(axis=-1))
            columns["shared"].append(extreme[..., inside].sum(axis=-1))
            advance(1)
    area = areas(np.array(columns["ranks"]), np.array(columns["ties"]), concept.words, concept.others)
    overlap = overlaps(
        np.stack(columns["shared"], axis=-1), np.stack(columns["extreme"], axis=-1), concept.words
    )
    constant = np.isnan(area.auroc)
    difference = np.where(constant, np.nan, np.array(columns["mean"]))
    with np.errstate(divide="ignore", invalid="ignore"):
        standardised = difference / np.where(constant, np.nan, np.array(columns["std"]))
    made_from = activations.provenance
    return ConceptSearch(
        concept=concept,
        space=activations.space,
        auroc=area.auroc,
        sign=area.sign,
        mean_difference=difference,
        standardised_difference=standardised,
        iou=np.where(constant, np.nan, overlap.iou),
        iou_sign=np.where(constant, 0, overlap.sign).astype(np.int8),
        iou_quantile=np.where(constant, np.nan, overlap.quantile),
        p=area.p,
        q=adjusted_p_values(area.p),
        provenance=Provenance(
            stage="search",
            model=made_from.subject(),
            corpus=CorpusIdentity.of(activations.corpus),
            sites=activations.space.sites,
            parameters={"kind": concept.kind, "value": concept.value, "layer": concept.layer},
            inputs=(made_from,),
        ),
        details={"source": "store", "quantiles": list(QUANTILES)},
    )
