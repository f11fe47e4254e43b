"""Random orders that are matched to a ranking by site, and by the size of the change that an edit makes."""

from __future__ import annotations

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.interventions import ablate, neuron_statistics, parse_edit
from onegrain.interventions.matching import change_sizes, matched_order, matching_cells
from onegrain.interventions.orders import line_counts, neuron_orders
from onegrain.models import LoadedModel
from onegrain.records.activations import Activations
from onegrain.records.space import NeuronSpace
from support.rankings import ranking_of, shuffled
from support.tiny import plain_corpus, tiny_nlm


@pytest.fixture(scope="module")
def nlm(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return og.load_model(tiny_nlm(tmp_path_factory.mktemp("models") / "nlm"), device="cpu")


@pytest.fixture(scope="module")
def activations(nlm: LoadedModel) -> Activations:
    return og.live_activations(nlm, plain_corpus())


def test_every_beginning_of_a_matched_order_has_as_many_neurons_of_each_site() -> None:
    space = NeuronSpace(("a", "b", "c"), (5, 20, 11))
    ranking = ranking_of(space, np.random.default_rng(3).permutation(36))
    cells = matching_cells("site", space)
    orders = neuron_orders(ranking, ("random",), 4, 0, cells)["random"]
    sites = np.repeat([0, 1, 2], space.widths)
    for order in orders:
        assert sorted(order) == list(range(36))
        assert sites[order].tolist() == sites[ranking.order].tolist()
    assert len({order.tobytes() for order in orders}) == 4


def test_matched_orders_draw_every_neuron_of_a_site_alike() -> None:
    """Each neuron of a site is as often the first of them."""
    cells = np.array([0, 0, 0, 1, 1])
    rng = np.random.default_rng(0)
    firsts = [matched_order(np.array([4, 0, 1, 2, 3]), rng.permutation(5), cells)[1] for _ in range(3000)]
    shares = np.bincount(firsts, minlength=5) / 3000
    assert shares[3:].sum() == 0
    assert shares[:3] == pytest.approx([1 / 3] * 3, abs=0.04)


def test_orders_of_one_site_do_not_depend_on_the_ranking() -> None:
    space = NeuronSpace(("a",), (30,))
    cells = matching_cells("site", space)
    plain = neuron_orders(shuffled(space, 1), ("random",), 3, 7)["random"]
    matched = neuron_orders(shuffled(space, 2), ("random",), 3, 7, cells)["random"]
    assert np.array_equal(plain, matched)


def test_neurons_of_like_size_share_a_cell() -> None:
    space = NeuronSpace(("a", "b", "small"), (100, 25, 4))
    sizes = np.random.default_rng(0).random(129)
    cells = matching_cells("size", space, sizes)
    assert cells is not None
    for site, strata in (("a", 10), ("b", 5), ("small", 1)):
        span = space.slice(site)
        by_size = cells[span][np.argsort(sizes[span])]
        assert (np.diff(by_size) >= 0).all()
        counts = np.unique(by_size, return_counts=True)[1]
        assert len(counts) == strata
        assert counts.max() - counts.min() <= 1
    assert len(set(cells[space.slice("a")]) & set(cells[space.slice("b")])) == 0


@pytest.mark.parametrize(
    "text", ["zero", "mean", "mode", "clamp(value=2.0)", "scale(factor=0.5)", "add(value=0.25)", "resample"]
)
def test_the_size_of_a_change_is_its_mean_over_the_samples(
    nlm: LoadedModel, activations: Activations, text: str
) -> None:
    statistics = neuron_statistics(activations, samples=10**6)
    assert statistics.samples is not None
    x = statistics.samples.astype(np.float64)
    expected = {
        "zero": np.abs(x).mean(0),
        "mean": np.abs(x - statistics.column("mean")).mean(0),
        "mode": np.abs(x - statistics.column("mode")).mean(0),
        "clamp(value=2.0)": np.abs(x - 2.0).mean(0),
        "scale(factor=0.5)": np.abs(x * 0.5).mean(0),
        "add(value=0.25)": np.full(x.shape[1], 0.25),
        "resample": np.abs(x - np.roll(x, 1, 0)).mean(0),
    }[text]
    sizes = change_sizes(nlm, activations.space, parse_edit(text), statistics)
    np.testing.assert_allclose(sizes, expected, rtol=1e-4, atol=1e-6)


def test_values_outside_a_range_do_not_count_as_changed(nlm: LoadedModel, activations: Activations) -> None:
    statistics = neuron_statistics(activations, samples=10**6)
    assert statistics.samples is not None
    x = statistics.samples.astype(np.float64)
    sizes = change_sizes(nlm, activations.space, parse_edit("range(edit=zero, low=0.0)"), statistics)
    np.testing.assert_allclose(sizes, np.where(x >= 0, np.abs(x), 0).mean(0), rtol=1e-4, atol=1e-7)


def test_matching_by_size_is_used_by_ablate(nlm: LoadedModel, activations: Activations) -> None:
    metric = og.Perplexity(plain_corpus().head(3))
    ranking = shuffled(activations.space, 5)
    options: dict = {"counts": [10], "lines": "random", "random_orders": 4, "reference": activations}
    by_size, by_site = (ablate(nlm, ranking, metric, match=match, **options) for match in ("size", "site"))
    assert by_size.provenance.parameters["match"] == "size"
    assert by_size.details["random_values"] != by_site.details["random_values"]


def test_what_matching_by_size_needs_is_refused_by_name(nlm: LoadedModel, activations: Activations) -> None:
    metric, ranking = og.Perplexity(plain_corpus().head(2)), shuffled(activations.space, 5)
    with pytest.raises(ParameterError, match="match='size' needs a reference with samples"):
        ablate(nlm, ranking, metric, match="size", counts=[3])
    with pytest.raises(ParameterError, match="needs a reference with samples"):
        ablate(nlm, ranking, metric, match="size", reference=neuron_statistics(activations, samples=0))
    with pytest.raises(ParameterError, match=r"size' is not possible with interchange"):
        ablate(nlm, ranking, metric, match="size", edit="interchange", pairs=plain_corpus().head(2))
    with pytest.raises(ParameterError, match="match must be one of none, site, size, got 'width'"):
        ablate(nlm, ranking, metric, match="width")


def test_keep_edits_all_but_the_first(nlm: LoadedModel) -> None:
    """The line keep at k is the line bottom at all less k, and its neurons are the number that is edited."""
    metric, ranking = og.Perplexity(plain_corpus().head(3)), shuffled(nlm.space(), 5)
    curve = ablate(nlm, ranking, metric, counts=[4, 10, 38, 44], lines=["keep", "bottom"])
    assert curve.line("keep")["neurons"].tolist() == [0, 4, 10, 38, 44, 48]
    shared = curve.line("keep").merge(curve.line("bottom"), on="neurons", suffixes=("", "_bottom"))
    assert len(shared) == 5
    assert shared["value"].tolist() == shared["value_bottom"].tolist()
    everything = ablate(nlm, ranking, metric, counts=[48], lines="top")
    assert curve.line("keep")["value"].iloc[-1] == everything.line("top")["value"].iloc[-1]
    assert curve.intact == everything.intact
    assert line_counts("keep", [0, 48], 48) == [0, 48]
