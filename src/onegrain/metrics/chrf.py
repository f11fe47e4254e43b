"""chrF of a model's translations, computed by sacrebleu."""

from __future__ import annotations

from typing import Any

from sacrebleu import metrics as sacrebleu

from onegrain.metrics.translation import TranslationMetric
from onegrain.records.corpus import Corpus

__all__ = ["ChrF"]

CHARACTER_ORDERS = range(1, 7)


class ChrF(TranslationMetric):
    """Corpus chrF2 (0 to 100): F2 of character 1- to 6-grams, without words [Popović, *chrF*, WMT 2015].

    Its signature is sacrebleu's, followed by the settings of the search.

    Args:
        corpus: source sentences with their translations.
        beams: beam width; 1 is greedy search.
        lowercase: True to compare in lower case.
        max_new_tokens: maximum length of a translation, in subwords.

    Raises:
        ParameterError: the corpus has no parallel side or no sentence, or a value is impossible.
    """

    def __init__(
        self, corpus: Corpus, *, beams: int = 1, lowercase: bool = False, max_new_tokens: int = 128
    ) -> None:
        super().__init__(corpus, beams, lowercase, max_new_tokens)

    @property
    def name(self) -> str:
        """``chrf``."""
        return "chrf"

    def _scorer(self) -> Any:
        return sacrebleu.CHRF(char_order=len(CHARACTER_ORDERS), lowercase=self._lowercase)

    def _columns(self) -> tuple[str, ...]:
        kinds = ("{}-grams", "reference {}-grams", "matching {}-grams")
        return tuple(kind.format(n) for n in CHARACTER_ORDERS for kind in kinds)
