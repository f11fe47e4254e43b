"""The ValueChange record: sentences in which a property has one value, and what another value would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from onegrain.core.describing import Described
from onegrain.errors import CorpusError, ParameterError
from onegrain.records.corpus import Corpus

__all__ = ["ValueChange"]


@dataclass(frozen=True, eq=False, repr=False)
class ValueChange(Described):
    """Source sentences in which a property has one value, and how a translation with another is recognised.

    The translation is compared with ``expected``, where the right one is known, or else judged by a lexicon.

    Attributes:
        corpus: the source sentences. With ``expected``, its ``target`` is their translation as they stand.
        layer: the label layer of the property, e.g. ``Number``.
        value: the value that the sentences have, e.g. ``Sing``.
        wanted: the other value, e.g. ``Plur``.
        words: ``LAYER=LABEL`` of the source words that express the value.
        expected: the translations with the wanted value and no other difference; None if they are not known.
        lexicon: the value of target words; None with ``expected``.

    Raises:
        ParameterError: the values are the same, there is no sentence, or not exactly one of ``expected`` and
            ``lexicon`` is given; a lexicon lacks words of a value.
        CorpusError: ``expected`` has another number of sentences, or the corpus no target beside it.
        LabelError: the corpus lacks the layer of ``words``.
    """

    corpus: Corpus
    layer: str
    value: str
    wanted: str
    words: str
    expected: Corpus | None = None
    lexicon: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.value == self.wanted:
            raise ParameterError(f"value and wanted are both {self.value!r}; name two values of {self.layer}")
        if not self.corpus.n_sentences:
            raise ParameterError(f"{self.corpus.source} has no sentence with {self.words}")
        if (self.expected is None) == (self.lexicon is None):
            raise ParameterError("a change is judged either by expected translations or by a lexicon; give one")
        if self.expected is not None:
            if self.corpus.target is None:
                raise CorpusError("expected translations need those as they stand beside them, as target")
            if self.expected.n_sentences != self.corpus.n_sentences:
                raise CorpusError(
                    f"{self.expected.n_sentences} expected translations for {self.corpus.n_sentences} sentences"
                )
        for value in (self.value, self.wanted):
            if self.lexicon is not None and value not in self.lexicon.values():
                raise ParameterError(f"the lexicon has no word with {self.layer}={value}")
        self.corpus.layer(self.words.partition("=")[0])

    @property
    def judged(self) -> str:
        """``exact`` or ``lexicon``: what a translation is compared with."""
        return "lexicon" if self.expected is None else "exact"

    @classmethod
    def with_lexicon(
        cls, corpus: Corpus, layer: str, value: str, wanted: str, lexicon: Mapping[str, str]
    ) -> ValueChange:
        """Return the change of the sentences that have words with one value and none with the other.

        Args:
            corpus: source sentences with the label layer.
            layer: the label layer of the property.
            value: the value that the chosen sentences have.
            wanted: the other value.
            lexicon: the value of target words; see :func:`onegrain.corpora.value_lexicon`.

        Raises:
            LabelError: the corpus lacks the layer.
            ParameterError: no sentence has the value alone; see also the class.
        """
        labels = corpus.layer(layer).labels()
        chosen = []
        for number in range(corpus.n_sentences):
            values = set(labels[corpus.offsets[number] : corpus.offsets[number + 1]])
            if value in values and wanted not in values:
                chosen.append(number)
        return cls(
            corpus=corpus.select(chosen),
            layer=layer,
            value=value,
            wanted=wanted,
            words=f"{layer}={value}",
            lexicon=dict(lexicon),
        )

    def summary(self) -> dict[str, Any]:
        """Return the facts: the property, its values, and what translations are compared with."""
        return {
            "record": "value change",
            "source": self.corpus.source,
            "sentences": self.corpus.n_sentences,
            "change": f"{self.layer}: {self.value} to {self.wanted}",
            "judged by": "expected translations" if self.lexicon is None else f"{len(self.lexicon):,} words",
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per sentence: ``sentence``, and ``translation`` and ``expected`` if they are known."""
        columns = {"sentence": [" ".join(words) for words in self.corpus.sentences()]}
        if self.expected is not None and self.corpus.target is not None:
            columns["translation"] = [" ".join(words) for words in self.corpus.target.sentences()]
            columns["expected"] = [" ".join(words) for words in self.expected.sentences()]
        return pd.DataFrame(columns)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the ``sentences``."""
        return {"sentences": self.to_pandas()}
