"""Build corpora from tables in memory, which have one word or one sentence per row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from onegrain.core.scalars import is_missing, label_text, word_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus
from onegrain.records.sentences import is_listed

__all__ = ["Record", "corpus_of_records", "corpus_of_words", "words_key"]

_KEYS = ("words", "tokens", "forms")
_OF_SENTENCE = "label"
_SPACED = 0.2


class Record(NamedTuple):
    """One sentence as a mapping: a list of words, and lists of labels by layer.

    Attributes:
        place: the number of its line, for messages; None for data in memory.
        values: the mapping.
    """

    place: int | None
    values: Mapping[str, Any]


class _Table(NamedTuple):
    source: str
    place: Callable[[int], int | None]

    def fault(self, row: int, message: str) -> CorpusError:
        """Return an error that names the line of a row, or the row itself if it has no line."""
        line = self.place(row)
        return CorpusError(message if line is not None else f"row {row} (from 0): {message}", self.source, line)


def corpus_of_words(
    words: Sequence[Any],
    keys: Sequence[Any],
    layers: Mapping[str, Sequence[Any]],
    *,
    source: str,
    place: Callable[[int], int | None] = lambda row: None,
    limit: int | None = None,
) -> Corpus:
    """Build a corpus from a table with one word per row.

    Args:
        words: the words.
        keys: the key of each word's sentence: a new value begins a sentence, and a missing one continues it.
        layers: labels by layer name.
        source: the name of the source of the table.
        place: returns the line of a row in ``source``, for messages.
        limit: largest number of sentences to use.

    Raises:
        CorpusError: a row has no word, a sentence begins twice, rows hold sentences in place of words, or a
            label is not a scalar. The message names the row or line.
    """
    table = _Table(source, place)
    starts = _starts(keys, table)
    if limit is not None and len(starts) > limit:
        words = words[: starts[limit]]
        starts = starts[:limit]
    checked = [_checked(word_text, word, row, table) for row, word in enumerate(words)]
    for row, word in enumerate(checked):
        if not word.strip():
            raise table.fault(row, "a row without a word")
    _require_words(checked, table)
    bounds = [*starts, len(checked)]
    spans = [slice(start, stop) for start, stop in pairwise(bounds)]
    labelled = {
        name: [_checked(label_text, label, row, table) for row, label in enumerate(labels[: len(checked)])]
        for name, labels in layers.items()
    }
    return Corpus.from_sentences(
        [checked[span] for span in spans],
        {name: [labels[span] for span in spans] for name, labels in labelled.items()},
        source=source,
    )


def corpus_of_records(records: Iterable[Record], *, source: str, limit: int | None = None) -> Corpus:
    """Build a corpus from records of one sentence each: ``{"words": ["a", "dog"], "upos": ["DET", "NOUN"]}``.

    The words are the value of ``words``, ``tokens`` or ``forms``. Other values that are lists of scalars become
    label layers, and so does a single value named ``label``, which labels every word of its sentence. Other
    values describe the sentence and are left out. A record without a layer leaves its words unlabelled.

    Raises:
        CorpusError: a record has no list of words, a word is not text, or the numbers of labels and words
            differ.
    """
    chosen = []
    for record in records:
        chosen.append(record)
        if limit is not None and len(chosen) == limit:
            break
    if not chosen:
        raise CorpusError("no sentences", source)
    table = _Table(source, lambda row: chosen[row].place)
    sentences = []
    for row, record in enumerate(chosen):
        words = record.values[words_key(record.values, lambda text, row=row: table.fault(row, text))]  # type: ignore[misc]
        if not is_listed(words):
            shown = "one string" if isinstance(words, str) else type(words).__name__
            raise table.fault(row, f"the words are {shown}; expected a list of words")
        sentences.append([_checked(word_text, word, row, table) for word in words])
    layers: dict[str, list[list[str | None]]] = {}
    for name in dict.fromkeys(str(name) for record in chosen for name in record.values):
        if name.casefold() not in _KEYS and any(_labels(record.values.get(name), name) for record in chosen):
            layers[name] = _layer(name, chosen, sentences, table)
    return Corpus.from_sentences(sentences, layers, source=source)


def words_key(names: Iterable[str], fault: Callable[[str], CorpusError]) -> str:
    """Return the name of the words: one of words, tokens and forms; case does not matter."""
    listed = [str(name) for name in names]
    keys = [name for name in listed if name.casefold() in _KEYS]
    if len(keys) != 1:
        which = "no list of words" if not keys else f"several lists of words ({', '.join(keys)})"
        raise fault(f"{which}; name it words, tokens or forms. The names are: {', '.join(listed) or 'none'}")
    return keys[0]


def _layer(
    name: str, records: Sequence[Record], sentences: Sequence[Sequence[str]], table: _Table
) -> list[list[str | None]]:
    layer: list[list[str | None]] = []
    for row, (record, words) in enumerate(zip(records, sentences, strict=True)):
        labels: Any = record.values.get(name)
        if is_missing(labels):
            layer.append([None] * len(words))
            continue
        if name == _OF_SENTENCE and not is_listed(labels):
            labels = [labels] * len(words)
        if not is_listed(labels) or len(labels) != len(words):
            count = len(labels) if is_listed(labels) else "no list of"
            raise table.fault(
                row, f"{len(words)} words, but {count} labels in {name!r}; give each word a label"
            )
        layer.append([_checked(label_text, label, row, table, name) for label in labels])
    return layer


def _labels(value: Any, name: str) -> bool:
    """Return True if a value holds labels: a list without lists or mappings in it, or a sentence's label."""
    if name == _OF_SENTENCE and isinstance(value, str | int | float):
        return True
    return is_listed(value) and not any(is_listed(item) or isinstance(item, Mapping) for item in value)


def _starts(keys: Sequence[Any], table: _Table) -> list[int]:
    starts, known, current = [], set(), None
    for row, key in enumerate(keys):
        text = _checked(label_text, key, row, table)
        if text is None and not row:
            raise table.fault(row, "the first row does not say which sentence it is of")
        if text is None or (row and text == current):
            continue
        if text in known:
            raise table.fault(
                row, f"sentence {text!r} begins again; the rows of a sentence must stand together"
            )
        known.add(text)
        current = text
        starts.append(row)
    return starts


def _checked(rule: Callable[[Any], Any], value: Any, row: int, table: _Table, name: str | None = None) -> Any:
    try:
        return rule(value)
    except ValueError as fault:
        raise table.fault(row, f"{fault}" if name is None else f"{name!r}: {fault}") from fault


def _require_words(words: Sequence[str], table: _Table) -> None:
    """Refuse a table whose rows are sentences."""
    spaced = [row for row, word in enumerate(words) if " " in word.strip()]
    if len(spaced) > _SPACED * len(words):
        raise table.fault(
            spaced[0], f"{words[spaced[0]][:60]!r} is a sentence; expected one word per row, or lists of words"
        )
