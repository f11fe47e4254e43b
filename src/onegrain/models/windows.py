"""Documents read in windows that overlap, so that most subwords are predicted from a long context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.errors import ParameterError
from onegrain.models.likelihoods import COLUMNS
from onegrain.models.loaded import LoadedModel
from onegrain.models.padding import losses_need_equal_rows
from onegrain.models.passing import Rows, reading_rows
from onegrain.models.row_statistics import RowStatistics
from onegrain.models.scoring import IGNORED, subword_losses
from onegrain.models.texts import encode_documents
from onegrain.records.corpus import Corpus
from onegrain.records.documents import document_corpus

__all__ = ["UNLIMITED_WINDOW", "window_rows", "window_size"]

UNLIMITED_WINDOW = 1024
"""The default window of a model that reads rows of any length."""

SUBWORDS_AT_ONCE = 8192
"""The largest number of subwords in a batch of several windows."""


@dataclass(frozen=True)
class _Window:
    """A range of a document's subwords; those from ``first`` are predicted, the others are only context."""

    document: int
    start: int
    first: int
    stop: int


def window_size(loaded: LoadedModel, window: int | None) -> int:
    """Return the window, or the default: the longest row that the model reads.

    Raises:
        ParameterError: the window is longer than the model reads.
    """
    longest = loaded.longest
    if window is None:
        return UNLIMITED_WINDOW if longest is None else longest
    if longest is not None and window > longest:
        raise ParameterError(
            f"a window of {window} subwords, but {loaded.identity.id} reads at most {longest}; give "
            f"window={longest} or less"
        )
    return window


def window_rows(
    loaded: LoadedModel, corpus: Corpus, window: int, stride: int, separator: str, *, per_window: bool
) -> RowStatistics:
    """Return one row per window of each document; each subword but a document's first is predicted once.

    Window k of a document begins at subword k * stride. It predicts the subwords behind the end of the window
    before it; the subwords that it shares with that window are context. Without a context, in the first window
    and where windows do not overlap, the first subword is only read.

    Args:
        loaded: a language model that reads from left to right.
        corpus: the documents; see :func:`onegrain.records.documents.documents_of`.
        window: the largest number of subwords in a row.
        stride: the subwords from the beginning of a window to that of the next, at most ``window``.
        separator: the text between two sentences of a document.
        per_window: True if each window is a unit, False if each document is.
    """
    encoded = encode_documents(loaded, corpus, separator)
    named = document_corpus(corpus)
    windows = [
        place for number, row in enumerate(encoded) for place in _windows(number, len(row.ids), window, stride)
    ]
    documents = np.array([place.document for place in windows], dtype=np.int64)

    def score(numbers: np.ndarray) -> np.ndarray:
        chosen = [windows[i] for i in numbers]
        rows = [encoded[place.document].ids[place.start : place.stop] for place in chosen]
        labels = [
            [IGNORED] * (place.first - place.start) + encoded[place.document].ids[place.first : place.stop]
            for place in chosen
        ]
        words = [encoded[place.document].word_of[place.start : place.stop] for place in chosen]
        with reading_rows(Rows(named, documents[numbers], {"source": words}, parts=True)):
            losses, predicted = subword_losses(loaded, rows, labels)
        return np.stack([losses.sum(1).cpu().numpy(), predicted.sum(1).cpu().numpy()], axis=1)

    sizes = [place.stop - place.start for place in windows]
    return RowStatistics(
        sizes=sizes,
        units=np.arange(len(windows), dtype=np.int64) if per_window else documents,
        n_units=len(windows) if per_window else len(encoded),
        columns=COLUMNS,
        score=score,
        alike=sizes if losses_need_equal_rows(loaded) else None,
        most_subwords=SUBWORDS_AT_ONCE,
        settings=(f"window:{window}", f"stride:{stride}", f"units:{'windows' if per_window else 'documents'}"),
    )


def _windows(document: int, subwords: int, window: int, stride: int) -> list[_Window]:
    """Return the windows of a document; none if it has no subword."""
    windows = []
    predicted = 0
    for start in range(0, subwords, stride):
        stop = min(start + window, subwords)
        windows.append(_Window(document, start, predicted, stop))
        predicted = stop
        if stop == subwords:
            break
    return windows
