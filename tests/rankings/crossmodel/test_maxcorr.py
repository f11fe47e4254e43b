"""MaxCorr: against numpy, on planted partners, over blocks and tiles, and on what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onegrain.errors import MismatchError, ParameterError
from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.provenance import ModelIdentity
from onegrain.records.space import NeuronSpace
from support.planted import labelled_corpus

CORPUS = labelled_corpus(40)
SPACE = NeuronSpace(("layers.0", "layers.1"), (3, 4))


def store(seed: int, offset: float = 0.0, sentences: int = 40) -> Activations:
    corpus = CORPUS if sentences == 40 else labelled_corpus(sentences)
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(77).normal(size=(corpus.n_words, 2))
    values = rng.normal(size=(corpus.n_words, 7)) + common @ rng.normal(size=(2, 7)) + offset
    acts = Activations.from_array(values.astype(np.float32), corpus, SPACE)
    identity = ModelIdentity(id=f"model-{seed}", architecture="Planted", weight_hash=str(seed))
    return replace(acts, provenance=acts.provenance.model_copy(update={"model": identity}))


def changed(acts: Activations, values: np.ndarray) -> Activations:
    return replace(acts, array=values.astype(np.float32))


@pytest.mark.parametrize("signed", [False, True])
def test_equals_numpy(signed: bool) -> None:
    subject, others = store(0), [store(1), store(2)]
    ranking = rank("maxcorr", subject, others=others, signed=signed)
    tables = [np.corrcoef(subject.values().T, acts.values().T)[:7, 7:] for acts in others]
    sizes = np.stack([table if signed else np.abs(table) for table in tables])
    assert ranking.scores == pytest.approx(sizes.max(axis=(0, 2)), abs=1e-6)
    assert ranking.order.tolist() == np.argsort(-sizes.max(axis=(0, 2)), kind="stable").tolist()
    partner = ranking.details["partner"]
    for neuron in range(7):
        model, other = partner["model"][neuron], partner["neuron"][neuron]
        assert (model, other) == tuple(
            int(index) for index in np.unravel_index(sizes[:, neuron].argmax(), (2, 7))
        )
        assert partner["correlation"][neuron] == pytest.approx(tables[model][neuron, other], abs=1e-6)
    assert ranking.details["models"] == ["model-1", "model-2"]


@pytest.mark.parametrize("signed", [False, True])
def test_mincorr_equals_numpy_and_names_the_model_that_counts(signed: bool) -> None:
    subject, others = store(0), [store(1), store(2), store(3)]
    ranking = rank("mincorr", subject, others=others, signed=signed)
    tables = [np.corrcoef(subject.values().T, acts.values().T)[:7, 7:] for acts in others]
    best = np.stack([(table if signed else np.abs(table)).max(axis=1) for table in tables])
    assert ranking.scores == pytest.approx(best.min(axis=0), abs=1e-6)
    assert ranking.details["partner"]["model"] == best.argmin(axis=0).tolist()
    for neuron, (model, partner) in enumerate(
        zip(ranking.details["partner"]["model"], ranking.details["partner"]["neuron"], strict=True)
    ):
        assert ranking.details["partner"]["correlation"][neuron] == pytest.approx(
            tables[model][neuron, partner], abs=1e-6
        )


@pytest.mark.parametrize("compare", ["all", "same-site"])
@pytest.mark.parametrize("signed", [False, True])
def test_the_best_partners_of_each_model_are_listed_in_order(signed: bool, compare: str) -> None:
    subject, others = store(0), [store(1), store(2)]
    ranking = rank("maxcorr", subject, others=others, signed=signed, partners=4, compare=compare)
    for other, listed in zip(others, ranking.details["partners"], strict=True):
        table = np.corrcoef(subject.values().T, other.values().T)[:7, 7:]
        for neuron in range(7):
            site = SPACE.slice(SPACE.locate(neuron)[0]) if compare == "same-site" else slice(0, 7)
            size = table[neuron, site] if signed else np.abs(table[neuron, site])
            order = (np.argsort(-size, kind="stable") + site.start)[:4].tolist()
            order += [-1] * (4 - len(order))
            assert listed["neuron"][neuron] == order
            known = [
                None if partner < 0 else pytest.approx(table[neuron, partner], abs=1e-6) for partner in order
            ]
            assert listed["correlation"][neuron] == known


def test_models_of_other_widths_and_more_partners_than_there_are() -> None:
    subject, other = store(0), store(1)
    narrow = replace(other, array=other.values()[:, :2].copy(), space=NeuronSpace(("layers.0",), (2,)))
    ranking = rank("maxcorr", subject, others=[narrow], partners=5)
    table = np.abs(np.corrcoef(subject.values().T, narrow.values().T)[:7, 7:])
    assert ranking.scores == pytest.approx(table.max(axis=1), abs=1e-6)
    assert all(row[2:] == [-1] * 3 for row in ranking.details["partners"][0]["neuron"])
    back = rank("maxcorr", narrow, others=[subject])
    assert back.scores == pytest.approx(table.max(axis=0), abs=1e-6)


def test_of_equal_partners_the_first_counts() -> None:
    subject, first, second = store(0), store(1), store(2)
    values, more = first.values().copy(), second.values().copy()
    values[:, 4] = values[:, 1] = subject.values()[:, 3]
    more[:, 0] = subject.values()[:, 3]
    ranking = rank("maxcorr", subject, others=[changed(first, values), changed(second, more)])
    assert (ranking.details["partner"]["model"][3], ranking.details["partner"]["neuron"][3]) == (0, 1)
    assert ranking.details["partners"][0]["neuron"][3][:2] == [1, 4]


def test_same_site_compares_like_with_like() -> None:
    subject, other = store(0), store(1)
    ranking = rank("maxcorr", subject, others=[other], compare="same-site")
    table = np.abs(np.corrcoef(subject.values().T, other.values().T)[:7, 7:])
    expected = np.concatenate([table[:3, :3].max(axis=1), table[3:, 3:].max(axis=1)])
    assert ranking.scores == pytest.approx(expected, abs=1e-6)
    assert all(partner >= 3 for partner in ranking.details["partner"]["neuron"][3:])


def test_a_planted_partner_is_found_under_a_flipped_sign_and_a_large_offset() -> None:
    subject, other = store(0, offset=1000.0), store(1)
    values = other.values().copy()
    values[:, 5] = 3.0 - 2.0 * subject.values()[:, 2]
    ranking = rank("maxcorr", subject, others=[changed(other, values)])
    assert ranking.order[0] == 2
    assert ranking.scores[2] == pytest.approx(1.0, abs=1e-6)
    assert ranking.details["partner"]["neuron"][2] == 5
    assert ranking.details["partner"]["correlation"][2] == pytest.approx(-1.0, abs=1e-6)
    assert rank("maxcorr", subject, others=[changed(other, values)], signed=True).scores[2] < 0.9


def test_constant_neurons_have_no_score_come_last_and_are_counted() -> None:
    subject, other = store(0), store(1)
    values, theirs = subject.values().copy(), other.values().copy()
    values[:, [1, 4]] = (0.1, 0.0)
    theirs[:, 0] = 0.3
    ranking = rank("maxcorr", changed(subject, values), others=[changed(other, theirs)])
    assert ranking.order[-2:].tolist() == [1, 4]
    assert np.isnan(ranking.scores[[1, 4]]).all()
    assert (ranking.n_ranked, ranking.details["constant"]) == (5, 2)
    assert ranking.details["constant_in_others"] == [1]
    assert ranking.details["partner"]["neuron"][1] is None
    assert 0 not in ranking.details["partner"]["neuron"]


@pytest.mark.parametrize(
    ("rows", "shard", "room"), [(1, 3, 24), (7, 14, 24 * 7), (64, 64, 24 * 3), (64, 128, 2**20)]
)
def test_blocks_shards_and_tiles_change_nothing(
    monkeypatch: pytest.MonkeyPatch, rows: int, shard: int, room: int
) -> None:
    subject, others = store(0, offset=300.0), [store(1), store(2)]
    expected = rank("maxcorr", subject, others=others)
    monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", rows)
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.SHARD_ROWS", shard)
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.ROOM", room)
    ranking = rank("maxcorr", subject, others=others)
    assert ranking.scores == pytest.approx(expected.scores, abs=2e-6)
    assert ranking.details["partner"]["neuron"] == expected.details["partner"]["neuron"]


def test_permuting_neurons_or_words_changes_nothing_else() -> None:
    subject, other = store(0), store(1)
    rng = np.random.default_rng(0)
    moved, words = rng.permutation(7), rng.permutation(subject.n_words)
    expected = rank("maxcorr", subject, others=[other]).scores
    neurons = rank("maxcorr", changed(subject, subject.values()[:, moved]), others=[other]).scores
    rows = rank(
        "maxcorr", changed(subject, subject.values()[words]), others=[changed(other, other.values()[words])]
    )
    assert neurons == pytest.approx(expected[moved], abs=1e-6)
    assert rows.scores == pytest.approx(expected, abs=1e-6)


def test_refusals() -> None:
    subject = store(0)
    with pytest.raises(ParameterError, match="needs other models"):
        rank("maxcorr", subject)
    with pytest.raises(MismatchError, match="different words"):
        rank("maxcorr", subject, others=[store(1, sentences=39)])
    with pytest.raises(MismatchError, match="the same model"):
        rank("maxcorr", subject, others=[store(1), store(0)])
    with pytest.raises(ParameterError, match="compare must be one of all, same-site"):
        rank("maxcorr", subject, others=[store(1)], compare="some")
    renamed = replace(store(1), space=NeuronSpace(("layers.0", "layers.9"), (3, 4)))
    with pytest.raises(MismatchError, match=r"has no site layers\.1"):
        rank("maxcorr", subject, others=[renamed], compare="same-site")
    values = store(1).values().copy()
    values[3, 4] = np.nan
    with pytest.raises(ParameterError, match=r"layers\.1:1 at word 3"):
        rank("maxcorr", subject, others=[changed(store(1), values)])
