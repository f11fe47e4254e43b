"""The neurox preset: the real package's weights to the bit, its order, planted answers, and refusals."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from onegrain.core.ordering import shuffled_places
from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.rankings import METHODS, rank
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.neurox.options import NeuroxOptions
from onegrain.rankings.neurox.ordering import order_as_neurox
from onegrain.rankings.neurox.training import train_probe
from onegrain.records import activations as core_activations
from onegrain.records.activations import Activations
from onegrain.records.corpus import UNLABELLED, Corpus, LabelLayer
from onegrain.records.ranking import Ranking
from support import real_neurox
from support.planted import LABELS, plant

PLANTED = plant(160)
ACTS = PLANTED.activations
HELD = plant(60, seed=1).activations
PENALTIES = [(0.0, 0.0), (1e-3, 0.0), (0.0, 1e-2), (1e-3, 1e-2)]


def labelled(acts: Activations) -> tuple[np.ndarray, np.ndarray]:
    """What NeuroX is given: float32 (words, neurons) and the labels' numbers, of the words that have both."""
    codes = acts.layer("upos").codes
    kept = (codes >= 0) & acts.present
    return acts.values()[kept], codes[kept].astype(np.int64)


def with_holes() -> Activations:
    """Some words without label, and some without activation."""
    layer = ACTS.layer("upos")
    codes = layer.codes.copy()
    codes[::7] = UNLABELLED
    missing = np.zeros(ACTS.n_words, dtype=bool)
    missing[[0, 3, 20, 21, 600]] = True
    values = ACTS.values().copy()
    values[missing] = np.nan
    corpus = ACTS.corpus.with_layer(LabelLayer("upos", codes, layer.vocabulary))
    return replace(ACTS, array=values, corpus=corpus, missing=missing)


