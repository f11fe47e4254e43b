"""Reader of minimal pairs: JSON lines with a good and a bad sentence each, as BLiMP has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from onegrain.corpora.jsonlines import json_records
from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus
from onegrain.records.minimal_pairs import ACCEPTABILITY, LABELS, PARADIGM
from onegrain.records.running_text import Form

__all__ = ["holds_pairs", "read_pairs"]

GOOD, BAD, UID = "sentence_good", "sentence_bad", "UID"
_WORD = re.compile(r"[^\s.,!?;:\"]+|[.,!?;:\"]")


class _Pair(NamedTuple):
    line: int
    sentences: tuple[str, str]
    paradigm: str | None


def read_pairs(path: str | Path | TextFile, *, limit: int | None = None) -> Corpus:
    """Read a file of minimal pairs, one JSON object per line: ``sentence_good``, ``sentence_bad``, ``UID``.

    Sentences 2i and 2i + 1 of the corpus are the good and the bad sentence of pair i. Words are split at white
    space and around punctuation marks; their running text is that of the file. The layer ``acceptability``
    labels words ``good`` or ``bad``, and ``paradigm`` holds the UID [Warstadt et al., *BLiMP: The Benchmark of
    Linguistic Minimal Pairs for English*, TACL 2020].

    Args:
        path: the file.
        limit: largest number of pairs to read.

    Raises:
        CorpusError: a line is not a JSON object with both sentences, its sentences are equal, or its UID is not
            that of the lines before; the message names file and line.
    """
    file = open_text(path)
    pairs: list[_Pair] = []
    for pair in _pairs(file):
        if pairs and pair.paradigm != pairs[0].paradigm:
            raise CorpusError(
                f"a pair of the UID {pair.paradigm!r}, but the pairs before are of {pairs[0].paradigm!r}; "
                "write each paradigm to a separate file",
                file.path,
                pair.line,
            )
        pairs.append(pair)
    pairs = pairs[:limit]
    sentences = [list(_WORD.finditer(sentence)) for pair in pairs for sentence in pair.sentences]
    words = [[word.group() for word in sentence] for sentence in sentences]
    layers = {ACCEPTABILITY: [[LABELS[number % 2]] * len(of) for number, of in enumerate(words)]}
    if pairs[0].paradigm is not None:
        layers[PARADIGM] = [[pairs[0].paradigm] * len(of) for of in words]
    forms = [
        [
            Form(word.group(), after is None or after.start() > word.end())
            for word, after in zip(sentence, [*sentence[1:], None], strict=True)
        ]
        for sentence in sentences
    ]
    return Corpus.from_sentences(words, layers, source=str(file.path), forms=forms)


def holds_pairs(lines: list[str]) -> bool:
    """Return True if the first line with text is a minimal pair as JSON."""
    first = next((line for line in lines if line.strip()), "")
    return all(f'"{name}"' in first for name in (GOOD, BAD))


def _pairs(file: TextFile) -> Iterator[_Pair]:
    for record in json_records(file):
        sentences = tuple(_sentence(record.values.get(name), name, file, record.place) for name in (GOOD, BAD))
        if sentences[0].split() == sentences[1].split():
            raise CorpusError(
                f"{GOOD} and {BAD} are equal, {sentences[0]!r}; remove the line or correct one of them",
                file.path,
                record.place,
            )
        uid = record.values.get(UID)
        yield _Pair(record.place or 0, (sentences[0], sentences[1]), None if uid is None else str(uid))


def _sentence(value: Any, name: str, file: TextFile, line: int | None) -> str:
    if not isinstance(value, str) or not value.strip():
        raise CorpusError(
            f"a minimal pair has a sentence under {name!r}, got {value!r:.60}; write {GOOD} and {BAD} on every "
            "line",
            file.path,
            line,
        )
    return value
