"""A search gives the numbers of scipy, with an index and without one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from onegrain.core.bootstrap import adjusted_p_values
from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.records.activations import Activations
from onegrain.records.concept_search import MEASURES, ConceptSearch
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.searching import index_neurons, search
from onegrain.searching.scoring import QUANTILES
from support.indexed import CONSTANT, FOLLOWS, HUGE, TIED, ZEROS, Indexed, write

CONCEPTS = [
    {"words": ["ing3", "w4", "never"]},
    {"words": "w2"},
    {"regex": "ing.+"},
    {"regex": r"w(?!1$).*"},
    {"label": "VERB"},
    {"label": "2", "layer": "position"},
]


def in_memory(indexed: Indexed) -> Activations:
    """Return the same activations without a store, so that no index is beside them."""
    return replace(indexed.activations, path=None)


def mask_of(activations: Activations, concept: dict) -> np.ndarray:
    words = np.array(activations.corpus.words)
    if "words" in concept:
        listed = [concept["words"]] if isinstance(concept["words"], str) else concept["words"]
        mask = np.isin(words, listed)
    elif "regex" in concept:
        begins = {"ing.+": lambda word: word.startswith("ing")}
        test = begins.get(concept["regex"], lambda word: word.startswith("w") and word != "w1")
        mask = np.array([test(word) for word in words])
    else:
        layer = concept.get("layer", "class")
        mask = np.zeros(len(words), dtype=bool)
        mask[activations.words_of(layer, concept["label"])] = True
    return mask[activations.present]


@pytest.mark.parametrize("concept", CONCEPTS, ids=str)
def test_every_number_is_that_of_scipy_and_numpy(indexed: Indexed, concept: dict) -> None:
    record = search(indexed.activations, **concept)
    assert record.details["source"] == "index"
    inside = mask_of(indexed.activations, concept)
    assert (record.concept.words, record.concept.others) == (inside.sum(), (~inside).sum())
    for neuron in (0, TIED, ZEROS, HUGE, FOLLOWS, 149):
        values = indexed.values[:, neuron].astype(np.float64)
        u, p = mannwhitneyu(values[inside], values[~inside], method="asymptotic")
        area = u / (inside.sum() * (~inside).sum())
        assert record.auroc[neuron] == pytest.approx(max(area, 1 - area), rel=1e-13)
        assert record.sign[neuron] == (1 if area >= 0.5 else -1)
        assert record.p[neuron] == pytest.approx(p, rel=1e-9)
        apart = values[inside].mean() - values[~inside].mean()
        assert abs(record.mean_difference[neuron] - apart) <= rounding_of(values, inside)
        standardised = record.standardised_difference[neuron] * values.std()
        assert standardised == pytest.approx(record.mean_difference[neuron], rel=1e-12)
        assert record.iou[neuron] == max(overlaps_of(values, inside))
    np.testing.assert_array_equal(record.q, adjusted_p_values(record.p))


def rounding_of(values: np.ndarray, inside: np.ndarray) -> float:
    """Return the largest rounding that a mean difference from an index may have."""
    deviations = np.abs(values - values.mean())
    return 6e-8 * (deviations[inside].mean() + deviations[~inside].mean())


def overlaps_of(values: np.ndarray, inside: np.ndarray) -> list[float]:
    """Return the IoU of the concept with the highest and the lowest values at each quantile."""
    overlaps = []
    for signed in (values, -values):
        for quantile in QUANTILES:
            least = np.ceil(len(values) * (1 - quantile) * (1 - 1e-12))
            threshold = max(value for value in np.unique(signed) if (signed >= value).sum() >= least)
            extreme = signed >= threshold
            overlaps.append((extreme & inside).sum() / (extreme | inside).sum())
    return overlaps


@pytest.mark.parametrize("concept", CONCEPTS, ids=str)
def test_the_index_gives_the_numbers_of_the_store(indexed: Indexed, concept: dict) -> None:
    quick, slow = search(indexed.activations, **concept), search(in_memory(indexed), **concept)
    assert (quick.details["source"], slow.details["source"]) == ("index", "store")
    inside = mask_of(indexed.activations, concept)
    for name in MEASURES:
        if name == "mean_difference":
            apart = np.nan_to_num(np.abs(quick.mean_difference - slow.mean_difference))
            bounds = [rounding_of(values, inside) for values in indexed.values.T.astype(np.float64)]
            assert (apart <= np.array(bounds)).all()
        elif name != "standardised_difference":
            np.testing.assert_array_equal(getattr(quick, name), getattr(slow, name), name)


def test_the_neuron_that_follows_a_concept_is_first(indexed: Indexed) -> None:
    record = search(indexed.activations, regex="ing.+")
    assert record.top(1) == [f"layers.0:{FOLLOWS}"]
    assert record.order("standardised_difference")[0] == record.order("iou")[0] == FOLLOWS
    assert (record.sign[FOLLOWS], record.iou_sign[FOLLOWS]) == (-1, -1)
    assert record.q[FOLLOWS] < 1e-6 < record.q[0]
    assert record.n_significant < 20
    counts = Counter(word for word in indexed.activations.corpus.words if word.startswith("ing"))
    assert record.concept.examples[0] == counts.most_common(1)[0][0]
    assert len(record.concept.examples) == 10
    table = record.to_pandas()
    assert (table["site"][0], table["unit"][0]) == ("layers.0", FOLLOWS)
    assert record.summary()["best neuron"] == f"layers.0:{FOLLOWS}"
    with pytest.raises(ParameterError, match="not by 'p'"):
        record.order("p")


def test_a_constant_neuron_has_no_numbers_and_comes_last(indexed: Indexed) -> None:
    record = search(indexed.activations, label="VERB")
    assert record.order()[-1] == CONSTANT
    for name in MEASURES:
        value = getattr(record, name)[CONSTANT]
        assert value == 0 if name.endswith("sign") else np.isnan(value)


def test_noise_gives_uniform_p_values() -> None:
    rng = np.random.default_rng(5)
    corpus = Corpus.from_sentences([["a", "b", "c", "d"]] * 200)
    acts = Activations.from_array(rng.normal(size=(800, 400)).astype(np.float32), corpus)
    record = search(acts, words=["a"])
    assert record.n_significant == 0
    assert 0.02 < (record.p < 0.05).mean() < 0.09


def test_a_label_that_the_index_lacks_is_read_from_the_store(indexed: Indexed) -> None:
    rare = indexed.activations.corpus.with_layer(
        LabelLayer.from_labels("new", [str(n % 2) for n in range(indexed.activations.n_words)])
    )
    relabelled = indexed.activations.with_corpus(rare)
    assert search(relabelled, label="1", layer="new").details["source"] == "store"
    codes = indexed.activations.layer("class").codes[::-1].copy()
    turned = replace(indexed.activations.layer("class"), codes=codes)
    changed = indexed.activations.with_corpus(indexed.activations.corpus.with_layer(turned))
    record = search(changed, label="VERB")
    assert record.details["source"] == "store"
    assert record.concept.words == (codes[indexed.activations.present] == 2).sum()
    assert search(changed, words="w2").details["source"] == "index"


def test_a_part_of_a_store_is_searched_without_its_index(indexed: Indexed) -> None:
    part, complete = (
        search(activations, label="NOUN")
        for activations in (indexed.activations.restrict("layers.1"), indexed.activations)
    )
    assert part.details["source"] == "store"
    np.testing.assert_array_equal(part.auroc, complete.auroc[70:])


def test_an_outdated_index_is_not_used(indexed: Indexed, tmp_path: Path) -> None:
    index_neurons(write(tmp_path))
    rewritten = write(tmp_path, seed=1)
    assert search(rewritten, words="w2").details["source"] == "store"
    with pytest.raises(MismatchError, match="is not the index of"):
        search(rewritten, words="w2", index=indexed.index)
    assert search(indexed.activations, words="w2", index=indexed.index).details["source"] == "index"


def test_a_word_list_may_be_a_file(indexed: Indexed, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("ing3\tA\nw4\tB\n")
    record = search(indexed.activations, words=file)
    np.testing.assert_array_equal(record.auroc, search(indexed.activations, words=["ing3", "w4"]).auroc)
    assert record.concept.value == str(file)


def test_a_record_is_saved_and_loaded(indexed: Indexed, tmp_path: Path) -> None:
    record = search(indexed.activations, label="VERB")
    record.save(tmp_path / "search.parquet")
    loaded = ConceptSearch.load(tmp_path / "search.parquet")
    assert loaded.concept == record.concept
    assert loaded.summary() == record.summary()
    for name in MEASURES:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(record, name))
        assert getattr(loaded, name).dtype == getattr(record, name).dtype


@pytest.mark.parametrize(
    ("concept", "error", "message"),
    [
        ({}, ParameterError, "one of words, regex or label; got none"),
        ({"words": ["a"], "regex": "b"}, ParameterError, "got words and regex"),
        ({"words": ["zebra"]}, ParameterError, "no word of .* belongs to words 'zebra'"),
        ({"words": []}, ParameterError, "is empty"),
        ({"regex": ".*"}, ParameterError, "every word of .* belongs to regex"),
        ({"regex": "("}, ParameterError, "not a regular expression"),
        ({"words": ["a"], "layer": "class"}, ParameterError, "leave out layer"),
        ({"label": "ADJ"}, LabelError, "no layer has the label 'ADJ'; the layers are: class, position"),
        ({"label": "ADJ", "layer": "class"}, LabelError, "no label 'ADJ'"),
        ({"label": "RARE"}, ParameterError, "no word of .* with an activation"),
    ],
)
def test_refusals(indexed: Indexed, concept: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        search(indexed.activations, **concept)


def test_a_label_of_several_layers_needs_its_layer(indexed: Indexed) -> None:
    twice = LabelLayer.from_labels("copy", indexed.activations.layer("class").labels())
    labelled = indexed.activations.with_corpus(indexed.activations.corpus.with_layer(twice))
    with pytest.raises(LabelError, match="several layers have the label 'VERB': class, copy"):
        search(labelled, label="VERB")
