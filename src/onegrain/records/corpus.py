"""The Corpus record: sentences of words, with named layers of one label per word."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from onegrain.core.describing import Described
from onegrain.errors import CorpusError, LabelError, ParameterError
from onegrain.records.labels import UNLABELLED, LabelLayer
from onegrain.records.running_text import Form, RunningText
from onegrain.records.sentences import require_labels, require_sentences, words_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UNLABELLED", "Corpus", "LabelLayer"]


@dataclass(frozen=True, eq=False, repr=False)
class Corpus(Described):
    """Sentences of words with label layers; optionally the sentences that translate them.

    Attributes:
        words: every word, sentence after sentence.
        offsets: int64 (sentences + 1,); sentence i is ``words[offsets[i]:offsets[i + 1]]``.
        layers: label layers by name.
        source: file that the corpus was read from, or generator, for messages and provenance.
        target: the parallel side, with as many sentences, or None.
        running: how the words are written in running text, if the source says so; None if each is written as
            it is, followed by a space.
        document_of: int64 (sentences,), the number of the document that each sentence belongs to, which changes
            where a document begins; None if the corpus is one document.
    """

    words: tuple[str, ...]
    offsets: np.ndarray
    layers: Mapping[str, LabelLayer] = field(default_factory=dict)
    source: str = "memory"
    target: Corpus | None = None
    running: RunningText | None = None
    document_of: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.running is not None:
            self.running.require_length(len(self.words), self.source)
            ended = self.running.ended(self.offsets)
            object.__setattr__(self, "running", ended if ended.says_more_than(self.words) else None)
        if self.document_of is not None and self.document_of.shape != (self.n_sentences,):
            raise CorpusError(
                f"{self.document_of.size} numbers of documents for {self.n_sentences} sentences", self.source
            )
        for layer in self.layers.values():
            if layer.codes.shape != (len(self.words),):
                raise CorpusError(
                    f"label layer {layer.name!r} has {layer.codes.size} labels for {len(self.words)} words",
                    self.source,
                )
        if self.target is not None and self.target.n_sentences != self.n_sentences:
            raise CorpusError(
                f"{self.n_sentences} sentences, but {self.target.n_sentences} in the parallel side "
                f"{self.target.source}",
                self.source,
            )

    @classmethod
    def from_sentences(
        cls,
        sentences: Sequence[Sequence[str]],
        layers: Mapping[str, Sequence[Sequence[Any]]] | None = None,
        *,
        source: str = "memory",
        target: Corpus | None = None,
        forms: Sequence[Sequence[Form]] | None = None,
        document_of: Sequence[int] | None = None,
    ) -> Corpus:
        """Build a corpus from lists of words and, by layer name, lists of labels of the same lengths.

        Labels of any scalar type become text, see :func:`onegrain.core.scalars.label_text`. ``forms`` gives the
        form of every word in running text; without it a space follows each word. ``document_of`` gives the
        number of each sentence's document; without it the corpus is one document.

        Raises:
            CorpusError: a sentence is a string or not a sequence, a word is not text, or a layer does not have
                one label for every word. The message names sentence and word, both counted from 0.

        >>> Corpus.from_sentences([["a", "dog"]], {"upos": [["DET", "NOUN"]]}).layer("upos").vocabulary
        ('DET', 'NOUN')
        """
        require_sentences(sentences, source)
        lengths = [len(sentence) for sentence in sentences]
        built = {}
        for name, labelled in (layers or {}).items():
            require_labels(str(name), labelled, lengths, source)
            flat = [label for labels in labelled for label in labels]
            built[str(name)] = LabelLayer.from_labels(str(name), flat)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        words = words_of(sentences, source)
        if forms is not None and [len(sentence) for sentence in forms] != lengths:
            raise CorpusError("there is not one form of running text for every word", source)
        running = None if forms is None else RunningText.of([form for row in forms for form in row])
        documents = None if document_of is None else np.asarray(document_of, dtype=np.int64)
        return cls(words, offsets, built, source, target, running, documents)

    @property
    def n_words(self) -> int:
        """Number of words."""
        return len(self.words)

    @property
    def n_sentences(self) -> int:
        """Number of sentences."""
        return len(self.offsets) - 1

    def sentence(self, number: int) -> tuple[str, ...]:
        """Return the words of one sentence."""
        return self.words[self.offsets[number] : self.offsets[number + 1]]

    def sentences(self) -> Iterator[tuple[str, ...]]:
        """Iterate over the words of each sentence, in order."""
        return (self.sentence(number) for number in range(self.n_sentences))

    def forms(self, start: int = 0, stop: int | None = None) -> list[tuple[Form, ...]] | None:
        """Return the running text of the sentences ``start:stop``; None if it is the words with spaces."""
        if self.running is None:
            return None
        edges = self.offsets[start : self.n_sentences + 1 if stop is None else stop + 1].tolist()
        return [self.running.forms(first, last) for first, last in pairwise(edges)]

    def texts(self) -> Iterator[str]:
        """Iterate over the sentences as running text, in order."""
        forms = self.forms()
        if forms is None:
            return (" ".join(words) for words in self.sentences())
        return ("".join(text + " " * space for text, space in row).rstrip(" ") for row in forms)

    @cached_property
    def sentence_of_word(self) -> np.ndarray:
        """The sentence of each word, int64 (words,)."""
        return np.repeat(np.arange(self.n_sentences, dtype=np.int64), np.diff(self.offsets))

    @cached_property
    def documents(self) -> np.ndarray:
        """The first sentence of each document and the number of sentences, int64 (documents + 1,)."""
        if self.document_of is None or not self.n_sentences:
            return np.array([0, self.n_sentences][: 1 + bool(self.n_sentences)], dtype=np.int64)
        begins = np.flatnonzero(np.diff(self.document_of)) + 1
        return np.concatenate([[0], begins, [self.n_sentences]]).astype(np.int64)

    def layer(self, name: str) -> LabelLayer:
        """Return a label layer by name.

        Raises:
            LabelError: there is no such layer; the message lists the layers.
        """
        if name not in self.layers:
            names = ", ".join(sorted(self.layers)) or "none"
            raise LabelError(f"no label layer {name!r} in {self.source}; the layers are: {names}")
        return self.layers[name]

    def with_layer(self, layer: LabelLayer) -> Corpus:
        """Return a copy with one layer added or replaced."""
        return replace(self, layers={**self.layers, layer.name: layer})

    def with_target(self, target: Corpus) -> Corpus:
        """Return a copy with a parallel side."""
        return replace(self, target=target)

    def select(self, sentences: Sequence[int] | np.ndarray) -> Corpus:
        """Return a corpus of some sentences, in the order of ``sentences``, with their parallel side."""
        chosen = np.asarray(sentences, dtype=np.int64)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= self.n_sentences):
            raise ParameterError(f"sentences are numbered 0..{self.n_sentences - 1}")
        spans = [np.arange(self.offsets[s], self.offsets[s + 1]) for s in chosen]
        words = np.concatenate(spans) if spans else np.empty(0, dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum([span.size for span in spans])]).astype(np.int64)
        layers = {name: layer.take(words) for name, layer in self.layers.items()}
        target = None if self.target is None else self.target.select(chosen)
        running = None if self.running is None else self.running.take(words)
        documents = None if self.document_of is None else self.document_of[chosen]
        kept = tuple(self.words[w] for w in words)
        return Corpus(kept, offsets, layers, self.source, target, running, documents)

    def head(self, sentences: int) -> Corpus:
        """Return a corpus of the first sentences."""
        return self.select(np.arange(min(sentences, self.n_sentences)))

    def lower(self) -> Corpus:
        """Return a copy in lower case, for models with a lower-case vocabulary."""
        target = None if self.target is None else self.target.lower()
        running = None if self.running is None else self.running.lower()
        return replace(self, words=tuple(word.lower() for word in self.words), target=target, running=running)

    def apart(self) -> Corpus:
        """Return a copy in which a space follows every word, for models trained on tokenised text."""
        target = None if self.target is None else self.target.apart()
        return replace(self, target=target, running=None)

    def same_words(self, other: Corpus) -> bool:
        """Return True if both have the same words in the same sentences; spaces may differ."""
        return self.words == other.words and np.array_equal(self.offsets, other.offsets)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of words, sentence boundaries, and running text where it differs; not of labels."""
        digest = hashlib.sha256()
        for sentence in self.sentences():
            digest.update("\x1f".join(sentence).encode("utf-8", "surrogatepass"))
            digest.update(b"\x1e")
        if self.running is not None:
            digest.update(b"\x1d" + "\x1f".join(self.running.texts).encode("utf-8", "surrogatepass"))
            digest.update(b"\x1d" + np.packbits(self.running.spaces).tobytes())
        return digest.hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return the facts: source, sizes, label layers, and the first words."""
        return {
            "record": "corpus",
            "source": self.source,
            "sentences": self.n_sentences,
            "words": self.n_words,
            "label layers": [
                f"{name} ({len(layer.vocabulary)})" for name, layer in sorted(self.layers.items())
            ],
            "target": None if self.target is None else f"{self.target.source} ({self.target.n_words} words)",
            "first sentence": " ".join(self.sentence(0)[:_SHOWN_WORDS]) if self.n_sentences else None,
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per word: ``sentence`` (from 0), ``word``, and a column ``label:NAME`` per layer."""
        import pandas as pd

        labels = {f"label:{name}": layer.labels() for name, layer in self.layers.items()}
        return pd.DataFrame({"sentence": self.sentence_of_word, "word": list(self.words), **labels})

    def describe(self) -> str:
        """Return what the corpus holds, in lines: counts, the labels of each layer, and the first sentence."""
        return "\n".join(_description(self))


_SHOWN_LABELS = 8
_SHOWN_WORDS = 20


def _description(corpus: Corpus) -> Iterator[str]:
    yield f"{corpus.source}: {corpus.n_sentences:,} sentences, {corpus.n_words:,} words"
    for name, layer in corpus.layers.items():
        labels = layer.vocabulary[:_SHOWN_LABELS]
        more = ", ..." if len(labels) < len(layer.vocabulary) else ""
        missing = int((layer.codes < 0).sum())
        bare = f"; {missing:,} words without" if missing else ""
        yield f"  {name}: {len(layer.vocabulary):,} labels ({', '.join(labels)}{more}){bare}"
    if corpus.n_sentences:
        words = corpus.sentence(0)
        more = " ..." if len(words) > _SHOWN_WORDS else ""
        yield f"  first sentence, {len(words):,} words: {' '.join(words[:_SHOWN_WORDS])}{more}"
    if corpus.target is not None:
        yield from _description(corpus.target)
