"""Dimension selection [Torroba20]: the neurons from which a Gaussian probe learns most about a label layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from onegrain.core.ordering import order_by_score
from onegrain.rankings.data.labelled import (
    LabelledWords,
    describe_words,
    read_labelled,
    read_matching,
    require_held_out,
    sentences_within,
    split_sentences,
)
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.gaussian.factor import Factor
from onegrain.rankings.gaussian.heldout import HeldOut, Knowledge
from onegrain.rankings.gaussian.likelihood import TILE_CELLS
from onegrain.rankings.gaussian.options import GaussianOptions
from onegrain.rankings.gaussian.selection import select
from onegrain.rankings.labels import require_labels
from onegrain.rankings.request import Method, Request
from onegrain.records.leakage import measure_leakage
from onegrain.records.ranking import Ranking

__all__ = ["METHOD", "gaussian"]


def gaussian(request: Request) -> Ranking:
    """Choose neurons one by one for a Gaussian probe of the label layer of the request [Torroba20].

    The probe has a Gaussian for every label, with parameters at their posterior mode (factor.py), weighted by
    the labels' shares of the training words. The next neuron is the one with which the probe gives the labels
    of held-out words (``dev``, or else a share of the sentences) the highest mean log probability, that is, the
    highest estimate of their mutual information with the chosen neurons. Words without a label are left out,
    and so are labels with fewer than ``min_count`` training words, and held-out words whose label was not
    learned.

    Neurons are ordered as they were chosen. All others follow unranked, in an order drawn from the seed, which
    also decides between equal neurons. A step may gain fewer bits than a later step, or lose some, so bits
    cannot serve as scores: scores fall evenly from 1 to 1 / chosen, and are 0 for other neurons. A neuron that
    is constant over the training words is never chosen and scores NaN. The probe covers all labels at once, so
    there are no ``label_scores``.

    ``details`` holds:

    - ``steps``, a dict for each chosen neuron: ``neuron``, its flat index, and for the probe of all neurons up
      to it the ``information`` in bits, the same ``normalized`` by the entropy of the labels, and the
      ``accuracy`` on the held-out words; under ``test`` the same on the test words;
    - ``start``, the same without any neuron; ``best``, the number of neurons with the most information;
    - ``entropy`` (bits); ``prior``; ``train``, ``dev``, ``test`` (words, left_out, ...);
    - ``evaluation``: ``on``, which words judge the probe (``test`` if given, else ``dev``), its accuracy on
      them with all chosen neurons (``full``) and with none (``majority``), and what those words share with the
      training words (``leakage``);
    - the number of ``constant`` neurons.

    The held-out words chose the neurons, so their figures flatter the probe; those of the test words do not.

    Raises:
        ParameterError: an activation is not finite, there is only one sentence, or the memory budget is too
            small.
        LabelError: the layer does not exist, or fewer than two labels can be learned.
        MismatchError: the held-out words belong to other neurons, or are the training words.
    """
    options: GaussianOptions = request.options
    layer, memory = str(request.label), Memory(request.memory)
    require_labels(request.activations, layer, options.min_count)
    for words_given in (request.dev, request.test):
        if words_given is not None:
            require_held_out(request.activations, words_given)
    kept, left = split_sentences(request.activations, options, request.seed, apart=request.dev is not None)
    choosing = _choosing_sentences(request, left)
    memory.reserve(_working_bytes(request, choosing), "choosing neurons for a Gaussian probe")
    train = read_labelled(request.activations, layer, kept, options.min_count, memory)
    dev = read_matching(request.dev or request.activations, layer, train.labels, choosing, memory)
    held_out = {"dev": dev}
    if request.test is not None:
        held_out["test"] = read_matching(request.test, layer, train.labels, memory=memory)
    factor = Factor(train, options)
    followed = {name: HeldOut(words, factor) for name, words in held_out.items()}
    start, steps = _choose(factor, followed, request)
    scores = np.where(factor.varies, 0.0, np.nan)
    scores[factor.chosen] = np.arange(factor.size, 0, -1) / max(1, factor.size)
    information = [step["information"] for step in (start, *steps)]
    return Ranking(
        method="gaussian",
        space=request.activations.space,
        order=order_by_score(scores, request.seed),
        scores=scores,
        n_ranked=factor.size,
        provenance=request.provenance("gaussian"),
        layer=layer,
        labels=train.labels,
        details={
            "steps": steps,
            "start": start,
            "best": int(np.argmax(information)),
            "entropy": followed["dev"].entropy,
            "prior": {name: getattr(options, name) for name in ("kappa", "scale", "floor", "degrees", "mode")},
            "train": describe_words(train),
            **{name: {"words": len(words), "left_out": words.left_out} for name, words in held_out.items()},
            "constant": int((~factor.varies).sum()),
            "evaluation": _evaluation(request, train, held_out, (start, steps[-1] if steps else start)),
        },
    )


def _evaluation(
    request: Request,
    train: LabelledWords,
    held_out: dict[str, LabelledWords],
    ends: tuple[dict[str, Any], dict[str, Any]],
) -> dict[str, Any]:
    """Return the probe's accuracy with no neuron and with all chosen ones, and the leakage of the words."""
    name = "dev" if request.test is None else "test"
    leakage = measure_leakage(
        request.activations.corpus,
        np.unique(train.sentences),
        (request.test or request.dev or request.activations).corpus,
        np.unique(held_out[name].sentences),
        chosen=request.test is None,
        what="neurons",
    )
    none, all_chosen = ((end if name == "dev" else end["test"])["accuracy"] for end in ends)
    return {"on": name, "majority": none, "full": {"accuracy": all_chosen}, "leakage": leakage}


