"""Search a store for neurons that follow a concept."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from onegrain.activations import open_activations
from onegrain.core.bootstrap import adjusted_p_values
from onegrain.core.progress import Progress, automatic
from onegrain.errors import MismatchError
from onegrain.records.activations import Activations
from onegrain.records.concept_search import Concept, ConceptSearch
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.searching.concepts import concept_words
from onegrain.searching.index import NeuronIndex, index_path
from onegrain.searching.scoring import QUANTILES, areas, overlaps
from onegrain.searching.sums import ConceptSums, sums_from_index, sums_from_store

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
    numbers are the same; mean differences from an index are rounded to about seven digits.

    Args:
        store: a store of activations, its path or its URL, or activations in memory.
        words: a word list: one word, several, or a file (a ``Path``; see
            :func:`~onegrain.corpora.read_word_list`). Words are compared with their case.
        regex: a regular expression that must match all of a word, such as ``r".+ing"``.
        label: a label.
        layer: the label layer of ``label``; may be left out if one layer alone has the label.
        index: an open index of the store; by default the one beside the store, if there is one.
        progress: shows how many neurons are scored, or how many word types are added.

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
    inside = mask[activations.present]
    opened = _index_of(activations) if index is None else _require_of(index, activations)
    number = None
    if opened is not None and concept.layer is not None:
        number = opened.label_number(concept.layer, concept.value)
        opened = None if number is None else opened
    if opened is None:
        sums = sums_from_store(activations, inside, progress)
    else:
        sums = sums_from_index(opened, inside, number, progress)
    return _record(activations, concept, sums, "store" if opened is None else "index")


def _index_of(activations: Activations) -> NeuronIndex | None:
    """Return the index beside a store; None if there is none, or only one from before the store was changed."""
    if activations.path is None or activations.columns is not None or not index_path(activations).exists():
        return None
    try:
        return NeuronIndex.open(activations)
    except MismatchError:
        return None


def _require_of(index: NeuronIndex, activations: Activations) -> NeuronIndex:
    """Return an index, or raise MismatchError if it is of other activations."""
    if index.activations.path != activations.path or activations.columns is not None:
        raise MismatchError(f"{index.path} is not the index of {activations.describe()}; leave out index")
    return index


def _record(activations: Activations, concept: Concept, sums: ConceptSums, source: str) -> ConceptSearch:
    """Return the record of a search from the sums over the words of the concept."""
    area = areas(sums.ranks, sums.ties, concept.words, concept.others)
    overlap = overlaps(sums.shared, sums.extreme, concept.words)
    constant = np.isnan(area.auroc)
    difference = sums.deviations * (1.0 / concept.words + 1.0 / concept.others)
    standardised = difference / np.where(constant, np.nan, sums.std)
    made_from = activations.provenance
    return ConceptSearch(
        concept=concept,
        space=activations.space,
        auroc=area.auroc,
        sign=area.sign,
        mean_difference=np.where(constant, np.nan, difference),
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
        details={"source": source, "quantiles": list(QUANTILES)},
    )
