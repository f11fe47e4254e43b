"""Linguistic Correlation Analysis [Dalvi19]: which neurons know about a label layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from onegrain.core.progress import announce, renamed
from onegrain.errors import RankingInterrupted
from onegrain.rankings.data.labelled import (
    LabelledWords,
    control_layer,
    describe_words,
    read_labelled,
    read_matching,
    require_held_out,
    split_sentences,
)
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net.predictions import predict
from onegrain.rankings.elastic_net.probe import ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import SolverOptions, working_bytes
from onegrain.rankings.labels import require_labels
from onegrain.rankings.lca.estimate import describe_estimate
from onegrain.rankings.lca.evaluation import OrderingEvaluation, accuracy
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.rankings.lca.redrawing import ProbeRedrawer
from onegrain.rankings.lca.search import Search, search
from onegrain.rankings.request import Method, Request
from onegrain.records.leakage import measure_leakage
from onegrain.records.ranking import Ranking

__all__ = ["METHOD", "lca"]


def lca(request: Request) -> Ranking:
    """Rank neurons by the weights of an elastic-net probe for the label layer of the request.

    The probe's penalties are chosen on held-out words (``dev``, or else a share of the sentences). Its neurons
    are ordered, and the ordering is evaluated on ``test``, or else on the held-out words. Words without a label
    are left out, and so are labels with fewer than ``min_count`` training words and held-out words whose label
    was not learned: the task is to distinguish the learned labels. ``details`` counts all of them.

    The ranking's scores fall along the order, see ordering.py; ``label_scores`` are |theta|, ``weights`` theta
    and ``slopes`` |dL/dtheta| of the loss without its penalty, by which neurons without a weight are ordered.

    ``details``: ``lambda1``, ``lambda2``, ``grid`` and ``choice`` (search.py), ``solution`` (the chosen probe's
    objective, gap, ...), ``cutoffs`` ([p, neurons] pairs), ``evaluation`` (evaluation.py; None if not wanted),
    ``biases`` (for the activations as the probe sees them), ``train`` and ``dev`` (words, left_out, labels left
    out), and ``constant``, the number of constant neurons, which have no weight and come last.

    Raises:
        ParameterError: an activation is not finite, or one sentence alone cannot be split.
        LabelError: the layer does not exist, or fewer than two labels can be learned.
        MismatchError: the held-out words have other neurons, or are the training words themselves.
        RankingInterrupted: Ctrl-C during the evaluation; its ``ranking`` is finished but for the evaluation.
    """
    options: LcaOptions = request.options
    layer = str(request.label)
    require_labels(request.activations, layer, options.min_count)
    for held in (request.dev, request.test):
        if held is not None:
            require_held_out(request.activations, held)
    kept, left = split_sentences(request.activations, options, request.seed, apart=request.dev is not None)
    memory = Memory(request.memory, device=request.device or "cpu")
    words, labels = request.activations.n_words, len(request.activations.layer(layer).vocabulary)
    grid = len(options.pairs) + 1
    memory.reserve(
        working_bytes((words, request.activations.n_neurons, labels), grid), f"a grid of {grid} probes"
    )
    apart = request.dev or request.activations
    with request.progress("reading", words + apart.n_words, "words") as advance:
        train = read_labelled(request.activations, layer, kept, options.min_count, memory, advance)
        dev = read_matching(apart, layer, train.labels, left, memory, advance)
    shape = len(train), request.activations.n_neurons, len(train.labels)
    estimate = describe_estimate(shape, options, memory.device)
    if estimate is not None:
        announce(request.progress, estimate)
    solver = _solver(train, options, memory)
    chosen = search(solver, dev, options, request.progress)
    slopes = solver.slopes(chosen.probe)
    ordering = order_neurons(chosen.probe.weights, slopes, request.seed)
    details: dict[str, Any] = {
        "lambda1": chosen.pair[0],
        "lambda2": chosen.pair[1],
        "grid": chosen.grid,
        "choice": chosen.choice,
        "solution": chosen.solution,
        "cutoffs": [list(pair) for pair in ordering.cutoffs],
        "biases": chosen.probe.biases.tolist(),
        "train": describe_words(train),
        "dev": {"words": len(dev), "left_out": dev.left_out},
        "constant": int(train.constant().sum()),
        "evaluation": None,
    }
    ranking = Ranking(
        method="lca",
        space=request.activations.space,
        order=ordering.order,
        scores=ordering.scores,
        n_ranked=ordering.n_ranked,
        provenance=request.provenance("lca"),
        layer=layer,
        labels=train.labels,
        label_scores=np.abs(chosen.probe.weights),
        weights=chosen.probe.weights,
        slopes=slopes,
        details=details,
    )
    if not options.evaluate:
        return ranking
    try:
        evaluation = _evaluate(request, (kept, left), (solver, train, dev), chosen, ordering.order, memory)
    except KeyboardInterrupt:
        raise RankingInterrupted(ranking) from None
    return replace(ranking, details={**details, "evaluation": evaluation})


def _evaluate(
    request: Request,
    split: tuple[np.ndarray, np.ndarray | None],
    words: tuple[ProbeSolver, LabelledWords, LabelledWords],
    chosen: Search,
    order: np.ndarray,
    memory: Memory,
) -> dict[str, Any]:
    """Return the evaluation of an ordering, on the test words or else on those held out.

    Args:
        request: the request.
        split: masks of the sentences to train on and to hold out.
        words: a solver on the training words, these words, and those held out.
        chosen: the chosen probe.
        order: int64 (neurons,), the ordering.
        memory: where tables are kept.
    """
    options, layer, (solver, train, test) = request.options, str(request.label), words
    if request.test is not None:
        with request.progress("reading", request.test.n_words, "words") as advance:
            test = read_matching(request.test, layer, train.labels, memory=memory, advance=advance)
    evaluation = OrderingEvaluation(
        solver, test, order, chosen.pair, options, request.seed, request.progress
    ).run(chosen.probe)
    evaluation["on"] = "dev" if request.test is None else "test"
    evaluation["leakage"] = measure_leakage(
        request.activations.corpus,
        np.unique(train.sentences),
        (request.test or request.dev or request.activations).corpus,
        np.unique(test.sentences),
        chosen=request.test is None and len(options.pairs) > 1,
    )
    evaluation["control"] = _control(request, split, chosen.pair, evaluation, memory)
    return evaluation


def _solver(words: LabelledWords, options: LcaOptions, memory: Memory) -> ProbeSolver:
    """Return a solver of probes for these words, with the limits of the options."""
    steps = SolverOptions(max_steps=options.max_steps, max_free_steps=options.max_free_steps)
    return ProbeSolver(words, steps, standardize=options.standardize, memory=memory)


def _control(
    request: Request,
    split: tuple[np.ndarray, np.ndarray | None],
    pair: tuple[float, float],
    evaluation: dict[str, Any],
    memory: Memory,
) -> dict[str, Any] | None:
    """Return accuracy on the control task [Hewitt19] and selectivity; None if a corpus has no such layer."""
    name, options = control_layer(str(request.label)), request.options
    held = request.test or request.dev or request.activations
    if name not in request.activations.corpus.layers or name not in held.corpus.layers:
        return None
    train = read_labelled(request.activations, name, split[0], options.min_count, memory)
    test = read_matching(held, name, train.labels, split[1] if held is request.activations else None, memory)
    solver = _solver(train, options, memory)
    task = renamed(request.progress, "control task")
    (probe,), _ = solver.solve(Penalties.of(pair), options.tolerance, progress=task)
    control_accuracy = accuracy(predict(test.values, [(probe, None)])[0], test.codes)
    return {
        "layer": name,
        "accuracy": control_accuracy,
        "selectivity": evaluation["full"]["accuracy"] - control_accuracy,
    }


METHOD = Method(
    name="lca",
    summary="weights of an elastic-net probe for a label layer [Dalvi19]",
    function=lca,
    options=LcaOptions,
    needs_label=True,
    takes_heldout=True,
    takes_memory=True,
    takes_device=True,
    redraw=ProbeRedrawer,
    redraw_solves=True,
)
