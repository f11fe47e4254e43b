"""NeuroX's selections of neurons from a probe, each from a Ranking, as docs/neurox.md says."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.analyses.questions.topsets import top_sets
from onegrain.rankings import rank
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.rankings.neurox.ordering import order_as_neurox
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.ranking import Ranking
from support import real_neurox
from support.planted import plant

ACTS = plant(160).activations


@pytest.fixture(scope="module")
def ranking() -> Ranking:
    return rank("neurox", ACTS, label="upos", lambda1=1e-3)


@pytest.fixture
def peer():
    return real_neurox.load("interpretation.linear_probe")


def both(ranking: Ranking):
    """NeuroX's probe with the weights of the ranking, and the numbers of its labels."""
    return real_neurox.probe_of(ranking.weights), real_neurox.class_numbers(ranking.labels)


@pytest.mark.parametrize("p", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_top_neurons(ranking: Ranking, peer, p: float) -> None:
    probe, numbers = both(ranking)
    union, per_label = peer.get_top_neurons(probe, p, numbers)
    sets = top_sets(ranking, mass=p)
    assert [neurons.tolist() for neurons in sets] == [per_label[label].tolist() for label in ranking.labels]
    assert np.unique(np.concatenate(sets)).tolist() == sorted(union.tolist())


def test_top_neurons_at_no_mass_are_the_largest_of_each_label(ranking: Ranking, peer) -> None:
    probe, numbers = both(ranking)
    _, per_label = peer.get_top_neurons(probe, 0.0, numbers)
    assert [neurons.tolist() for neurons in top_sets(ranking, k=1)] == [
        per_label[name].tolist() for name in ranking.labels
    ]


@pytest.mark.parametrize("fraction", [1.5, 2.0, 10.0])
def test_top_neurons_above_a_share_of_the_largest_weight(ranking: Ranking, peer, fraction: float) -> None:
    probe, numbers = both(ranking)
    _, per_label = peer.get_top_neurons_hard_threshold(probe, fraction, numbers)
    for label in ranking.labels:
        scores = ranking.label(label).scores
        chosen = np.flatnonzero(scores > scores.max() / fraction)
        assert chosen.tolist() == per_label[label].tolist()


def test_bottom_neurons(ranking: Ranking, peer) -> None:
    probe, numbers = both(ranking)
    last = peer.get_fixed_number_of_bottom_neurons(probe, 5, numbers)
    assert ranking.bottom(5) == [ranking.space.name(int(neuron)) for neuron in last[::-1]]
    _, per_label = peer.get_bottom_neurons(probe, 0.1, numbers)
    for label, neurons in per_label.items():
        of_label = ranking.label(label)
        held = np.cumsum(of_label.scores[of_label.order[::-1]]) / of_label.scores.sum()
        assert of_label.order[::-1][: int(np.searchsorted(held, 0.1)) + 1].tolist() == neurons.tolist()


def test_the_steps_of_lca_bring_the_neurons_of_the_steps_of_neurox(peer) -> None:
    """The same sets at 1, 2, ... 100 per cent; inside a step lca goes by share and index, NeuroX by its set."""
    weights = np.random.default_rng(0).standard_normal((4, 150)).astype(np.float32)
    listed, cutoffs = peer.get_neuron_ordering(
        real_neurox.probe_of(weights), {label: number for number, label in enumerate("ABCD")}
    )
    ours, theirs = order_neurons(weights), order_as_neurox(weights)
    reached = dict(zip(range(101), cutoffs, strict=True))
    assert len(ours.cutoffs) > 50
    for p, count in ours.cutoffs:
        assert count == reached[p]
        assert set(ours.order[:count].tolist()) == {int(neuron) for neuron in listed[:count]}
    assert ours.order.tolist() != theirs.order.tolist()


def test_chunks_of_a_granular_order_are_those_of_the_order(ranking: Ranking, peer) -> None:
    """NeuroX's granular ordering lists the same neurons step by step, in chunks of so many steps."""
    probe, numbers = both(ranking)
    listed, cutoffs = peer.get_neuron_ordering_granular(probe, numbers, granularity=8)
    for count in cutoffs:
        assert {int(neuron) for neuron in listed[:count]} == set(ranking.order[:count].tolist())


def test_correlation_clusters_are_those_of_scipy() -> None:
    """What docs/neurox.md gives in place of NeuroX's clustering."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    peer = real_neurox.load("interpretation.clustering")
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 4)).astype(np.float32)[:, [0, 0, 1, 1, 2, 3]]
    values[:, [1, 3]] = -values[:, [1, 3]] + 0.1 * rng.standard_normal((300, 2))
    corpus = Corpus.from_sentences([[f"w{word}" for word in range(300)]])
    alike = np.abs(np.corrcoef(Activations.from_array(values, corpus).values(), rowvar=False))
    apart = squareform(1.0 - np.clip(alike, 0.0, 1.0), checks=False)
    clusters = fcluster(linkage(apart, method="average"), 0.5, criterion="distance")
    assert clusters.tolist() == peer.create_correlation_clusters(values).tolist()
    assert len(set(clusters)) == 4
