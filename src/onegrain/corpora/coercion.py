"""Build a corpus from data in memory: lists of words, tagged sentences, data frames, Hugging Face data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onegrain.corpora.headers import SENTENCE_NAMES, roles
from onegrain.corpora.tables import Record, corpus_of_records, corpus_of_words, words_key
from onegrain.errors import CorpusError, LabelError, ParameterError
from onegrain.records.corpus import Corpus
from onegrain.records.sentences import is_listed

__all__ = ["corpus_in_memory"]

_MEMORY = "memory"
_UNLABELLED_CLASS = -1


def corpus_in_memory(
    data: Any,
    *,
    labels: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
) -> Corpus:
    """Build a corpus from data in memory.

    Args:
        data: a :class:`~onegrain.records.corpus.Corpus`; a list of sentences, each a list of words, a list of
            ``(word, label, ...)`` tuples, or a mapping like an object of JSON lines; a pair of such a list and
            a mapping from layers to labels; a pandas data frame with one word per row (columns ``word`` and
            ``sentence_id``) or one sentence per row (a column ``words`` of lists); or a Hugging Face
            ``Dataset``, whose class numbers become class names.
        labels: for lists of words, the lists of labels by layer name.
        columns: for tuples, data frames and data sets, the names of the columns; ``_`` drops a column.
        limit: largest number of sentences to use.

    Raises:
        CorpusError: the data are of another kind or malformed; the message names sentence, row and word.
        LabelError: the data set has no name for the number of a class.
        ParameterError: ``labels`` or ``columns`` with data that contain labels or name their columns.
    """
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], Mapping) and labels is None:
        data, labels = data
    kind, build = _kind(data)
    if labels is not None and kind != "lists":
        raise ParameterError(f"labels= goes with lists of words, not with {kind}; leave it out")
    if columns is not None and kind in ("lists", "mappings", "a corpus"):
        raise ParameterError(f"columns= names the columns of a table, not of {kind}; leave it out")
    if kind == "a corpus":
        return data if limit is None else data.head(limit)
    if kind == "lists":
        sentences = data[:limit] if limit is not None else data
        layers = {name: rows if limit is None else rows[:limit] for name, rows in (labels or {}).items()}
        corpus = Corpus.from_sentences(sentences, layers, source=_MEMORY)
    else:
        corpus = build(data, columns, limit)
    if not corpus.n_sentences:
        raise CorpusError("no sentences", _MEMORY)
    return corpus


def _kind(data: Any) -> tuple[str, Any]:
    """Return the kind of the data, in words, and the function that reads them."""
    if isinstance(data, Corpus):
        return "a corpus", None
    if hasattr(data, "column_names") and hasattr(data, "features"):
        return "a data set", _of_dataset
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return "a data frame", _of_frame
    if isinstance(data, Mapping):
        raise CorpusError(
            f"a mapping of {', '.join(map(str, data))}; give one split of a data set, or a list of sentences",
            _MEMORY,
        )
    if not is_listed(data):
        raise CorpusError(
            f"a corpus is a path, lists of words, a data frame, a data set or a Corpus; got "
            f"{type(data).__name__}",
            _MEMORY,
        )
    first: Any = next(iter(data), None)
    if isinstance(first, Mapping):
        return "mappings", _of_mappings
    if is_listed(first) and any(isinstance(word, tuple) for word in first):
        return "tagged words", _of_tagged
    return "lists", None


def _of_mappings(data: Sequence[Any], columns: None, limit: int | None) -> Corpus:
    for number, sentence in enumerate(data):
        if not isinstance(sentence, Mapping):
            raise CorpusError(f"sentence {number} (from 0) is not a mapping like the first one", _MEMORY)
    return corpus_of_records((Record(None, sentence) for sentence in data), source=_MEMORY, limit=limit)


def _of_tagged(data: Sequence[Any], columns: Sequence[str] | None, limit: int | None) -> Corpus:
    sentences = list(data)[:limit]
    width = len(next(word for word in sentences[0] if isinstance(word, tuple)))
    names = tuple(columns or ("word", *(f"column{number}" for number in range(2, width + 1))))
    for number, sentence in enumerate(sentences):
        for position, word in enumerate(sentence if is_listed(sentence) else [None]):
            if not isinstance(word, tuple) or len(word) != len(names):
                raise CorpusError(
                    f"sentence {number}, word {position} (both from 0): expected a tuple of {len(names)} "
                    f"({', '.join(names)})",
                    _MEMORY,
                )
    word, sentence_column, layers = roles(names, None, _MEMORY)
    if sentence_column is not None:
        raise CorpusError("tagged sentences are apart already; drop the column of sentences (_)", _MEMORY)
    return Corpus.from_sentences(
        [[row[word] for row in sentence] for sentence in sentences],
        {
            name: [[row[column] for row in sentence] for sentence in sentences]
            for name, column in layers.items()
        },
        source=_MEMORY,
    )


def _of_frame(frame: Any, columns: Sequence[str] | None, limit: int | None) -> Corpus:
    if frame.columns.nlevels > 1:
        raise CorpusError("a data frame with several levels of columns; give it one level", _MEMORY)
    names = [str(name) for name in frame.columns]
    table = {position: frame.iloc[:, position].tolist() for position in range(len(names))}
    if not len(frame):
        raise CorpusError("a data frame without rows", _MEMORY)
    word, sentence, layers = roles(names, columns, _MEMORY)
    if any(is_listed(value) for value in table[word]):
        values = {"words": table[word], **{name: table[column] for name, column in layers.items()}}
        return _of_columns(values, len(frame), limit)
    if sentence is None:
        raise CorpusError(
            f"no column tells sentences apart: name one sentence_id ({', '.join(SENTENCE_NAMES)}), or give one "
            f"sentence per row, with lists of words. The columns are: {', '.join(names)}",
            _MEMORY,
        )
    return corpus_of_words(
        table[word],
        table[sentence],
        {name: table[column] for name, column in layers.items()},
        source=_MEMORY,
        limit=limit,
    )


def _of_dataset(data: Any, columns: Sequence[str] | None, limit: int | None) -> Corpus:
    names = list(data.column_names or ())
    features = data.features or {}
    words = (
        words_key(columns or names, lambda message: CorpusError(message, _MEMORY)) if columns is None else None
    )
    if columns is not None:
        word, _, layers = roles(names, columns, _MEMORY)
        chosen = {"words": names[word], **{name: names[column] for name, column in layers.items()}}
    else:
        chosen = {"words": words, **{name: name for name in names if name != words}}
    values: dict[str, list[Any]] = {name: [] for name in chosen}
    for number, row in enumerate(data):
        if limit is not None and number == limit:
            break
        for name, column in chosen.items():
            values[name].append(_named(row[column], features.get(column), str(column)))
    return _of_columns(values, len(values["words"]), limit)


def _named(value: Any, feature: Any, column: str) -> Any:
    """Return the labels of a row, as names if the feature has names for the numbers of classes."""
    inner = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", None)
    classes = getattr(inner, "names", None)
    if classes is None or not is_listed(value):
        return value
    return [_class_name(number, classes, column) for number in value]


def _class_name(number: Any, classes: Sequence[str], column: str) -> str | None:
    if number is None or isinstance(number, str) or number == _UNLABELLED_CLASS:
        return None if number == _UNLABELLED_CLASS else number
    if not 0 <= int(number) < len(classes):
        raise LabelError(f"{column!r}: class {number} is not among the {len(classes)} that the data set names")
    return classes[int(number)]


def _of_columns(values: Mapping[str, Sequence[Any]], rows: int, limit: int | None) -> Corpus:
    records = (Record(None, {name: column[row] for name, column in values.items()}) for row in range(rows))
    return corpus_of_records(records, source=_MEMORY, limit=limit)
