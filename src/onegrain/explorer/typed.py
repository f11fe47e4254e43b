"""Activations of a text that a reader has typed, from the model of a store, read as the store was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.explorer.collection import Entry
from onegrain.explorer.state import Explorer
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import Provenance
from onegrain.records.space import Neurons

if TYPE_CHECKING:
    from onegrain.models import LoadedModel

__all__ = ["TypedActivations", "activations_of_text", "reads_translations", "typed_corpus"]

SOURCE = "typed text"


@dataclass(frozen=True, eq=False)
class TypedActivations:
    """The values of some neurons at the words of a typed text.

    Attributes:
        corpus: the words; each line of the text is a sentence.
        neurons: the neurons as ``site:unit``, in the order of the columns.
        values: float32 (words, neurons); NaN for a word without an activation.
        lowered: True if the text was read in lower case, because the words of the store are.
    """

    corpus: Corpus
    neurons: tuple[str, ...]
    values: Float32[np.ndarray, "words neurons"]
    lowered: bool

    @property
    def words(self) -> tuple[str, ...]:
        """All words, in order."""
        return self.corpus.words


def activations_of_text(
    explorer: Explorer, store: Entry, text: str, neurons: Neurons, source: str = ""
) -> TypedActivations:
    """Return the values of some neurons of a store at the words of a typed text.

    The model of the store reads the text as it read the store's corpus: the same subwords of a word are
    combined in the same way, with or without a start token, in the same precision and languages. Words are
    separated by white space, and each line is a sentence, as in :func:`onegrain.read_corpus`. Where all words
    of a store are in lower case, the text is read in lower case too.

    Args:
        explorer: the explorer, whose collection has the model.
        store: the entry of the store.
        text: the text, at most ``settings.longest_text`` characters.
        neurons: names ``site:unit`` or flat indices in the store.
        source: for neurons that read translations, the text that ``text`` translates, line by line.

    Raises:
        NotFoundError: the model of the store is not in the collection.
        ParameterError: a text without words or too long, a neuron outside the store, or the store holds
            latents of dictionaries.
        MismatchError: the model of that name has other weights than that of the store.
        CorpusError: the text is too long for the model, or has more or fewer lines than its source.
        BusyError: too much other work waits for the model.
        TimeLimitError: the model takes longer than ``settings.model_seconds``.
    """
    activations = explorer.collection.store(store.name)
    corpus, lowered = typed_corpus(explorer, activations, text, source)
    indices = activations.space.indices(neurons)
    names = tuple(activations.space.name(int(index)) for index in indices)
    if not names:
        raise ParameterError("name at least one neuron")
    if activations.provenance.dictionaries():
        raise ParameterError("latents of dictionaries are not computed for typed texts; choose another store")
    sites = list(activations.space.by_site(indices))

    def read(loaded: LoadedModel, progress: Progress) -> np.ndarray:
        from onegrain.activations.extraction.live import live_activations  # it loads torch

        options = activations.provenance.made_by("extract").parameters
        live = live_activations(
            loaded,
            corpus,
            sites=sites,
            aggregate=str(options.get("aggregate", "last")),
            long=str(options.get("long", "error")),
            bos=_start_token(options.get("bos")),
        )
        return live.take(None, list(names))

    values = explorer.work.run(store, read)
    read_words = corpus.target if corpus.target is not None else corpus
    return TypedActivations(read_words, names, values, lowered)


def typed_corpus(
    explorer: Explorer, activations: Activations, text: str, source: str = ""
) -> tuple[Corpus, bool]:
    """Return a typed text as a corpus, and whether it was turned into lower case.

    Raises:
        ParameterError: the text has no word, or is longer than ``settings.longest_text`` characters.
    """
    longest = explorer.settings.longest_text
    for typed in (text, source):
        if len(typed) > longest:
            raise ParameterError(f"a text may have up to {longest:,} characters, and this has {len(typed):,}")
    corpus = _lines(text)
    if source:
        corpus = _lines(source).with_target(corpus)
    lowered = not any(word != word.lower() for word in activations.corpus.words)
    return (corpus.lower(), True) if lowered else (corpus, False)


def reads_translations(provenance: Provenance) -> bool:
    """Return True if a store holds the words of the target side of a parallel corpus."""
    parameters = provenance.made_by("extract").parameters
    return "read_from" in parameters and not parameters.get("special_tokens", False)


def _lines(text: str) -> Corpus:
    sentences = [line.split() for line in text.splitlines()]
    corpus = Corpus.from_sentences([words for words in sentences if words], source=SOURCE)
    if not corpus.n_words:
        raise ParameterError("type at least one word")
    return corpus


def _start_token(bos: object) -> bool | None:
    return bos if isinstance(bos, bool) else None
