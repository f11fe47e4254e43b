"""Specificity: are the top neurons of a label the neurons for that label?"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic
from onegrain.errors import LabelError, ParameterError
from onegrain.interventions.belonging import require_ranking_of
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.label_losses import SIGNATURE, LabelLosses
from onegrain.interventions.measuring import measure_interventions
from onegrain.interventions.specificity_tables import LEVEL, LabelRises
from onegrain.interventions.template import EditTemplate, matched_sets
from onegrain.interventions.where import Where
from onegrain.models import LoadedModel, load_model
from onegrain.models.word_losses import predicted_side
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.labels import LabelLayer
from onegrain.records.ranking import Ranking
from onegrain.records.specificity import Specificity
from onegrain.records.statistics import NeuronStatistics

__all__ = ["specificity"]

RESAMPLES = 10_000


def specificity(
    model: str | os.PathLike[str] | LoadedModel,
    ranking: Ranking,
    corpus: Corpus,
    *,
    k: int = 10,
    labels: Sequence[str] | None = None,
    layer: str | None = None,
    min_count: int = 10,
    edit: str | NeuronEdit = "zero",
    where: Where | None = None,
    recurrent: bool = False,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    random_orders: int = 5,
    resamples: int = RESAMPLES,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress = automatic,
) -> Specificity:
    """Edit the top neurons of each label, and measure the loss of the predicted words of every label.

    The rise of the loss, in nats per word, is a matrix: a row for the label whose first k neurons are edited, a
    column for the label of the words. Beside it stands the mean rise over random sets with as many neurons of
    each site. Neurons that are *for* a label raise the loss of its own words more than that of others: the
    contrast of each row is its excess over random neurons on the diagonal, less the mean excess off it.

    The loss of a word is the sum over its subwords. A language model predicts the words of the corpus, a
    translation model those of its parallel side, which then needs the labels.

    Args:
        model: a folder, a hub id, or a loaded model.
        ranking: a ranking of the model's neurons with an order for each label.
        corpus: the sentences to measure on, with labels of the words that are predicted.
        k: the number of neurons of each label to edit.
        labels: the labels whose neurons are edited, and whose words are measured; by default all that the
            ranking and the words share.
        layer: the label layer of the predicted words; by default that of the ranking.
        min_count: a label with fewer words is left out.
        edit: the edit, or its text, such as ``mean``.
        where: the places; everywhere by default.
        recurrent: True to edit the state of LSTM layers as well.
        reference: activations of the model, or statistics measured on them, for edits that need some. For
            ``optimal``, activations: the constants of every set of neurons are found on their words.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of sentence i.
        random_orders: the number of random sets of each label, two or more; with few, intervals are wide.
        resamples: the number of bootstrap draws; no p-value is below 2 / (resamples + 1).
        seed: random seed of the random sets and the draws.
        batch_size: sentences per batch.
        progress: receives the number of measurements done.

    Raises:
        MismatchError: the ranking belongs to another model, or the reference does.
        LabelError: the ranking has no labels, a label or the layer does not exist, or fewer than two labels are
            left.
        ParameterError: a number is out of range, the model predicts nothing, or the edit lacks its reference.
        ModelError: a loss is not finite.
    """
    names = _labels_of(ranking, labels)
    ranking.require_k(k)
    require_count("random_orders", random_orders, 2)
    require_count("resamples", resamples, 100)
    require_count("min_count", min_count)
    loaded = load_model(model)
    require_ranking_of(loaded, ranking)
    loaded.require_loss()
    counted, left_out = _counted(predicted_side(loaded, corpus), layer or ranking.layer, names, min_count)
    template = EditTemplate.of(loaded, edit, where, recurrent, reference, pairs)
    tops = [ranking.label(label) for label in counted.vocabulary]
    sets = [top.order[:k] for top in tops]
    for chosen in list(sets):
        sets += matched_sets(ranking.space, chosen, random_orders, seed)
    parameters = {
        "k": k,
        "labels": list(counted.vocabulary),
        "layer": counted.name,
        "min_count": min_count,
        "random_orders": random_orders,
        "resamples": resamples,
    }
    variants = [[], *template.on_each(ranking.space, sets, batch_size, progress)]
    metric = LabelLosses(corpus, counted)
    statistics = _measured(loaded, metric, variants, template, batch_size, progress)
    rises = LabelRises.of(statistics, counted.vocabulary, random_orders)
    cells, contrasts, overall = rises.tables(resamples, seed)
    return Specificity(
        layer=counted.name,
        k=k,
        edit=str(template.edit),
        cells=cells,
        contrasts=contrasts,
        overall=overall,
        level=LEVEL,
        provenance=template.provenance("specificity", ranking, corpus, parameters, seed),
        details={
            "ranked": {top.labels[0]: min(k, top.n_ranked) for top in tops},
            "left_out": left_out,
            "sentences": corpus.n_sentences,
            "random_orders": random_orders,
            "resamples": resamples,
            "order": ranking.order_hash,
            "signature": "|".join(SIGNATURE),
        },
    )


def _measured(
    loaded: LoadedModel,
    metric: LabelLosses,
    variants: Sequence[Sequence[Intervention]],
    template: EditTemplate,
    batch_size: int,
    progress: Progress,
) -> np.ndarray:
    """Return the statistics of each sentence under each variant, float64 (variants, sentences, statistics)."""
    measurements = measure_interventions(
        loaded, metric, variants, reference=template.reference, pairs=template.pairs, batch_size=batch_size
    )
    statistics = []
    with progress("specificity", len(variants), "measurements") as advance:
        for measurement in measurements:
            statistics.append(measurement.statistics)
            advance(1)
    return np.stack(statistics)


def _labels_of(ranking: Ranking, labels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the chosen labels of a ranking, in its order; all by default."""
    if ranking.label_scores is None or not ranking.labels:
        raise LabelError(
            f"this {ranking.method} ranking has no order for each label; rank with a supervised method, "
            "e.g. lca"
        )
    unknown = [label for label in labels or () if label not in ranking.labels]
    if unknown:
        raise LabelError(
            f"no label {unknown[0]!r} in this {ranking.method} ranking; its labels are: "
            f"{', '.join(ranking.labels)}"
        )
    return tuple(label for label in ranking.labels if labels is None or label in labels)


def _counted(
    words: Corpus, layer: str | None, names: tuple[str, ...], min_count: int
) -> tuple[LabelLayer, dict[str, str]]:
    """Return the layer with the labels that are measured alone, and why each other label is left out."""
    if layer is None:
        raise ParameterError("name the label layer of the words (layer; --label): the ranking has none")
    labelled = words.layer(layer)
    counts = labelled.counts()
    left_out = {label: "not among the labels that are measured" for label in counts if label not in names}
    for label in names:
        if counts.get(label, 0) < min_count:
            left_out[label] = f"{counts.get(label, 0)} words, fewer than {min_count}"
    kept = tuple(label for label in labelled.vocabulary if label not in left_out)
    if len(kept) < 2:
        raise LabelError(
            f"fewer than two labels of {layer!r} in {words.source} can be measured: "
            + "; ".join(f"{label}: {reason}" for label, reason in left_out.items())
        )
    number = {label: code for code, label in enumerate(kept)}
    renumber = np.array([*(number.get(label, -1) for label in labelled.vocabulary), -1], dtype=np.int32)
    return LabelLayer(layer, renumber[labelled.codes], kept), left_out
