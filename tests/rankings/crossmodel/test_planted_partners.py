"""Models whose neurons are known to each other come out as they were planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import ModelIdentity
from onegrain.records.space import NeuronSpace

SENTENCES, LENGTH, WIDTH = 800, 5, 60
CORPUS = Corpus.from_sentences([[f"w{number}" for number in range(LENGTH)] for _ in range(SENTENCES)])
SPACE = NeuronSpace(("layers.0", "layers.1"), (40, 20))
COPIED, FLIPPED, NOISY, MIXED = range(4), range(4, 8), range(8, 12), range(12, 16)
NOTHING = range(16, WIDTH - 1)
CONSTANT = WIDTH - 1


def store(values: np.ndarray, name: str) -> Activations:
    acts = Activations.from_array(values.astype(np.float32), CORPUS, SPACE)
    identity = ModelIdentity(id=name, architecture="Planted", weight_hash=name)
    return replace(acts, provenance=acts.provenance.model_copy(update={"model": identity}))


def planted() -> tuple[Activations, list[Activations], list[np.ndarray]]:
    """A model, two others, and where in each of those the partner of each neuron is."""
    rng = np.random.default_rng(5)
    subject = rng.normal(size=(CORPUS.n_words, WIDTH))
    subject[:, CONSTANT] = 0.5
    others, places = [], []
    for number in range(2):
        values = rng.normal(size=subject.shape)
        place = rng.permutation(WIDTH)
        values[:, place[COPIED]] = subject[:, COPIED]
        values[:, place[FLIPPED]] = 7.0 - 3.0 * subject[:, FLIPPED]
        values[:, place[NOISY]] = subject[:, NOISY] + 0.75 * rng.normal(size=(CORPUS.n_words, 4))  # rho is 0.8
        if number == 0:  # each is the sum of 36 of this model's, none of which comes above 1/6 by itself
            subject[:, MIXED] = values[:, place[NOTHING[:36]]] @ rng.choice([-1.0, 1.0], size=(36, 4))
        others.append(store(values, f"other-{number}"))
        places.append(place)
    return store(subject, "own"), others, places


@pytest.fixture(scope="module")
def plant() -> tuple[Activations, list[Activations], list[np.ndarray]]:
    return planted()


def test_maxcorr_finds_each_partner_and_its_sign(plant):
    subject, others, places = plant
    ranking = rank("maxcorr", subject, others=others)
    assert set(ranking.order[:8].tolist()) == {*COPIED, *FLIPPED}
    assert set(ranking.order[8:12].tolist()) == set(NOISY)
    assert ranking.order[-1] == CONSTANT
    assert ranking.scores[[*COPIED, *FLIPPED]] == pytest.approx(1.0, abs=1e-5)
    assert ranking.scores[[*NOISY]] == pytest.approx(0.8, abs=0.02)
    assert ranking.scores[[*MIXED]].max() < 0.25
    assert np.nanmax(ranking.scores[[*NOTHING[36:]]]) < 0.1
    for place, listed in zip(places, ranking.details["partners"], strict=True):
        for neuron in (*COPIED, *FLIPPED, *NOISY):
            assert listed["neuron"][neuron][0] == place[neuron]
            assert (listed["correlation"][neuron][0] < 0) == (neuron in FLIPPED)


def test_signed_correlations_leave_the_flipped_out(plant):
    subject, others, _ = plant
    ranking = rank("maxcorr", subject, others=others, signed=True)
    assert set(ranking.order[:8].tolist()) == {*COPIED, *NOISY}
    assert ranking.scores[[*FLIPPED]].max() < 0.1


def test_only_linreg_finds_the_mixtures(plant):
    subject, others, _ = plant
    ranking = rank("linreg", subject, others=others[:1])
    assert set(ranking.order[:12].tolist()) == {*COPIED, *FLIPPED, *MIXED}
    assert ranking.scores[[*COPIED, *FLIPPED, *MIXED]] == pytest.approx(1.0, abs=1e-4)
    assert ranking.scores[[*NOISY]] == pytest.approx(0.64, abs=0.04)
    assert ranking.scores[[*NOTHING[36:-1]]].max() < 0.05
    assert np.isnan(ranking.scores[CONSTANT])


def test_what_is_planted_is_all_that_exceeds_a_null(plant):
    subject, others, _ = plant
    clear = {*COPIED, *FLIPPED, *NOISY}
    for null in ("rotation", "permutation"):
        ranking = rank("mincorr", subject, others=others, null=null, draws=40, pooled=True, seed=1)
        q = np.array([np.nan if value is None else value for value in ranking.details["null"]["q"]])
        assert clear <= set(np.flatnonzero(q < 0.01).tolist())
        assert not {*NOTHING[36:]} & set(np.flatnonzero(q < 0.01).tolist())
