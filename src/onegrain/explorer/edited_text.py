"""The texts of an edit: what the model reads, and the sentence whose values are taken."""

from __future__ import annotations

import numpy as np

from onegrain.errors import ParameterError
from onegrain.explorer.edit_query import EditQuery
from onegrain.explorer.expressions import matching
from onegrain.explorer.state import Explorer
from onegrain.explorer.tasks import architecture_of, continues
from onegrain.explorer.typed import reads_translations, typed_corpus
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer

__all__ = ["MATCH", "paired_text", "shown_text"]

MATCH = "match"
"""The label layer of a text whose words a regular expression labels ``yes``."""


def shown_text(explorer: Explorer, activations: Activations, query: EditQuery) -> Corpus | None:
    """Return the text as a corpus of one sentence, with a layer of the words that a regular expression matches.

    It is the typed text, else the sentence of the store, of which a language model gets the first half to
    continue; None if the store has the words of translations, which
    are not what the model reads, and no text is typed.

    Raises:
        ParameterError: the text is too long or has several lines, or the store has no such sentence.
    """
    if query.text.strip():
        corpus, _ = typed_corpus(explorer, activations, " ".join(query.text.split()))
    elif reads_translations(activations.provenance):
        return None
    else:
        corpus = activations.corpus
        if query.sentence >= corpus.n_sentences:
            raise ParameterError(f"the store has the sentences 0 to {corpus.n_sentences - 1}")
        corpus = corpus.select([query.sentence])
        if continues(architecture_of(activations.provenance)):
            corpus = _beginning(corpus)
    if query.where != "regex":
        return corpus
    if not query.regex:
        raise ParameterError("give the expression that words have to match")
    matches = matching(query.regex, corpus.words)
    if not matches:
        raise ParameterError(f"no word of the text matches {query.regex!r}")
    return corpus.with_layer(
        LabelLayer.from_labels(MATCH, ["yes" if word in matches else "no" for word in corpus.words])
    )


def paired_text(explorer: Explorer, activations: Activations, query: EditQuery) -> Corpus | None:
    """Return the sentence from which ``interchange`` takes values; None for any other kind of edit.

    Raises:
        ParameterError: it is missing or too long.
    """
    if query.kind != "interchange":
        return None
    if not query.pair.strip():
        raise ParameterError("type the sentence from which the values are taken")
    corpus, _ = typed_corpus(explorer, activations, " ".join(query.pair.split()))
    return corpus


def _beginning(sentence: Corpus) -> Corpus:
    """Return the first half of the words of a corpus of one sentence, rounded up."""
    words = np.arange((sentence.n_words + 1) // 2)
    return Corpus(
        sentence.words[: len(words)],
        np.array([0, len(words)], dtype=np.int64),
        {name: layer.take(words) for name, layer in sentence.layers.items()},
        sentence.source,
        running=None if sentence.running is None else sentence.running.take(words),
    )
