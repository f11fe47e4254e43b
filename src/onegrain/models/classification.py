"""Right and wrong predictions of classifiers, of sentences or of words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from onegrain.errors import CorpusError, LabelError, ParameterError
from onegrain.models.heads import Head, classifier_kind
from onegrain.models.likelihoods import reading
from onegrain.models.loaded import LoadedModel
from onegrain.models.padding import head_needs_equal_rows
from onegrain.models.row_statistics import RowStatistics
from onegrain.models.stacking import RowPass, run_rows
from onegrain.records.corpus import Corpus, LabelLayer

__all__ = ["COLUMNS", "classification_rows"]

COLUMNS = ("correct", "labelled")
"""The statistics of a sentence: the number of right predictions, and of labels."""

NOT_PREDICTED = -1


def classification_rows(loaded: LoadedModel, corpus: Corpus, layer: str) -> RowStatistics:
    """Return one row per sentence, with the numbers of right predictions and of labels.

    A classifier of sentences is compared with the label that all labelled words of a sentence carry; a
    classifier of words, at the first subword of each word. Sentences or words without a label are not counted,
    and neither are words without a subword.

    Args:
        loaded: an encoder whose folder holds a classifier.
        corpus: sentences with labels.
        layer: the layer that holds them. A label is the name of a class of the model, or its number.

    Raises:
        ParameterError: the model is not an encoder, or its output is not one class among several.
        ModelError: the checkpoint has no classifier.
        LabelError: the corpus lacks the layer, or a label is not a class of the model.
        CorpusError: a sentence has two labels, nothing is labelled, or a sentence is longer than the model
            reads.
    """
    if loaded.task != "encoder":
        what = "a translation model" if loaded.task == "translation" else "a language model"
        raise ParameterError(f"accuracy is for classifiers, and {loaded.identity.id} is {what}")
    labels = corpus.layer(layer)
    head = loaded.head(classifier_kind(loaded))
    _require_classes(loaded, head)
    codes = _classes_of(labels, head.classes, loaded.identity.id)[labels.codes]
    encoded = loaded.encode(list(corpus.sentences()), corpus.forms())
    rows, words = [row.ids for row in encoded], [row.word_of for row in encoded]
    loaded.require_fitting(corpus, rows)
    of_words = head.kind == "classifier of words"
    targets = [
        _targets(codes[start:stop], words[number]) if of_words else [_label(codes[start:stop], corpus, number)]
        for number, (start, stop) in enumerate(zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True))
    ]
    if all(target == NOT_PREDICTED for row in targets for target in row):
        raise CorpusError(f"no sentence is labelled in layer {layer!r}", corpus.source)

    def compute(chosen: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        logits = head.logits(list(chosen)).reshape(len(chosen), -1, len(head.classes))
        return logits.argmax(-1), logits.isfinite().flatten(1).all(1)

    def score(numbers: np.ndarray) -> np.ndarray:
        chosen = [rows[i] for i in numbers]
        with reading(corpus, numbers, {"source": words}):
            classes, complete = run_rows(RowPass(chosen, compute, max(map(len, chosen))))
        predicted, finite = classes.cpu().numpy(), complete.cpu().numpy()
        counts = [
            _counts(predicted[place], targets[number]) if finite[place] else (np.nan, len(targets[number]))
            for place, number in enumerate(numbers)
        ]
        return np.array(counts, dtype=np.float64).reshape(len(numbers), 2)

    sizes = [len(row) for row in rows]
    return RowStatistics(
        sizes=sizes,
        units=np.arange(len(rows), dtype=np.int64),
        n_units=len(rows),
        columns=COLUMNS,
        score=score,
        alike=sizes if head_needs_equal_rows(loaded, head) else None,
        settings=(head.kind,),
    )


def _require_classes(loaded: LoadedModel, head: Head) -> None:
    """Refuse outputs that are not one class among several."""
    kind = getattr(head.network.config, "problem_type", None)
    if len(head.classes) < 2 or kind in ("regression", "multi_label_classification"):
        raise ParameterError(
            f"accuracy needs one class among several, and {loaded.identity.id} has "
            + ("one output" if len(head.classes) < 2 else f"the problem type {kind}")
        )


def _classes_of(labels: LabelLayer, classes: Sequence[str], model_id: str) -> np.ndarray:
    """Return the class of each label, int64 (labels + 1,); the last, which code -1 finds, is NOT_PREDICTED."""
    numbers = {name: number for number, name in enumerate(classes)}
    numbers = {str(number): number for number in range(len(classes))} | numbers
    unknown = [label for label in labels.vocabulary if label not in numbers]
    if unknown:
        raise LabelError(
            f"label {unknown[0]!r} of layer {labels.name!r} is not a class of {model_id}; its classes are: "
            f"{', '.join(classes)}, or their numbers from 0"
        )
    return np.array([*(numbers[label] for label in labels.vocabulary), NOT_PREDICTED], dtype=np.int64)


def _label(codes: np.ndarray, corpus: Corpus, number: int) -> int:
    """Return the class of a sentence."""
    known = np.unique(codes[codes != NOT_PREDICTED])
    if len(known) > 1:
        raise CorpusError(
            f"sentence {number} (counted from 0) has words with different labels, and the model has one class "
            "for a sentence; give each sentence one label (label in JSON lines, LabelLayer.of_sentences)",
            corpus.source,
        )
    return int(known[0]) if len(known) else NOT_PREDICTED


def _targets(codes: np.ndarray, word_of: Sequence[int]) -> list[int]:
    """Return the class to predict at each subword: that of a word at its first subword."""
    targets = [NOT_PREDICTED] * len(word_of)
    before = NOT_PREDICTED
    for place, word in enumerate(word_of):
        if word >= 0 and word != before:
            targets[place] = int(codes[word])
        before = word
    return targets


def _counts(predicted: np.ndarray, targets: Sequence[int]) -> tuple[int, int]:
    """Return the numbers of right predictions and of labels."""
    wanted = np.asarray(targets, dtype=np.int64)
    labelled = wanted != NOT_PREDICTED
    return int((predicted[: len(wanted)] == wanted)[labelled].sum()), int(labelled.sum())
