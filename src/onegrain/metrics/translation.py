"""BLEU and chrF of a model's translations, by sacrebleu."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from typing import Any

import numpy as np
from sacrebleu import metrics as sacrebleu

from onegrain.core.bootstrap import quantile_interval
from onegrain.core.progress import Progress, silent
from onegrain.errors import ParameterError
from onegrain.metrics.measurement import LEVEL, MeasurableModel, Measurement, Metric, resampled_scores
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity

__all__ = ["BLEU", "ChrF"]

TOKENIZERS = ("none", "13a", "intl", "char")
ORDERS = range(1, 5)
CHARACTER_ORDERS = range(1, 7)
BETA = 2


class TranslationMetric(Metric):
    """A score of the model's translations against the parallel side's sentences, words joined by spaces."""

    def __init__(self, corpus: Corpus, beams: int, lowercase: bool, max_new_tokens: int, **others: Any) -> None:
        if corpus.target is None:
            raise ParameterError(f"{corpus.source} has no parallel side; read it with read_parallel")
        if corpus.n_sentences == 0:
            raise ParameterError(f"{corpus.source} has no sentence to translate")
        for name, value in (("beams", beams), ("max_new_tokens", max_new_tokens)):
            if value < 1:
                raise ParameterError(f"{name} must be 1 or more, got {value}")
        self._corpus = corpus
        self._target = corpus.target
        self._references = [" ".join(sentence) for sentence in corpus.target.sentences()]
        self._beams = beams
        self._lowercase = lowercase
        self._max_new_tokens = max_new_tokens
        self._others = others

    @property
    def higher_is_better(self) -> bool:
        """True."""
        return True

    @property
    def corpus(self) -> Corpus:
        """What the model translates."""
        return self._corpus

    @property
    def parameters(self) -> dict[str, Any]:
        """How translations are made, and what they are compared with."""
        return {
            "beams": self._beams,
            "lowercase": self._lowercase,
            "max_new_tokens": self._max_new_tokens,
            "target": CorpusIdentity.of(self._target).model_dump(),
            **self._others,
        }

    def measure(
        self, model: MeasurableModel, *, batch_size: int = 64, progress: Progress = silent
    ) -> Measurement:
        """Translate the corpus and score the translations.

        Raises:
            ParameterError: the model does not translate.
        """
        translations = model.translate(
            self._corpus,
            beams=self._beams,
            max_new_tokens=self._max_new_tokens,
            batch_size=batch_size,
            progress=progress,
        )
        searched = model.generation_settings(self._beams)
        named = [f"{name}:{_compact(value)}" for name, value in searched.items() if name != "num_beams"]
        return self._scored(translations, named)

    def score(self, translations: list[str]) -> Measurement:
        """Score translations that were made already, one a sentence of the corpus."""
        return self._scored(translations, [])

    def _scored(self, translations: list[str], searched: list[str]) -> Measurement:
        if len(translations) != len(self._references):
            raise ParameterError(f"{len(translations)} translations for {len(self._references)} references")
        value, signature = self._corpus_score(translations, self._references)
        statistics, columns = self._statistics(translations, self._references)
        draws = resampled_scores(statistics, self._score_of)
        low, high = (float(bound[0]) for bound in quantile_interval(draws[:, None], LEVEL))
        signed = "|".join([signature, *searched, f"beams:{self._beams}"])
        return Measurement(value, low, high, signed, len(translations), statistics, columns, draws)

    @abstractmethod
    def _corpus_score(self, translations: list[str], references: list[str]) -> tuple[float, str]:
        """Sacrebleu's score of the corpus, and its signature."""

    @abstractmethod
    def _statistics(self, translations: list[str], references: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
        """float64 (sentences, statistics) whose sum determines the score, and their names."""

    @abstractmethod
    def _score_of(self, sums: np.ndarray) -> float:
        """The score from statistics summed over sentences."""


class BLEU(TranslationMetric):
    """Corpus BLEU (0 to 100) with sacrebleu's signature, which gets the number of beams appended.

    Args:
        corpus: source sentences with their translations.
        beams: of the beam search; 1 is greedy.
        tokenize: sacrebleu's tokenizer: ``none`` takes the corpus's own words (the default: the words of a
            corpus are tokens already), or ``13a``, ``intl``, ``char``. Scores of different tokenizers
            cannot be compared.
        lowercase: compare in lower case.
        max_new_tokens: where a translation that does not end is cut, at the latest.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        beams: int = 1,
        tokenize: str = "none",
        lowercase: bool = False,
        max_new_tokens: int = 128,
    ) -> None:
        super().__init__(corpus, beams, lowercase, max_new_tokens, tokenize=tokenize)
        if tokenize not in TOKENIZERS:
            raise ParameterError(f"tokenize must be one of {', '.join(TOKENIZERS)}, got {tokenize!r}")
        self._tokenize = tokenize

    @property
    def name(self) -> str:
        """``bleu``."""
        return "bleu"

    def _sacrebleu(self, **options: Any) -> Any:
        # force: words that are tokens already are no mistake when no tokenizer is asked for
        return sacrebleu.BLEU(
            lowercase=self._lowercase, tokenize=self._tokenize, force=self._tokenize == "none", **options
        )

    def _corpus_score(self, translations: list[str], references: list[str]) -> tuple[float, str]:
        metric = self._sacrebleu()
        score = float(metric.corpus_score(translations, [references]).score)
        return score, str(metric.get_signature())

    def _statistics(self, translations: list[str], references: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
        metric = self._sacrebleu(effective_order=True)
        rows = []
        for translation, reference in zip(translations, references, strict=True):
            one = metric.sentence_score(translation, [reference])
            rows.append([one.sys_len, one.ref_len, *one.counts, *one.totals])
        correct = tuple(f"correct {n}-grams" for n in ORDERS)
        total = tuple(f"{n}-grams" for n in ORDERS)
        return np.array(rows, dtype=np.float64), ("words", "reference words", *correct, *total)

    def _score_of(self, sums: np.ndarray) -> float:
        made, wanted, *counts = sums.astype(np.int64).tolist()
        half = len(counts) // 2
        return float(
            sacrebleu.BLEU.compute_bleu(counts[:half], counts[half:], made, wanted, smooth_method="exp").score
        )


class ChrF(TranslationMetric):
    """Corpus chrF2 (0 to 100; characters 1- to 6-grams, no words) with sacrebleu's signature and the beams.

    Args:
        corpus: source sentences with their translations.
        beams: of the beam search; 1 is greedy.
        lowercase: compare in lower case.
        max_new_tokens: where a translation that does not end is cut, at the latest.
    """

    def __init__(
        self, corpus: Corpus, *, beams: int = 1, lowercase: bool = False, max_new_tokens: int = 128
    ) -> None:
        super().__init__(corpus, beams, lowercase, max_new_tokens)

    @property
    def name(self) -> str:
        """``chrf``."""
        return "chrf"

    def _corpus_score(self, translations: list[str], references: list[str]) -> tuple[float, str]:
        metric = sacrebleu.CHRF(lowercase=self._lowercase)
        score = float(metric.corpus_score(translations, [references]).score)
        return score, str(metric.get_signature())

    def _statistics(self, translations: list[str], references: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
        rows = [
            self._matches(translation, reference)
            for translation, reference in zip(translations, references, strict=True)
        ]
        kinds = ("{}-grams", "reference {}-grams", "matching {}-grams")
        columns = tuple(kind.format(n) for n in CHARACTER_ORDERS for kind in kinds)
        return np.array(rows, dtype=np.float64), columns

    def _matches(self, translation: str, reference: str) -> list[int]:
        """For each order: n-grams of the translation, of the reference, and in both.

        As in sacrebleu, the translation's n-grams of an order that the reference has none of do not count.
        """
        made, wanted = ("".join(text.split()) for text in (translation, reference))
        if self._lowercase:
            made, wanted = made.lower(), wanted.lower()
        row: list[int] = []
        for n in CHARACTER_ORDERS:
            ours, theirs = _ngrams(made, n), _ngrams(wanted, n)
            row += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
        return row

    def _score_of(self, sums: np.ndarray) -> float:
        """[Popović, *chrF*, WMT 2015]: F of precision and recall, each the mean over the orders that occur."""
        ours, theirs, both = sums.reshape(-1, 3).T
        there = (ours > 0) & (theirs > 0)
        if not there.any():
            return 0.0
        precision = float((both[there] / ours[there]).mean())
        recall = float((both[there] / theirs[there]).mean())
        if precision + recall == 0:
            return 0.0
        return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _compact(value: Any) -> str:
    return str(value).replace(" ", "").lower()


def _ngrams(text: str, n: int) -> Counter[str]:
    return Counter(text[start : start + n] for start in range(len(text) - n + 1))
