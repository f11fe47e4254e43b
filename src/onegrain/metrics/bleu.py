"""BLEU of a model's translations, computed by sacrebleu."""

from __future__ import annotations

from typing import Any

from sacrebleu import metrics as sacrebleu

from onegrain.errors import ParameterError
from onegrain.metrics.translation import TranslationMetric
from onegrain.records.corpus import Corpus

__all__ = ["BLEU"]

TOKENIZERS = ("none", "13a", "intl", "char")
ORDERS = range(1, 5)


class BLEU(TranslationMetric):
    """Corpus BLEU (0 to 100). Its signature is sacrebleu's, followed by the settings of the search.

    Args:
        corpus: source sentences with their translations.
        beams: beam width; 1 is greedy search.
        tokenize: sacrebleu's tokenizer. ``none`` (the default) compares the corpus's words, which are tokens
            already; ``13a``, ``intl`` and ``char`` divide them again. Scores of different tokenizers cannot be
            compared.
        lowercase: True to compare in lower case.
        max_new_tokens: maximum length of a translation, in subwords.

    Raises:
        ParameterError: the corpus has no parallel side or no sentence, or a value is impossible.
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

    def _scorer(self) -> Any:
        # force=True suppresses sacrebleu's warning about tokenized text, which is intended here
        return sacrebleu.BLEU(
            lowercase=self._lowercase, tokenize=self._tokenize, force=self._tokenize == "none"
        )

    def _columns(self) -> tuple[str, ...]:
        correct = tuple(f"correct {n}-grams" for n in ORDERS)
        total = tuple(f"{n}-grams" for n in ORDERS)
        return ("words", "reference words", *correct, *total)
