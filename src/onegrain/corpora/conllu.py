"""Reader of CoNLL-U treebanks: ten tab-separated columns, one syntactic word a line.

The ten columns are split here rather than by the ``conllu`` package, whose sentences do not know their lines:
every fault must name its file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from onegrain.core.corpus import Corpus
from onegrain.corpora.feats import NO_FEATURES, feature_layers, parse_feats
from onegrain.corpora.text import read_text_lines
from onegrain.errors import CorpusError

__all__ = ["read_conllu"]

_SKIPPED_ID = re.compile(r"[0-9]+[-.][0-9]+")
_COLUMNS = {"upos": 3, "xpos": 4, "feats": 5, "deprel": 7}


def read_conllu(path: str | Path, *, limit: int | None = None) -> Corpus:
    """Read a CoNLL-U file.

    Words are the syntactic words: multiword ranges (``1-2``) and empty nodes (``1.1``) are left out. Layers:
    ``upos``, ``xpos``, ``deprel``, ``feats`` (the whole FEATS string, ``_`` where a word has none), and one for
    every FEATS key by its name (e.g. ``Number``; a word without the key is unlabelled). A column that is ``_``
    in every word gives no layer.

    Args:
        path: the file.
        limit: read at most so many sentences.

    Raises:
        CorpusError: with file and line, when a line does not have ten columns, a word's ID is not the next
            integer, a word is empty, or a FEATS part is not ``Key=Value``.
    """
    sentences = list(islice(_sentences(read_text_lines(path), path), limit))
    if not sentences:
        raise CorpusError("no sentences, only comments; expected CoNLL-U words in ten columns", path)
    words = [[row[1] for row in sentence] for sentence in sentences]
    layers: dict[str, Sequence[Sequence[str | None]]] = {}
    for name, column in _COLUMNS.items():
        values = [[row[column] for row in sentence] for sentence in sentences]
        if all(value == "_" for sentence in values for value in sentence):
            continue
        if name == "feats":
            layers[name] = values
            layers.update(feature_layers(values))
        else:
            layers[name] = [[None if value == "_" else value for value in labels] for labels in values]
    return Corpus.from_sentences(words, layers, source=str(path))


def _sentences(lines: Sequence[str], path: str | Path) -> Iterator[list[list[str]]]:
    sentence: list[list[str]] = []
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            if sentence:
                yield sentence
            sentence = []
        elif not line.startswith("#"):
            row = line.split("\t")
            if _is_word(row, len(sentence) + 1, path, number):
                sentence.append(row)
    if sentence:
        yield sentence


def _is_word(row: list[str], expected: int, path: str | Path, number: int) -> bool:
    if len(row) != 10:
        raise CorpusError(
            f"expected 10 tab-separated columns, found {len(row)}; is this CoNLL-U, with tabs kept?",
            path,
            number,
        )
    if row[0] != str(expected):
        if _SKIPPED_ID.fullmatch(row[0]):
            return False
        raise CorpusError(
            f"expected word ID {expected}, found {row[0]!r}; IDs count from 1, a blank line ends a sentence",
            path,
            number,
        )
    if not row[1].strip():
        raise CorpusError("the FORM column is empty; expected a word", path, number)
    if row[5] != NO_FEATURES:
        try:
            parse_feats(row[5])
        except ValueError as fault:
            raise CorpusError(
                f"FEATS part {str(fault)!r} is not Key=Value; write _ for none", path, number
            ) from None
    return True
