"""Add label layers from a regular expression, a word list, or a Python function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from onegrain.corpora.text import read_text_lines
from onegrain.errors import CorpusError, LabelError, ParameterError
from onegrain.records.corpus import Corpus, LabelLayer

__all__ = ["LabelFunction", "annotate_regex", "annotate_with", "annotate_words", "read_word_list"]

LabelFunction = Callable[[tuple[str, ...], int], str | None]
"""A function from a sentence's words and a position to the label of that word, or None for no label."""


def annotate_regex(
    corpus: Corpus, name: str, pattern: str | re.Pattern[str], *, labels: tuple[str, str] = ("yes", "no")
) -> Corpus:
    """Add a layer that labels words by whether a regular expression matches them.

    Args:
        corpus: the corpus; its parallel side stays as it is.
        name: the new layer's name.
        pattern: a regular expression, e.g. ``r".+ing"``, that must match all of a word.
        labels: the labels of the words that match and of those that do not.

    Raises:
        ParameterError: the pattern is not a regular expression, or the labels are the same.

    >>> corpus = Corpus.from_sentences([["walking", "home"]])
    >>> annotate_regex(corpus, "ing", r".+ing").layer("ing").labels()
    ['yes', 'no']
    """
    try:
        compiled = re.compile(pattern)
    except re.error as fault:
        raise ParameterError(f"{pattern!r} is not a regular expression: {fault}") from fault
    yes, no = labels
    if yes == no:
        raise ParameterError(f"labels= needs two different labels, got {yes!r} twice")
    return _by_type(corpus, name, lambda word: yes if compiled.fullmatch(word) else no)


def annotate_words(
    corpus: Corpus,
    name: str,
    words: str | Path | Iterable[str] | Mapping[str, str],
    *,
    labels: tuple[str, str] = ("yes", "no"),
) -> Corpus:
    """Add a layer from a list of words, or from a mapping of words to labels.

    Args:
        corpus: the corpus; its parallel side stays as it is.
        name: the new layer's name.
        words: a word-list file (see :func:`read_word_list`), words, or a mapping from words to labels. Words
            are compared with their case.
        labels: for a list without labels, the labels of the words on it and of the others. With a mapping,
            words that are not in it stay unlabelled.

    Raises:
        CorpusError: the file is malformed.
        ParameterError: the list is empty, or the labels are the same.

    >>> corpus = Corpus.from_sentences([["may", "june", "dog"]])
    >>> annotate_words(corpus, "month", ["may", "june"]).layer("month").labels()
    ['yes', 'yes', 'no']
    """
    listed = read_word_list(words) if isinstance(words, str | Path) else words
    if isinstance(listed, Mapping):
        table = dict(listed)
        _require_words(table, name)
        return _by_type(corpus, name, table.get)
    words_listed = frozenset(listed)
    _require_words(words_listed, name)
    yes, no = labels
    if yes == no:
        raise ParameterError(f"labels= needs two different labels, got {yes!r} twice")
    return _by_type(corpus, name, lambda word: yes if word in words_listed else no)


def annotate_with(corpus: Corpus, name: str, function: LabelFunction) -> Corpus:
    """Add a layer from a Python function of a sentence's words and a position.

    Args:
        corpus: the corpus; its parallel side stays as it is.
        name: the new layer's name.
        function: called as ``function(words, position)`` for every word; returns its label, or None for no
            label.

    Raises:
        LabelError: the function returned something else; the message names the word.

    >>> corpus = Corpus.from_sentences([["a", "dog"]])
    >>> last = annotate_with(corpus, "last", lambda words, i: "yes" if i == len(words) - 1 else None)
    >>> last.layer("last").labels()
    [None, 'yes']
    """
    labels: list[str | None] = []
    for number, sentence in enumerate(corpus.sentences()):
        for position, word in enumerate(sentence):
            label = function(sentence, position)
            if label is not None and not isinstance(label, str):
                raise LabelError(
                    f"layer {name!r}: the function returned {label!r} for {word!r} (word {position} of "
                    f"sentence {number}, both from 0); expected a string, or None for no label"
                )
            labels.append(label)
    return corpus.with_layer(LabelLayer.from_labels(name, labels))


def read_word_list(path: str | Path) -> frozenset[str] | dict[str, str]:
    """Read a word list: one word per line, or a word, a tab and its label; blank lines are skipped.

    Raises:
        CorpusError: only some lines have labels, or a word has two labels; the message names file and line.
    """
    rows = [
        (number, line.strip().split("\t"))
        for number, line in enumerate(read_text_lines(path), start=1)
        if line.strip()
    ]
    width = len(rows[0][1])
    table: dict[str, str] = {}
    for number, row in rows:
        if len(row) != width or width > 2:
            expected = "a word" if width == 1 else "a word, a tab and a label"
            raise CorpusError(f"expected {expected}, found {len(row)} tab-separated fields", path, number)
        label = row[-1].strip() if width == 2 else ""
        word = row[0].strip()
        if table.setdefault(word, label) != label:
            raise CorpusError(f"{word!r} has two labels, {table[word]!r} and {label!r}", path, number)
    return table if width == 2 else frozenset(table)


def _by_type(corpus: Corpus, name: str, label: Callable[[str], str | None]) -> Corpus:
    by_word = {word: label(word) for word in dict.fromkeys(corpus.words)}
    return corpus.with_layer(LabelLayer.from_labels(name, [by_word[word] for word in corpus.words]))


def _require_words(words: frozenset[str] | dict[str, str], name: str) -> None:
    if not words:
        raise ParameterError(f"the word list of layer {name!r} is empty; list at least one word")
