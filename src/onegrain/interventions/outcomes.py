"""The outcome of setting neurons: how many translations show the wanted value, and what else changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from onegrain.core.bootstrap import bootstrap_ratios, quantile_interval
from onegrain.errors import ParameterError
from onegrain.interventions.judging import judge_of
from onegrain.metrics.bleu import BLEU
from onegrain.records.control import LEVEL
from onegrain.records.corpus import Corpus
from onegrain.records.value_change import ValueChange

__all__ = ["Outcome"]

EXAMPLES = 5


class Outcome:
    """Compares translations under an edit with the unedited ones.

    Args:
        change: the sentences and the two values.
        before: the words of each unedited translation.

    Raises:
        ParameterError: no unedited translation shows the value.
    """

    def __init__(self, change: ValueChange, before: list[list[str]]) -> None:
        self._change, self._judge, self._before = change, judge_of(change), before
        self._cases = np.array([self._judge.shows_value(number, words) for number, words in enumerate(before)])
        if not self._cases.any():
            raise ParameterError(
                f"none of the {len(before)} unedited translations shows {change.layer}={change.value}, so "
                "nothing can change; take a model that translates these sentences"
            )
        untouched = Corpus.from_sentences(self._elsewhere(before), source="unedited translations")
        self._bleu = BLEU(change.corpus.with_target(untouched))
        self.signature = self._bleu.score([" ".join(words) for words in untouched.sentences()]).signature

    def _elsewhere(self, translations: list[list[str]]) -> list[list[str]]:
        return [self._judge.elsewhere(number, words) for number, words in enumerate(translations)]

    def _shows_wanted(self, after: list[list[str]]) -> np.ndarray:
        """Return which cases show the wanted value, bool (sentences,)."""
        pairs = enumerate(zip(self._before, after, strict=True))
        return self._cases & [self._judge.shows_wanted(number, *pair) for number, pair in pairs]

    def measure(self, after: list[list[str]]) -> tuple[dict[str, Any], np.ndarray]:
        """Return the numbers of one point, and its success in each draw of the bootstrap."""
        shown, cases = self._shows_wanted(after), int(self._cases.sum())
        draws = bootstrap_ratios(shown.astype(float), self._cases.astype(float))
        low, high = quantile_interval(draws[:, None], LEVEL)
        bleu = self._bleu.score([" ".join(words) for words in self._elsewhere(after)])
        row = {
            "cases": cases,
            "successes": int(shown.sum()),
            "success": float(shown.sum() / cases),
            "low": float(low[0]),
            "high": float(high[0]),
            "exact": self._exact(after),
            "bleu": bleu.value,
            "bleu_low": bleu.low,
            "bleu_high": bleu.high,
        }
        return row, draws

    def _exact(self, after: list[list[str]]) -> float:
        """Return the share of the cases whose translation is the right one; NaN if that is not known."""
        if self._change.expected is None:
            return float("nan")
        right = [list(words) for words in self._change.expected.sentences()]
        same = np.array([words == expected for words, expected in zip(after, right, strict=True)])
        return float((same & self._cases).sum() / self._cases.sum())

    def examples(self, after: list[list[str]]) -> list[dict[str, Any]]:
        """Return the first cases: source, translation before and after, and whether it has the wanted value."""
        shown = self._shows_wanted(after)
        return [
            {
                "source": " ".join(self._change.corpus.sentence(int(number))),
                "before": " ".join(self._before[number]),
                "after": " ".join(after[number]),
                "wanted": bool(shown[number]),
            }
            for number in np.flatnonzero(self._cases)[:EXAMPLES]
        ]
