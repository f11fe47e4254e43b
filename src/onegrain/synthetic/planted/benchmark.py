"""The planted-neuron benchmark: named scenarios of a version, and scores of ranking methods on them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.random import RandomState

from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.synthetic.planted.activations import LAYER, Planted
from onegrain.synthetic.planted.columns import (
    Neuron,
    Words,
    draw_neurons,
    draw_values,
    draw_words,
    level_and_unit,
)
from onegrain.synthetic.planted.recovery import recovery
from onegrain.synthetic.planted.scenarios import LABELS, VERSIONS, Scenario

__all__ = ["PlantedBenchmark", "PlantedCase", "planted_benchmark"]

LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, eq=False)
class PlantedCase:
    """A scenario planted with one seed.

    Attributes:
        scenario: the scenario.
        seed: random seed of its neurons and words.
        planted: the activations to rank, and the role of every neuron; labels are in the layer ``upos``.
        dev: held-out words of the same neurons, for a method that has parameters to choose.
        others: another model on the same words. It has neurons for the same features in another order, with
            independent noise.
    """

    scenario: Scenario
    seed: int
    planted: Planted
    dev: Activations
    others: tuple[Activations, ...]

    @property
    def activations(self) -> Activations:
        """The activations to rank."""
        return self.planted.activations


Answer = Ranking | Mapping[str, Ranking]


@dataclass(frozen=True)
class PlantedBenchmark:
    """A version of the benchmark.

    Attributes:
        version: the name of the version.
        scenarios: its scenarios, in order.
    """

    version: str
    scenarios: tuple[Scenario, ...]

    def scenario(self, name: str) -> Scenario:
        """Return the scenario with this name; the ParameterError for an unknown name lists the names."""
        for scenario in self.scenarios:
            if scenario.name == name:
                return scenario
        names = ", ".join(scenario.name for scenario in self.scenarios)
        raise ParameterError(f"no scenario {name!r} in version {self.version}; the scenarios are: {names}")

    def plant(self, scenario: str, seed: int = 0) -> PlantedCase:
        """Plant a scenario; the same seed gives the same bytes.

        Raises:
            ParameterError: the scenario does not exist, or the seed is not from 0 to 2^32 - 1.
        """
        chosen = self.scenario(scenario)
        require_count("seed", seed, 0)
        if seed > LARGEST_SEED:
            raise ParameterError(f"seed must be at most {LARGEST_SEED}, got {seed}")
        return _Planting(self.version, chosen, int(seed)).case()

    def score(
        self,
        rank: Callable[[PlantedCase], Answer],
        *,
        seeds: int | Sequence[int] = 10,
        scenarios: Sequence[str] | None = None,
        progress: Progress = automatic,
    ) -> pd.DataFrame:
        """Return how well rankings recover the planted neurons, for each scenario and seed.

        Args:
            rank: ranks the neurons of a case and returns a Ranking, or several by name.
            seeds: number of seeds, from 0, or the seeds themselves.
            scenarios: names of scenarios; None for all.
            progress: receives the number of cases done.

        Returns:
            The rows of :func:`recovery`, with ``ranking`` (its name, else its method), ``scenario`` and
            ``seed`` as first columns.

        Raises:
            ParameterError: a scenario does not exist, a seed is impossible, or there are none.
            MismatchError: a ranking is of other neurons.
        """
        cases = [
            (name, seed)
            for name in ([scenario.name for scenario in self.scenarios] if scenarios is None else scenarios)
            for seed in (range(seeds) if isinstance(seeds, int) else seeds)
        ]
        if not cases:
            raise ParameterError("nothing to score; ask for at least one scenario and one seed")
        for name in dict.fromkeys(name for name, _ in cases):
            self.scenario(name)
        tables: list[pd.DataFrame] = []
        with progress("cases", len(cases), "cases") as advance:
            for name, seed in cases:
                tables += self._scored(self.plant(name, seed), rank)
                advance(1)
        return pd.concat(tables, ignore_index=True)

    def _scored(self, case: PlantedCase, rank: Callable[[PlantedCase], Answer]) -> Iterator[pd.DataFrame]:
        answer = rank(case)
        named = {answer.method: answer} if isinstance(answer, Ranking) else answer
        for name, ranking in named.items():
            table = recovery(case.planted, ranking)
            for position, (column, value) in enumerate(
                (("ranking", name), ("scenario", case.scenario.name), ("seed", case.seed))
            ):
                table.insert(position, column, value)
            yield table


def planted_benchmark(version: str = "1") -> PlantedBenchmark:
    """Return a version of the planted-neuron benchmark, whose scenarios docs/planted.md describes.

    The data of a version never change, byte for byte.

    Raises:
        ParameterError: the version does not exist.

    >>> case = planted_benchmark("1").plant("rare", seed=3)
    >>> case.activations.layer("upos").counts()
    {'ADJ': 1200, 'DET': 560, 'NOUN': 200, 'VERB': 40}
    >>> case.planted.indices("exclusive", label="VERB").size, case.activations.n_neurons
    (3, 80)
    """
    if version not in VERSIONS:
        raise ParameterError(
            f"no version {version!r} of the planted-neuron benchmark; the versions are: {', '.join(VERSIONS)}"
        )
    return PlantedBenchmark(version, VERSIONS[version])


class _Planting:
    """A scenario with a seed; every part draws from a separate random stream."""

    def __init__(self, version: str, scenario: Scenario, seed: int) -> None:
        self._version, self._scenario, self._seed = version, scenario, seed
        self._neurons, self._hidden = draw_neurons(scenario, self._stream("neurons"))
        self._level, self._unit = level_and_unit(
            self._neurons, self._words("apart"), self._stream("noise", "apart")
        )

    def case(self) -> PlantedCase:
        train, dev = self._words("train"), self._words("dev")
        corpora = {name: self._corpus(words, name) for name, words in (("train", train), ("dev", dev))}
        order = self._stream("order").permutation(len(self._neurons))
        other = self._stream("order", "other").permutation(len(self._neurons))
        activations = self._activations(train, corpora["train"], order, "train")
        return PlantedCase(
            self._scenario,
            self._seed,
            _planted(activations, self._neurons, order),
            self._activations(dev, corpora["dev"], order, "dev"),
            (self._activations(train, corpora["train"], other, "other"),),
        )

    def _stream(self, *part: str) -> RandomState:
        name = "/".join((self._version, self._scenario.name, *part))
        return RandomState([zlib.crc32(name.encode()), self._seed])

    def _words(self, part: str) -> Words:
        return draw_words(self._scenario, self._hidden, self._stream("words", part))

    def _corpus(self, words: Words, part: str) -> Corpus:
        names = [f"w{number}" for number in words.types]
        step = self._scenario.length
        corpus = Corpus.from_sentences(
            [names[start : start + step] for start in range(0, len(names), step)],
            source=f"planted-{self._version}/{self._scenario.name}/{self._seed}/{part}",
        )
        topics = tuple(f"t{number}" for number in range(len(LABELS)))
        labelled = corpus.with_layer(LabelLayer(LAYER, words.codes.astype(np.int32), LABELS))
        return labelled.with_layer(LabelLayer("topic", words.topics.astype(np.int32), topics))

    def _activations(self, words: Words, corpus: Corpus, order: np.ndarray, part: str) -> Activations:
        values = draw_values(self._neurons, words, self._level, self._unit, self._stream("noise", part))
        space = NeuronSpace(("layers.0",), (len(order),))
        provenance = Provenance(
            stage="planted",
            corpus=CorpusIdentity.of(corpus),
            sites=space.sites,
            parameters={"benchmark": self._version, "scenario": self._scenario.name, "part": part},
            seed=self._seed,
        )
        return Activations(np.ascontiguousarray(values[:, order]), space, corpus, provenance)


def _planted(activations: Activations, neurons: Sequence[Neuron], order: np.ndarray) -> Planted:
    """Return the record of neurons in an order."""
    place = np.empty(len(order) + 1, dtype=np.int64)
    place[order], place[-1] = np.arange(len(order)), -1
    carries = np.zeros((len(order), len(LABELS)), dtype=bool)
    for index, neuron in enumerate(neurons):
        carries[index, list(neuron.labels)] = neuron.kind != "confounded"
    kind = np.array([neuron.kind for neuron in neurons])
    original = np.array([neuron.original for neuron in neurons], dtype=np.int64)
    planted = Planted(activations, kind[order], LABELS, carries[order], original[order])
    return replace(planted, original=place[planted.original])
