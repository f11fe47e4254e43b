"""Reader of CoNLL-U treebanks: ten tab-separated columns, one syntactic word per line.

The columns are split here and not by the ``conllu`` package, because its sentences lack line numbers, and every
error must name its file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from onegrain.corpora.identifiers import require_word
from onegrain.corpora.spacing import MultiwordToken, forms_of
from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus
from onegrain.records.features import NO_FEATURES, feature_layers, parse_feats

__all__ = ["COLUMNS", "read_conllu"]

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
"""The ten columns of CoNLL-U."""

_SKIPPED_ID = re.compile(r"[0-9]{1,9}[-.][0-9]{1,9}")
_NEW_DOCUMENT = re.compile(r"#\s*newdoc\b")
_LAYERS = {"upos": 3, "xpos": 4, "feats": 5, "deprel": 7}


def read_conllu(path: str | Path | TextFile, *, limit: int | None = None) -> Corpus:
    """Read a CoNLL-U file.

    Words are the syntactic words; empty nodes (``1.1``) are left out. ``SpaceAfter=No`` and multiword ranges
    (``1-2``) determine the words' forms in running text, see :func:`onegrain.corpora.spacing.forms_of`. Layers:
    ``upos``, ``xpos``, ``deprel``, ``feats`` (the complete FEATS string, ``_`` for a word without one), and one
    for every FEATS key by its name (e.g. ``Number``; a word without the key is unlabelled). A column that is
    ``_`` for every word gives no layer. The comment ``# newdoc`` before a sentence begins a document.

    Args:
        path: the file.
        limit: largest number of sentences to read.

    Raises:
        CorpusError: a line does not have ten columns, a word's ID is not the next integer, a range does not
            begin at the next word, a word is empty, a FEATS part is not ``Key=Value``, or a FEATS key occurs
            twice or has the name of a column's layer. The message names file and line.
    """
    file = open_text(path)
    read = list(islice(_sentences(file.lines, file.path), limit))
    sentences = [sentence.rows for sentence in read]
    if not sentences:
        raise CorpusError("no sentences, only comments; expected CoNLL-U words in ten columns", file.path)
    words = [[row[1] for row in sentence] for sentence in sentences]
    layers: dict[str, Sequence[Sequence[str | None]]] = {}
    for name, column in _LAYERS.items():
        values = [[row[column] for row in sentence] for sentence in sentences]
        if all(value == "_" for sentence in values for value in sentence):
            continue
        if name == "feats":
            layers[name] = values
            layers.update(feature_layers(values))
        else:
            layers[name] = [[None if value == "_" else value for value in labels] for labels in values]
    forms = [forms_of(sentence.rows, sentence.tokens) for sentence in read]
    documents = [sentence.document for sentence in read]
    return Corpus.from_sentences(
        words, layers, source=str(file.path), forms=forms, document_of=documents if documents[-1] else None
    )


@dataclass
class _Sentence:
    """The rows of a sentence's words, its multiword tokens with their line numbers, and its document."""

    document: int = 0
    rows: list[list[str]] = field(default_factory=list)
    tokens: list[MultiwordToken] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add_token(self, row: list[str], path: str | Path, number: int) -> None:
        token = MultiwordToken.of(row)
        ends = [known.last for known in self.tokens]
        if token.first != len(self.rows) + 1 or token.last < token.first or max(ends, default=0) >= token.first:
            raise CorpusError(
                f"the range {row[0]} must begin at the next word, {len(self.rows) + 1}, and end behind it",
                path,
                number,
            )
        self.tokens.append(token)
        self.lines.append(number)

    def finish(self, path: str | Path) -> _Sentence:
        """Return the sentence; raise CorpusError if a range ends after its last word."""
        for token, number in zip(self.tokens, self.lines, strict=True):
            if token.last > len(self.rows):
                raise CorpusError(
                    f"the range {token.first}-{token.last} ends behind the sentence's last word, "
                    f"{len(self.rows)}",
                    path,
                    number,
                )
        return self


def _sentences(lines: Sequence[str], path: str | Path) -> Iterator[_Sentence]:
    sentence, begun = _Sentence(), False
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            if sentence.rows:
                yield sentence.finish(path)
                begun = True
                sentence = _Sentence(sentence.document)
        elif _NEW_DOCUMENT.match(line):
            sentence.document += begun
            begun = False
        elif not line.startswith("#"):
            row = line.split("\t")
            if _is_word(row, len(sentence.rows) + 1, path, number):
                sentence.rows.append(row)
            elif "-" in row[0]:
                sentence.add_token(row, path, number)
    if sentence.rows:
        yield sentence.finish(path)


def _is_word(row: list[str], expected: int, path: str | Path, number: int) -> bool:
    if len(row) != 10:
        raise CorpusError(
            f"expected 10 tab-separated columns, found {len(row)}; is this CoNLL-U, with tabs kept?",
            path,
            number,
        )
    if row[0] != str(expected) and _SKIPPED_ID.fullmatch(row[0]):
        return False
    require_word(row, expected, path, number)
    if row[5] != NO_FEATURES:
        try:
            parse_feats(row[5])
        except ValueError as fault:
            raise CorpusError(str(fault), path, number) from None
    return True
