"""Reader of CoNLL-2009: 14 or more tab-separated columns, a blank line between sentences."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from onegrain.corpora.identifiers import require_word
from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus

__all__ = ["COLUMNS_2009", "read_conll2009"]

COLUMNS_2009 = (
    *("ID", "FORM", "LEMMA", "PLEMMA", "POS", "PPOS", "FEAT", "PFEAT"),
    *("HEAD", "PHEAD", "DEPREL", "PDEPREL", "FILLPRED", "PRED"),
)
"""The columns of CoNLL-2009 before those of the predicates' arguments, one per predicate of the sentence."""

_LAYERS = ("POS", "PPOS", "FEAT", "PFEAT", "DEPREL", "PDEPREL")

Rows = list[list[str]]


def read_conll2009(path: str | Path | TextFile, *, limit: int | None = None) -> Corpus:
    """Read a CoNLL-2009 file, which has 14 columns and one more for each predicate of a sentence.

    Words are the column FORM; layers are ``pos``, ``ppos``, ``feat``, ``pfeat``, ``deprel`` and ``pdeprel``,
    except those whose column is ``_`` for every word.

    Raises:
        CorpusError: a line has fewer columns, or its ID is not the next integer; the message names file and
            line.
    """
    file = open_text(path)
    sentences = list(islice(_sentences(file), limit))
    if not sentences:
        raise CorpusError("no sentences, only comments", file.path)
    layers: dict[str, list[list[str | None]]] = {}
    for name in _LAYERS:
        column = COLUMNS_2009.index(name)
        labels = [[None if row[column] == "_" else row[column] for row in sentence] for sentence in sentences]
        if any(label is not None for sentence in labels for label in sentence):
            layers[name.lower()] = labels
    words = [[row[1] for row in sentence] for sentence in sentences]
    return Corpus.from_sentences(words, layers, source=str(file.path))


def _sentences(file: TextFile) -> Iterator[Rows]:
    sentence: Rows = []
    for number, line in enumerate(file.lines, start=1):
        if not line.strip():
            if sentence:
                yield sentence
            sentence = []
        elif not line.startswith("#"):
            row = line.split("\t")
            _check_row(row, len(sentence) + 1, file.path, number)
            sentence.append(row)
    if sentence:
        yield sentence


def _check_row(row: list[str], expected: int, path: str | Path, number: int) -> None:
    """Raise CorpusError unless the row has all columns, the next ID and a word."""
    if len(row) < len(COLUMNS_2009):
        message = f"expected {len(COLUMNS_2009)} tab-separated columns or more, found {len(row)}"
        raise CorpusError(message, path, number)
    require_word(row, expected, path, number)
