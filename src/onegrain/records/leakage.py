"""The words and sentences that tested words share with those that a probe was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onegrain.records.corpus import Corpus

__all__ = ["leakage_cautions", "measure_leakage"]


def measure_leakage(
    train: Corpus,
    trained: np.ndarray,
    test: Corpus,
    tested: np.ndarray,
    *,
    chosen: bool = False,
    what: str = "penalties",
) -> dict[str, Any]:
    """Count what training and tested sentences share; spelling counts, not case.

    Args:
        train: the corpus with the training sentences.
        trained: int64, the sentences that were trained on.
        test: the corpus with the tested sentences; may be the same.
        tested: int64, the sentences that are tested.
        chosen: True if something was also chosen on the tested words.
        what: name of the items that were chosen, in the plural.

    Returns:
        ``known_types`` (share of the tested words whose type occurs in training), ``known_sentences`` (share of
        the tested sentences that occur in training, word for word), ``chosen_on_tested``, and if that is True
        ``what``, unless it is penalties.

    >>> corpus = Corpus.from_sentences([["a", "dog"], ["A", "cat"], ["a", "dog"]])
    >>> measure_leakage(corpus, np.array([0]), corpus, np.array([1, 2]))
    {'known_types': 0.75, 'known_sentences': 0.5, 'chosen_on_tested': False}
    """
    known = {_folded(train, sentence) for sentence in trained.tolist()}
    types = {word for sentence in known for word in sentence}
    sentences = [_folded(test, sentence) for sentence in tested.tolist()]
    words = [word for sentence in sentences for word in sentence]
    return {
        "known_types": float(np.mean([word in types for word in words])) if words else 0.0,
        "known_sentences": float(np.mean([sentence in known for sentence in sentences])) if sentences else 0.0,
        "chosen_on_tested": chosen,
        **({"what": what} if chosen and what != "penalties" else {}),
    }


def leakage_cautions(leakage: Mapping[str, Any] | None) -> list[str]:
    """Return one sentence for each reason why a tested accuracy may be too high; none if none is known."""
    if not leakage:
        return []
    cautions = []
    if leakage["known_sentences"]:
        share = _percent(leakage["known_sentences"])
        cautions.append(f"Beware: {share} of the tested sentences are also training sentences, word for word.")
    if leakage["known_types"]:
        cautions.append(
            f"{_percent(leakage['known_types'])} of the tested words are of types that were trained on, which "
            "a probe can know by heart; a control task shows how far it does."
        )
    if leakage["chosen_on_tested"]:
        what = leakage.get("what", "penalties")
        cautions.append(f"Beware: the {what} were chosen on the tested words too; give other words to test on.")
    return cautions


def _folded(corpus: Corpus, sentence: int) -> tuple[str, ...]:
    return tuple(word.casefold() for word in corpus.sentence(sentence))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