def naive(
    values: np.ndarray, codes: np.ndarray, seed: int, options: NeuroxOptions
) -> tuple[np.ndarray, np.ndarray]:
    """The probe by torch's autograd and optimiser, from the formula in METHODS."""
    torch.manual_seed(seed)
    layer = torch.nn.Linear(values.shape[1], int(codes.max()) + 1)
    adam = torch.optim.Adam(layer.parameters(), lr=options.learning_rate)
    for _ in range(options.epochs):
        for first in range(0, len(values), options.batch_size):
            rows = slice(first, first + options.batch_size)
            loss = functional.cross_entropy(
                layer(torch.from_numpy(values[rows])), torch.from_numpy(codes[rows])
            )
            loss = loss + options.lambda1 * layer.weight.abs().sum()
            loss = loss + options.lambda2 * layer.weight.pow(2).sum().sqrt()
            adam.zero_grad()
            loss.backward()
            adam.step()
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("changed", [{}, {"epochs": 3, "batch_size": 77, "learning_rate": 0.02}])
def test_the_probe_is_that_of_a_plain_loop(penalties: tuple[float, float], changed: dict) -> None:
    options = NeuroxOptions(*penalties, **changed)
    values, codes = labelled(ACTS)
    expected = naive(values, codes, 5, options)
    trained = train_probe(values, codes, len(LABELS), options, 5)
    for layer, other in zip(trained, expected, strict=True):
        np.testing.assert_allclose(layer, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("penalties", PENALTIES)
def test_the_ranking_is_that_of_the_real_package(penalties: tuple[float, float]) -> None:
    peer = real_neurox.load("interpretation.linear_probe")
    acts = with_holes()
    values, codes = labelled(acts)
    probe = real_neurox.train(values, codes, 3, lambda_l1=penalties[0], lambda_l2=penalties[1])
    ranking = rank("neurox", acts, label="upos", seed=3, lambda1=penalties[0], lambda2=penalties[1])
    assert ranking.weights is not None
    assert ranking.label_scores is not None
    np.testing.assert_allclose(ranking.weights, probe.linear.weight.detach().numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(ranking.details["biases"], probe.linear.bias.detach().numpy(), rtol=0, atol=1e-6)
    numbers = real_neurox.class_numbers(ranking.labels)
    ordering, cutoffs = peer.get_neuron_ordering(probe, numbers)
    assert ranking.order[: ranking.n_ranked].tolist() == [int(neuron) for neuron in ordering]
    reached = dict(zip(range(101), cutoffs, strict=True))
    assert [[p, reached[int(p)]] for p, _ in ranking.details["cutoffs"]] == ranking.details["cutoffs"]
    for label, neurons in peer.get_top_neurons(probe, 1.0, numbers)[1].items():
        assert ranking.label(label).order[: len(neurons)].tolist() == neurons.tolist()
    assert ranking.details["train"]["left_out"] == {"unlabelled": 113, "rare_label": 0, "no_activation": 5}
    assert ranking.details["train"]["words"] == len(codes)


@pytest.mark.parametrize("stride", [1, 7, 100, 999])
@pytest.mark.parametrize("shape", [(2, 5), (4, 100), (5, 1500)])
def test_the_order_is_that_of_the_real_package_for_any_weights(stride: int, shape: tuple[int, int]) -> None:
    """Also with many zeros, ties, and labels of one neuron; both what is listed and what is dropped."""
    peer = real_neurox.load("interpretation.linear_probe")
    rng = np.random.default_rng(stride)
    spread = rng.standard_normal(shape)
    for weights in (
        spread,
        spread**9,
        np.where(rng.random(shape) < 0.8, 0.0, spread),
        rng.integers(-2, 3, shape) / 7.0,
        np.eye(*shape),
    ):
        labels = real_neurox.class_numbers(tuple(f"L{row}" for row in range(shape[0])))
        listed, cutoffs = peer.get_neuron_ordering(real_neurox.probe_of(weights), labels, stride)
        selection = order_as_neurox(weights, stride)
        assert selection.order[: selection.n_ranked].tolist() == [int(neuron) for neuron in listed]
        assert sorted(selection.order.tolist()) == list(range(shape[1]))
        places = shuffled_places(shape[1])
        assert (np.diff(places[selection.order[selection.n_ranked :]]) > 0).all()
        entered = np.searchsorted(np.unique(cutoffs), np.arange(selection.n_ranked), side="right")
        assert [count for _, count in selection.cutoffs] == np.unique(cutoffs).tolist()
        assert (np.diff(selection.scores[selection.order]) <= 0).all()
        assert len(np.unique(selection.scores[selection.order][: selection.n_ranked])) == len(
            np.unique(entered)
        )
        assert (selection.scores[selection.order[selection.n_ranked :]] == 0).all()


def test_weights_of_tiny_neurons_may_be_dropped_as_there() -> None:
    weights = np.full((1, 4001), 1e-9)
    weights[0, :2000] = 1.0
    listed, _ = real_neurox.load("interpretation.linear_probe").get_neuron_ordering(
        real_neurox.probe_of(weights), {"A": 0}
    )
    selection = order_as_neurox(weights)
    assert selection.n_ranked == len(listed) < 4001
    assert selection.order[: selection.n_ranked].tolist() == [int(neuron) for neuron in listed]


def test_scores_move_with_the_neurons() -> None:
    weights = np.random.default_rng(0).standard_normal((4, 200))
    moved = np.random.default_rng(1).permutation(200)
    expected, moved_order = order_as_neurox(weights), order_as_neurox(weights[:, moved])
    np.testing.assert_array_equal(moved_order.scores, expected.scores[moved])
    assert moved_order.cutoffs == expected.cutoffs


def test_the_order_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "import numpy as np; from onegrain.rankings.neurox.ordering import order_as_neurox; "
        "print(order_as_neurox(np.random.default_rng(0).standard_normal((4, 500))).order.tolist())"
    )
    order = order_as_neurox(np.random.default_rng(0).standard_normal((4, 500))).order.tolist()
    ran = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == str(order)


def test_the_planted_neurons_come_first() -> None:
    ranking = rank("neurox", ACTS, label="upos", lambda1=1e-2, learning_rate=1e-2)
    assert ranking.labels == LABELS
    assert set(PLANTED.exclusive.values()) <= set(ranking.order[:8].tolist())
    for label, neuron in PLANTED.exclusive.items():
        assert neuron in ranking.label(label).order[:3]
    assert set(ranking.order[: len(PLANTED.informative)].tolist()) <= PLANTED.informative | set(PLANTED.weak)
    assert ranking.details["train"]["accuracy"] > 0.95
    assert ranking.details["constant"] == len(PLANTED.constant)
    assert ranking.n_ranked == 32


def test_a_seed_gives_one_ranking_and_the_global_one_is_left_alone() -> None:
    torch.manual_seed(11)
    state = torch.random.get_rng_state()
    first, again, other = (rank("neurox", ACTS, label="upos", epochs=1, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert first.weights is not None
    assert first.weights.tobytes() == again.weights.tobytes() != other.weights.tobytes()
    assert first.order.tolist() == again.order.tolist()
    assert first.provenance.seed == 1


def test_blocks_of_words_and_a_memory_budget_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = with_holes()
    expected = rank("neurox", acts, label="upos", test=HELD)

    def spilling(limit: int) -> Memory:
        memory = Memory(1)
        memory._room = 0
        return memory

    monkeypatch.setattr("onegrain.rankings.neurox.method.Memory", spilling)
    monkeypatch.setattr(core_activations, "BLOCK_BYTES", 4 * 32 * 7)
    ranking = rank("neurox", acts, label="upos", test=HELD, memory="4GiB")
    assert ranking.details == expected.details
    assert ranking.weights is not None
    assert ranking.weights.tobytes() == expected.weights.tobytes()


def test_held_out_words_are_scored_as_the_real_package_scores_them() -> None:
    peer = real_neurox.load("interpretation.linear_probe")
    values, codes = labelled(ACTS)
    ranking = rank("neurox", ACTS, label="upos", dev=plant(30, seed=2).activations, test=HELD, epochs=2)
    probe = real_neurox.train(values, codes, 0, num_epochs=2)
    held, answers = labelled(HELD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.cuda.is_available", lambda: False)
        scores = peer.evaluate_probe(probe, held, answers, dict(enumerate(LABELS)))
    evaluation = ranking.details["evaluation"]
    assert evaluation["full"]["accuracy"] == pytest.approx(scores["__OVERALL__"], abs=1e-12)
    for label in LABELS:
        assert evaluation["full"]["labels"][label]["accuracy"] == pytest.approx(scores[label], abs=1e-12)
    assert (evaluation["on"], evaluation["test_words"], evaluation["test_sentences"]) == ("test", 300, 60)
    assert ranking.details["dev"]["words"] == 150
    alone = rank("neurox", ACTS, label="upos", dev=plant(30, seed=2).activations, epochs=2)
    assert alone.details["evaluation"]["on"] == "dev"
    assert alone.details["evaluation"]["full"]["accuracy"] == ranking.details["dev"]["accuracy"]
    assert rank("neurox", ACTS, label="upos", epochs=1).details["evaluation"] is None


def test_the_record_comes_back(tmp_path) -> None:
    ranking = rank("neurox", ACTS, label="upos", test=HELD, epochs=1, search_stride=3)
    ranking.save(tmp_path / "neurox.parquet")
    back = Ranking.load(tmp_path / "neurox.parquet")
    assert back.order.tolist() == ranking.order.tolist()
    assert back.details == ranking.details
    assert back.provenance.parameters["search_stride"] == 3
    np.testing.assert_array_equal(back.weights, ranking.weights)


def test_impossible_parameters_are_refused() -> None:
    for name, value in (("lambda1", -1.0), ("lambda2", float("nan")), ("lambda1", True), ("lambda2", "1")):
        with pytest.raises(ParameterError, match=f"{name} must be one number, 0 or more"):
            rank("neurox", ACTS, label="upos", **{name: value})
    with pytest.raises(ParameterError, match=r"lambda1 must be one number.* lca tries a grid"):
        rank("neurox", ACTS, label="upos", lambda1=(0.0, 1e-3))
    for rate in (0, 1e38):
        with pytest.raises(ParameterError, match="learning_rate must be one number, above 0"):
            rank("neurox", ACTS, label="upos", learning_rate=rate)
    for name in ("epochs", "batch_size", "search_stride"):
        for value in (0, 2.0, True):
            with pytest.raises(ParameterError, match=f"{name} must be a whole number from 1"):
                rank("neurox", ACTS, label="upos", **{name: value})
    with pytest.raises(ParameterError, match="takes no parameter num_epochs; its parameters are: lambda1"):
        rank("neurox", ACTS, label="upos", num_epochs=3)
    with pytest.raises(ParameterError, match="has no choice of where it computes"):
        rank("neurox", ACTS, label="upos", device="cuda")
    with pytest.raises(ParameterError, match=r"diverged with learning_rate=1e\+30: .* lower it"):
        rank("neurox", replace(ACTS, array=ACTS.values() * 1e10), label="upos", learning_rate=1e30)
    with pytest.raises(ParameterError, match="budget of 1 MiB is too small"):
        rank("neurox", ACTS, label="upos", memory="1MiB")
    assert METHODS["neurox"].needs_label


def test_words_that_do_not_fit_are_refused() -> None:
    values = ACTS.values().copy()
    values[77, 13] = np.nan
    with pytest.raises(ParameterError, match=r"1 activations .* layers\.1:1 at word 77"):
        rank("neurox", replace(ACTS, array=values), label="upos")
    with pytest.raises(MismatchError, match="the training words themselves"):
        rank("neurox", ACTS, label="upos", test=ACTS)
    corpus = Corpus.from_sentences([["a", "b", "c"]], {"upos": [["X", "X", None]]})
    with pytest.raises(LabelError, match="fewer than two labels"):
        rank("neurox", Activations.from_array(np.eye(3, dtype=np.float32), corpus), label="upos")
