"""The words of an evaluation: to train probes on, to choose penalties on, and to test on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from onegrain.errors import MismatchError, ParameterError
from onegrain.evaluation.options import EvaluationOptions
from onegrain.rankings.data.labelled import (
    LabelledWords,
    held_out,
    read_labelled,
    read_matching,
    require_held_out,
    sentences_within,
)
from onegrain.rankings.data.memory import Memory
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["EvaluationInput", "ProbeWords", "require_rankings", "seen", "shared_layer"]


@dataclass(frozen=True, eq=False)
class EvaluationInput:
    """The activations, labels and seed passed to an evaluation.

    Attributes:
        train: words that probes learn from.
        test: words that probes are tested on; None to hold out a share of the sentences of ``train``.
        dev: words on which penalties are chosen; None to hold out a share of the training sentences if needed.
        label: name of the label layer.
        seed: seed of the splits.
    """

    train: Activations
    test: Activations | None
    dev: Activations | None
    label: str
    seed: int

    def require(self) -> None:
        """Raise MismatchError unless held-out words belong to the same neurons and are indeed held out."""
        for words in (self.test, self.dev):
            if words is not None:
                require_held_out(self.train, words)
        if (
            self.test is not None
            and self.dev is not None
            and self.test.corpus.content_hash == self.dev.corpus.content_hash
        ):
            raise MismatchError(
                f"dev and test are the same words, {self.test.describe()}; choose penalties on words "
                "that are not tested"
            )

    def read(self, options: EvaluationOptions, dev_share: float | None, memory: Memory) -> ProbeWords:
        """Read the words; ``dev_share`` is None if no penalties are chosen."""
        kept = np.ones(self.train.corpus.n_sentences, dtype=bool)
        tested = None
        if self.test is None:
            tested = held_out(self.train, options.test_share, self.seed)
            kept &= ~tested
        chosen_on = None
        if dev_share is not None and self.dev is None:
            chosen_on = held_out(self.train, dev_share, self.seed, among=kept)
            kept &= ~chosen_on
        if options.max_words is not None:
            kept = sentences_within(self.train.corpus, kept, options.max_words, self.seed)
        train = read_labelled(self.train, self.label, kept, options.min_count, memory)

        def matching(words: Activations | None, sentences: np.ndarray | None) -> LabelledWords:
            return read_matching(words or self.train, self.label, train.labels, sentences, memory)

        test = matching(self.test, tested)
        dev = None if dev_share is None else matching(self.dev, chosen_on)
        return ProbeWords(train, test, dev)


@dataclass(frozen=True, eq=False)
class ProbeWords:
    """The words read for an evaluation; ``dev`` is None if no penalties are chosen."""

    train: LabelledWords
    test: LabelledWords
    dev: LabelledWords | None


def require_rankings(rankings: Mapping[str, Ranking], inputs: EvaluationInput) -> None:
    """Check that rankings belong to the evaluated neurons and were not made from the tested words.

    Raises:
        ParameterError: there is no ranking.
        MismatchError: a ranking is of other neurons or another model, or was made from the words of ``test``.
    """
    if not rankings:
        raise ParameterError("no ranking to evaluate; give at least one, by name")
    for name, ranking in rankings.items():
        inputs.train.space.require_same(ranking.space, f"ranking {name!r}")
        what = f"ranking {name!r}"
        ranking.provenance.require_same_model(what, inputs.train.provenance, inputs.train.describe())
        if inputs.test is not None and inputs.test.corpus.content_hash in _ranked_on(ranking.provenance):
            raise MismatchError(
                f"ranking {name!r} was made from the tested words, {inputs.test.describe()}, so its "
                "accuracy on them says nothing; test on words that no ranking has seen"
            )


def seen(rankings: Mapping[str, Ranking], inputs: EvaluationInput) -> dict[str, str]:
    """Return how rankings have used the tested words, by name, for those rankings that have.

    Without ``test``, the tested sentences are part of ``train``, from which most rankings were made.
    """
    tested = (inputs.test or inputs.train).corpus.content_hash
    uses = {}
    for name, ranking in rankings.items():
        if tested in _ranked_on(ranking.provenance):
            uses[name] = "made from the corpus of which some sentences are tested"
        elif tested in _corpora(ranking.provenance):
            uses[name] = "was given the tested words, to choose or to evaluate"
    return uses


def _ranked_on(provenance: Provenance) -> set[str]:
    """Return hashes of the corpora from which a ranking, or the rankings it combines, were made."""
    is_ranking = provenance.stage == "rank" and provenance.corpus is not None
    hashes = {provenance.corpus.content_hash} if is_ranking and provenance.corpus else set()
    return hashes.union(*(_ranked_on(source) for source in provenance.inputs))


def _corpora(provenance: Provenance) -> set[str]:
    """Return hashes of all corpora that a record was made with."""
    hashes = {provenance.corpus.content_hash} if provenance.corpus is not None else set()
    return hashes.union(*(_corpora(source) for source in provenance.inputs))


def shared_layer(rankings: Mapping[str, Ranking]) -> str:
    """Return the label layer of those rankings that have one.

    Raises:
        ParameterError: the rankings have several label layers, or none.
    """
    layers = sorted({ranking.layer for ranking in rankings.values() if ranking.layer is not None})
    if len(layers) != 1:
        reason = f"the rankings are of {', '.join(layers)}" if layers else "no ranking has one"
        raise ParameterError(f"name the label layer (label; --label): {reason}")
    return layers[0]
