"""One small record of every kind, for tests of what all records share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from onegrain.analyses import neuron_cards
from onegrain.records.cards import NeuronCards
from onegrain.records.clusters import Clusters
from onegrain.records.concept_search import MEASURES, Concept, ConceptSearch
from onegrain.records.control import COLUMNS as POINTS
from onegrain.records.control import Control
from onegrain.records.curve import Curve
from onegrain.records.effects import COLUMNS, LINES, Effects
from onegrain.records.evaluation import Evaluation
from onegrain.records.provenance import ModelIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.similarity import Similarity
from onegrain.records.space import NeuronSpace
from onegrain.records.specificity import CELLS, CONTRASTS, Specificity
from onegrain.records.stability import KINDS, Stability, neuron_frame, summary_frame
from onegrain.records.statistics import NeuronStatistics
from onegrain.records.sweep import COLUMNS as SWEEP_COLUMNS
from onegrain.records.sweep import Sweep
from onegrain.records.uniqueness import ROUNDS, Uniqueness
from support.planted import plant

SPACE = NeuronSpace(("layers.0", "layers.1"), (3, 2))
MODEL = ModelIdentity(id="models/m", architecture="Lstm", weight_hash="ab" * 32)
PROVENANCE = Provenance(stage="rank", model=MODEL, parameters={"dictionaries": {"layers.0.latents": "cd" * 8}})


def ranking() -> Ranking:
    scores = np.array([0.5, np.nan, 2.0, 1e-300, -0.0])
    table = np.stack([scores, np.array([np.inf, 1.0, 2.0, 3.0, 4.0])])
    more: dict[str, Any] = {"layer": "upos", "labels": ("NOUN", "[x]"), "label_scores": table}
    details = {"grid": [0.1, float("nan")], "null": {"q": [1, None]}}
    return Ranking.by_scores("lca", SPACE, scores, PROVENANCE, weights=-table, details=details, **more)


def curve() -> Curve:
    rows = [("top", 0, 30.5, 30.0, 31.0), ("top", 2, 20.0, 19.0, 21.0), ("bottom", 2, 30.0, 29.0, 31.0)]
    points = pd.DataFrame(rows, columns=["line", "neurons", "value", "low", "high"])
    return Curve(
        "bleu", True, "nrefs:1", points, 5, PROVENANCE, {"order": "x"}, np.arange(12.0).reshape(3, 4) / 7
    )


def evaluation() -> Evaluation:
    rows: list[tuple[Any, ...]] = [
        ("masking", "a", "top", 0, 2, 0.5, 0.4, 0.6),
        ("retraining", None, "random", 1, 2, 0.25, 0.2, 0.3),
    ]
    columns = ["kind", "ranking", "keep", "order", "neurons", "accuracy", "low", "high"]
    points = pd.DataFrame(rows, columns=columns)
    details = {"orders": {"a": "x"}, "majority": 0.25}
    return Evaluation(
        "upos", SPACE, {"a": "lca"}, points, np.array([[0.5, 0.4], [0.2, 0.3]]), PROVENANCE, details
    )


def stability() -> Stability:
    values = np.linspace(1, 5, SPACE.size)
    names = ("median", "low", "high", "ranked", "top:2")
    columns = {kind: {name: values / 5 if name in names[3:] else values for name in names} for kind in KINDS}
    summary = [[kind, label, 2, 0.5, 0.25, 0.1, None, 2.0] for kind in KINDS for label in (None, "NOUN")]
    correlations = {kind: {"spearman": 0.5, "kendall": 0.25} for kind in KINDS}
    neurons = neuron_frame(ranking(), columns)
    return Stability(
        "lca", SPACE, neurons, summary_frame(summary), correlations, 0.95, PROVENANCE, {"words": 7}
    )


def sweep() -> Sweep:
    rows: list[tuple[Any, ...]] = [
        ("a", None, "bleu", "zero", "top", 0, 0, 30.5, 30.0, 31.0),
        ("a", None, "bleu", "zero", "top", 0, 2, 20.5, 19.0, 21.0),
        ("a", "NOUN", "bleu", "clamp(value=1.0)", "random", 1, 0, 30.5, 30.0, 31.0),
        ("a", "NOUN", "bleu", "clamp(value=1.0)", "random", 1, 2, 30.25, 29.0, 31.0),
    ]
    facts = {"metric": "bleu", "higher_is_better": True, "signature": "nrefs:1", "n_sentences": 7}
    points, draws = pd.DataFrame(rows, columns=SWEEP_COLUMNS), np.arange(16.0).reshape(4, 4) / 7
    return Sweep(points, {"a": 5}, {"bleu": facts}, PROVENANCE, {"orders": {"a": "x"}}, draws)


def similarity() -> Similarity:
    table = pd.DataFrame(
        {"site_a": ["x", "y"], "site_b": ["z", "z"], "cka": [0.5, np.nan], "svcca": [0.1, 0.2]}
    )
    return Similarity(table, PROVENANCE, {"words": 9, "a": "m", "b": "n"})


def clusters() -> Clusters:
    neurons, numbers = np.array([0, 1, 3, 4]), np.array([0, 1, 0, 1])
    means = np.array([0.9, np.nan, 0.9, 0.8])
    medoids = np.array([0, 4])
    return Clusters(SPACE, neurons, numbers, means, medoids, "average", 0.2, False, PROVENANCE, {"words": 9})


def specificity() -> Specificity:
    names = np.array(["NOUN", "[x]"], dtype=object)
    numbers = {name: np.linspace(-1, 1, 4) + place for place, name in enumerate(CELLS[3:])}
    cells = pd.DataFrame(
        {"edited": names.repeat(2), "predicted": np.tile(names, 2), "words": [3, 4, 3, 4], **numbers}
    )
    cells.loc[1, "q"] = np.nan
    contrasts = pd.DataFrame({"label": names, **{name: [0.5, np.nan] for name in CONTRASTS[1:]}})
    overall = {"contrast": 0.1, "low": -0.1, "high": 0.3, "p": 0.2}
    details = {"ranked": {"NOUN": 2, "[x]": 1}, "random_orders": 3, "sentences": 9, "left_out": {"X": "rare"}}
    return Specificity("upos", 2, "zero", cells, contrasts, overall, 0.95, PROVENANCE, details)


def effects() -> Effects:
    rows: list[tuple[Any, ...]] = [
        (site, line, 2, *(np.linspace(-1, 1, 9) + place), 0.25, 0.5)
        for place, site in enumerate(("all", "layers.0"))
        for line in LINES
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    details = {"random_orders": 3, "sentences": 9, "subwords": 40, "convention": "anew"}
    return Effects(2, "zero", 3.5, table, 0.95, PROVENANCE, details)


def uniqueness() -> Uniqueness:
    rows: list[tuple[Any, ...]] = [
        (1, 5, 2, 0.9, 0.8, 1.0, 0.0, -0.1, 0.1, True, 0.85, 0.8, 0.9),
        (2, 3, 1, 0.5, 0.4, 0.6, 0.4, 0.3, 0.5, False, np.nan, np.nan, np.nan),
    ]
    details = {
        "removed": [[2, 0], [4, 1]],
        "majority": 0.25,
        "random": {"accuracy": 0.4, "low": 0.3, "high": 0.5},
        "chosen_k": False,
    }
    full = {"accuracy": 0.9, "low": 0.8, "high": 1.0}
    return Uniqueness(
        "lca", "upos", SPACE, 2, 0.01, full, pd.DataFrame(rows, columns=ROUNDS), 0.95, PROVENANCE, details
    )


def statistics() -> NeuronStatistics:
    columns = {name: np.linspace(-1, 1, SPACE.size) + place for place, name in enumerate(("mean", "mean:NOUN"))}
    columns |= {"deviation": np.array([0.0, 1, 2, 3, 4]), "optimal": np.array([0.5, np.nan, 1, np.nan, -1])}
    losses = {"intact": 3.0, "zero": 3.5, "mean": 3.25, "optimal": 3.125}
    details = {"bins": 10, "losses": losses, "steps": 4, "converged": True}
    samples = np.arange(10, dtype=np.float32).reshape(2, 5)
    return NeuronStatistics(SPACE, columns, 9, PROVENANCE, "upos", {"NOUN": 4}, samples, details)


def control() -> Control:
    rows = [
        ("top", 0, 0.0, 4, 1, 0.25, 0.0, 0.5, 0.25, 90.0, 85.0, 95.0),
        ("top", 0, 2.0, 4, 3, 0.75, 0.5, 1.0, 0.5, 80.0, 75.0, 85.0),
        ("random", 0, 0.0, 4, 0, 0.0, 0.0, 0.0, 0.0, 99.0, 98.0, 100.0),
        ("random", 0, 2.0, 4, 0, 0.0, 0.0, 0.0, 0.0, 98.0, 97.0, 99.0),
        ("random", 1, 0.0, 4, 0, 0.0, 0.0, 0.0, float("nan"), 99.0, 98.0, 100.0),
        ("random", 1, 2.0, 4, 1, 0.25, 0.0, 0.5, 0.0, 97.0, 96.0, 98.0),
    ]
    draws = np.array([[0.0, 0.5], [0.5, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.5]])
    example = {"source": "the dogs .", "before": "le chien .", "after": "les chiens .", "wanted": True}
    neurons = {"top": ["layers.0:2"], "random 0": ["layers.0:0"], "random 1": ["layers.0:1"]}
    return Control(
        layer="Number",
        value="Sing",
        wanted="Plur",
        judged="exact",
        k=1,
        points=pd.DataFrame(rows, columns=POINTS),
        neurons=neurons,
        signature="nrefs:1",
        n_sentences=5,
        provenance=PROVENANCE,
        draws=draws,
        details={"examples": {"0": [], "2": [example]}},
    )


def concept_search() -> ConceptSearch:
    concept = Concept("label", "NOUN", "upos", 3, 6, ("dog", "[x]"))
    signs = np.array([1, -1, 1, 0, -1], dtype=np.int8)
    values = np.array([0.5, 0.75, 0.9, np.nan, 1.0])
    columns = {name: signs if name.endswith("sign") else values for name in MEASURES}
    return ConceptSearch(concept, SPACE, **columns, provenance=PROVENANCE, details={"source": "store"})


def cards() -> NeuronCards:
    acts = plant(60, model="abcdefabcdef0").activations
    ranking = Ranking.by_scores("std", acts.space, np.arange(acts.space.size) + 0.5, acts.provenance)
    return neuron_cards(acts, [3], rankings={"std": ranking}, n=2)


RECORDS: dict[str, tuple[Callable[[], Any], Callable[[Path], Any]]] = {
    "ranking.parquet": (ranking, Ranking.load),
    "curve.parquet": (curve, Curve.load),
    "evaluation.parquet": (evaluation, Evaluation.load),
    "stability.parquet": (stability, Stability.load),
    "sweep.parquet": (sweep, Sweep.load),
    "similarity.parquet": (similarity, Similarity.load),
    "specificity.parquet": (specificity, Specificity.load),
    "effects.parquet": (effects, Effects.load),
    "uniqueness.parquet": (uniqueness, Uniqueness.load),
    "statistics.parquet": (statistics, NeuronStatistics.load),
    "clusters.parquet": (clusters, Clusters.load),
    "control.parquet": (control, Control.load),
    "search.parquet": (concept_search, ConceptSearch.load),
    "cards.json": (cards, NeuronCards.load),
}
"""File name -> (function that makes the record, function that loads it)."""
