"""The words of an evaluation: those that probes learn from, to choose penalties on, and to test on."""

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

__all__ = ["Given", "ProbeWords", "require_rankings", "seen", "shared_layer"]


@dataclass(frozen=True, eq=False)
class Given:
    """What an evaluation was given to read.

    Attributes:
        train: probes learn from these words.
        test: probes are tested on these; None to hold out a share of the sentences of ``train``.
        dev: penalties are chosen on these; None to hold out a share of the training sentences, if need be.
        label: the label layer.
        seed: of the splits.
    """

    train: Activations
    test: Activations | None
    dev: Activations | None
    label: str
    seed: int

    def require(self) -> None:
        """Raise MismatchError where held-out words are of other neurons, or are no held-out words."""
        for held in (self.test, self.dev):
            if held is not None:
                require_held_out(self.train, held)
        if (
            self.test is not None
            and self.dev is not None
            and self.test.corpus.content_hash == self.dev.corpus.content_hash
        ):
            raise MismatchError(
                f"dev and test are the same words, {self.test.describe()}; choose penalties on other words "
                "than those that are tested"
            )

    def read(self, options: EvaluationOptions, dev_share: float | None, memory: Memory) -> ProbeWords:
        """Read the words; ``dev_share`` is None where nothing is chosen."""
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

        def matching(held: Activations | None, sentences: np.ndarray | None) -> LabelledWords:
            return read_matching(held or self.train, self.label, train.labels, sentences, memory)

        test = matching(self.test, tested)
        dev = None if dev_share is None else matching(self.dev, chosen_on)
        return ProbeWords(train, test, dev)


@dataclass(frozen=True, eq=False)
class ProbeWords:
    """The words as they were read; ``dev`` is None where nothing is chosen."""

    train: LabelledWords
    test: LabelledWords
    dev: LabelledWords | None


def require_rankings(rankings: Mapping[str, Ranking], given: Given) -> None:
    """Raise unless the rankings are of the neurons that are evaluated, and not made from the tested words.

    Raises:
        ParameterError: no ranking.
        MismatchError: other neurons, another model, or a ranking that was made from the words of ``test``.
    """
    if not rankings:
        raise ParameterError("there is no ranking to evaluate; give one at least, by name")
    for name, ranking in rankings.items():
        given.train.space.require_same(ranking.space, f"ranking {name!r}")
        what = f"ranking {name!r}"
        ranking.provenance.require_same_model(what, given.train.provenance, given.train.describe())
        if given.test is not None and given.test.corpus.content_hash in _ranked_on(ranking.provenance):
            raise MismatchError(
                f"ranking {name!r} was made from the tested words, {given.test.describe()}, so that its "
                "accuracy there says nothing; test on words that no ranking has seen"
            )


def seen(rankings: Mapping[str, Ranking], given: Given) -> dict[str, str]:
    """Name of a ranking -> what it has to do with the tested words, for those that have.

    With no ``test`` the tested sentences are some of the training words, from which rankings were mostly made.
    """
    tested = (given.test or given.train).corpus.content_hash
    found = {}
    for name, ranking in rankings.items():
        if tested in _ranked_on(ranking.provenance):
            found[name] = "made from the corpus of which some sentences are tested"
        elif tested in _corpora(ranking.provenance):
            found[name] = "was given the tested words, to choose or to evaluate"
    return found


def _ranked_on(provenance: Provenance) -> set[str]:
    """Hashes of the corpora whose words a ranking, or the rankings it was made of, were made from."""
    own = provenance.stage == "rank" and provenance.corpus is not None
    found = {provenance.corpus.content_hash} if own and provenance.corpus else set()
    return found.union(*(_ranked_on(one) for one in provenance.inputs))


def _corpora(provenance: Provenance) -> set[str]:
    """Hashes of all corpora that a record was made with."""
    found = {provenance.corpus.content_hash} if provenance.corpus is not None else set()
    return found.union(*(_corpora(one) for one in provenance.inputs))


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