def _choose(
    factor: Factor, followed: dict[str, HeldOut], request: Request
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Choose all neurons; return how well the probe predicts before the first neuron, and after each."""

    def predictions() -> dict[str, Any]:
        by_words = {name: _plain(words.knowledge(factor)) for name, words in followed.items()}
        return {**by_words.pop("dev"), **by_words}

    dev, *others = followed.values()
    start, steps = predictions(), []
    with request.progress("neurons", factor.rows.shape[1], "neurons") as advance:

        def chosen(neuron: int) -> None:
            steps.append({"neuron": neuron, **predictions()})
            advance(1)

        select(factor, dev, tuple(others), chosen, request.seed)
    return start, steps


def _plain(knowledge: Knowledge) -> dict[str, float | None]:
    normalized = None if np.isnan(knowledge.normalized) else knowledge.normalized
    return {"information": knowledge.information, "normalized": normalized, "accuracy": knowledge.accuracy}


def _choosing_sentences(request: Request, left: np.ndarray | None) -> np.ndarray:
    """Return a mask, bool (sentences,), of the held-out sentences whose words decide the choice."""
    corpus = (request.dev or request.activations).corpus
    allowed = np.ones(corpus.n_sentences, dtype=bool) if left is None else left
    most = request.options.max_dev_words
    if most is None:
        return allowed
    return sentences_within(corpus, allowed, most, request.seed, name="max_dev_words")


def _working_bytes(request: Request, choosing: np.ndarray) -> int:
    """Return the bytes that the choice needs besides the words: factors, coordinates, and tiles."""
    corpus = (request.dev or request.activations).corpus
    words = int(choosing[corpus.sentence_of_word].sum()) + (request.test.n_words if request.test else 0)
    neurons = request.activations.n_neurons
    labels = len(request.activations.layer(str(request.label)).vocabulary)
    chosen = min(request.options.k, neurons)
    factors = labels * neurons * (12 * chosen + 64)
    tiles = 32 * labels * TILE_CELLS * torch.get_num_threads()
    return factors + labels * words * (8 * chosen + 32) + tiles + 64 * neurons + 128 * 2**20


METHOD = Method(
    name="gaussian",
    summary="chosen one by one for a Gaussian probe of a label layer, by mutual information [Torroba20]",
    function=gaussian,
    options=GaussianOptions,
    needs_label=True,
    takes_heldout=True,
    takes_memory=True,
)
