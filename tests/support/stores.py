"""Activations of models in memory, all on the same words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onegrain.records.activations import Activations
from onegrain.records.provenance import ModelIdentity
from onegrain.records.space import NeuronSpace
from support.planted import labelled_corpus

__all__ = ["SPACE", "centred", "changed", "store"]

SPACE = NeuronSpace(("layers.0", "layers.1"), (3, 4))


def store(
    seed: int, *, offset: float = 0.0, sentences: int = 40, space: NeuronSpace = SPACE, common: int = 2
) -> Activations:
    """Return noise mixed with signals that all such stores share; each seed is another model."""
    corpus = labelled_corpus(sentences)
    rng = np.random.default_rng(seed)
    signals = np.random.default_rng(77).normal(size=(corpus.n_words, common))
    values = rng.normal(size=(corpus.n_words, space.size)) + signals @ rng.normal(size=(common, space.size))
    acts = Activations.from_array((values + offset).astype(np.float32), corpus, space)
    identity = ModelIdentity(id=f"model-{seed}", architecture="Planted", weight_hash=str(seed))
    return replace(acts, provenance=acts.provenance.model_copy(update={"model": identity}))


def changed(acts: Activations, values: np.ndarray) -> Activations:
    """Return the same activations with other values."""
    return replace(acts, array=values.astype(np.float32))


def centred(acts: Activations, site: str | None = None) -> np.ndarray:
    """Return the values of a site, or of all sites, as float64 minus their means."""
    values = (acts if site is None else acts.restrict(site)).values().astype(np.float64)
    return values - values.mean(axis=0)
