"""Evaluation of any set of rankings with the same words, the same probe and the same draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.evaluation.keeping import Measurer, orders_kept, points_of
from onegrain.evaluation.options import ElasticNetOptions, EvaluationOptions
from onegrain.evaluation.probes import Classifier, ElasticNet, EvaluationProbe, describe
from onegrain.evaluation.words import EvaluationInput, ProbeWords, require_rankings, seen, shared_layer
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.data.memory import Memory, read_size
from onegrain.rankings.elastic_net.solver import working_bytes
from onegrain.rankings.elastic_net.subsets import SIDE_BY_SIDE
from onegrain.rankings.labels import require_labels
from onegrain.rankings.lca.evaluation import accuracy
from onegrain.records.activations import Activations
from onegrain.records.evaluation import Evaluation
from onegrain.records.leakage import measure_leakage
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["ELASTIC_NET", "evaluate", "fitted_probe", "majority_accuracy", "probe_options"]

ELASTIC_NET = "elastic-net"


def evaluate(
    rankings: Mapping[str, Ranking],
    train: Activations,
    test: Activations | None = None,
    *,
    label: str | None = None,
    probe: Any = ELASTIC_NET,
    dev: Activations | None = None,
    seed: int = 0,
    memory: int | str | None = None,
    device: str | None = None,
    progress: Progress = automatic,
    **parameters: Any,
) -> Evaluation:
    """Mask and retrain a probe with the top, bottom and random neurons of every ranking.

    *Masking*: accuracy of one probe, fitted once to all neurons and shared by all rankings, with all but k
    neurons set to zero. *Retraining*: accuracy of a new probe of k neurons alone [Dalvi19, Durrani20]. All
    rankings are measured on the same words, with the same probe, at the same k, and compared with the same
    random orders; equal sets of neurons are measured once. Words without a label or an activation are left out,
    and so are labels with fewer than ``min_count`` training words, and test words whose label was not learned.

    The measure depends on which neurons the probe itself finds useful [Antverg22]: a ranking by a probe of the
    same kind has an advantage, which other probes (``probe``) and retraining reveal or remove.

    Args:
        rankings: name -> ranking, all of the neurons of ``train``.
        train: words that probes learn from.
        test: words that probes are tested on; if None, ``test_share`` of the sentences of ``train``. Rankings
            were usually made from those too, as ``details["seen"]`` reports.
        label: name of the label layer; by default that of the rankings that have one.
        probe: ``elastic-net``, the probe of ``lca``, with penalties chosen for the probe of all neurons; or a
            classifier with ``fit`` and ``predict`` like those of scikit-learn, of which copies are fitted.
        dev: words on which the penalties are chosen; if None, ``dev_share`` of the training sentences, if there
            is more than one pair to choose from.
        seed: seed of splits, random orders and bootstrap draws.
        memory: bytes that this process may hold in total, for ``elastic-net``; see :func:`onegrain.rank`.
        device: where ``elastic-net`` computes; see :func:`onegrain.rank`.
        progress: receives the progress of the measurements.
        parameters: those of :class:`EvaluationOptions`, and for ``elastic-net`` of :class:`ElasticNetOptions`.

    Returns:
        Accuracies with 95 % intervals from a bootstrap over the tested sentences; all share the same draws.

    Raises:
        ParameterError: there is no ranking, a parameter is unknown or impossible, or the probe does not take
            it.
        LabelError: the label layer does not exist, or has too few labels.
        MismatchError: a ranking is of other neurons or another model, or was made from the words of ``test``.
    """
    label = label or shared_layer(rankings)
    inputs = EvaluationInput(train, test, dev, label, seed)
    inputs.require()
    require_rankings(rankings, inputs)
    options, net = probe_options(probe, parameters)
    require_labels(train, label, options.min_count)
    grid = options.grid(train.n_neurons)
    fitted, words = fitted_probe(probe, net, inputs, options, memory, device, progress)
    measurer = Measurer(fitted, words.test, train.n_neurons, progress)
    measured = measurer.measure(options.kinds, orders_kept(rankings, options, train.n_neurons, seed), grid)
    points, draws = points_of(measured, words.test, options, seed)
    described = {"probe": ELASTIC_NET, **vars(net)} if net is not None else describe(probe)
    return Evaluation(
        layer=label,
        space=train.space,
        methods={name: ranking.method for name, ranking in rankings.items()},
        points=points.iloc[:-1].reset_index(drop=True),
        draws=draws[:-1],
        provenance=_provenance(rankings, inputs, {**described, **vars(options)}),
        details={
            "full": {name: float(points.iloc[-1][name]) for name in ("accuracy", "low", "high")},
            "probe": fitted.facts(),
            "measured": measurer.counted,
            **_facts_of_words(inputs, words),
            **_facts_of_rankings(rankings, inputs),
        },
    )


def fitted_probe(
    probe: Any,
    net: ElasticNetOptions | None,
    inputs: EvaluationInput,
    options: EvaluationOptions,
    memory: int | str | None,
    device: str | None,
    progress: Progress,
) -> tuple[EvaluationProbe, ProbeWords]:
    """Return the fitted probe, which is a classifier if ``net`` is None, and its words."""
    if net is None:
        return _classifier(probe, inputs, options, (memory, device))
    storage = Memory(None if memory is None else read_size(memory), device=device or "cpu")
    return _elastic_net(inputs, options, net, storage, progress)


def _provenance(
    rankings: Mapping[str, Ranking], inputs: EvaluationInput, parameters: dict[str, Any]
) -> Provenance:
    """Return the provenance of an evaluation of these rankings."""
    train, test = inputs.train, inputs.test
    sources = [acts.provenance for acts in (train, test, inputs.dev) if acts is not None]
    return Provenance(
        stage="evaluate",
        model=train.provenance.model,
        corpus=(test or train).provenance.corpus,
        sites=train.space.sites,
        parameters={"label": inputs.label, **_plain(parameters)},
        seed=inputs.seed,
        inputs=(*sources, *(ranking.provenance for ranking in rankings.values())),
    )


def _facts_of_words(inputs: EvaluationInput, words: ProbeWords) -> dict[str, Any]:
    """Return the record's facts of the words: labels, words left out, and leakage."""
    tested = inputs.test or inputs.train
    return {
        "majority": majority_accuracy(words),
        "train": _described(words.train),
        "test": _described(words.test),
        "labels": list(words.train.labels),
        "leakage": measure_leakage(
            inputs.train.corpus,
            np.unique(words.train.sentences),
            tested.corpus,
            np.unique(words.test.sentences),
        ),
    }


def _facts_of_rankings(rankings: Mapping[str, Ranking], inputs: EvaluationInput) -> dict[str, Any]:
    """Return the hash of each ranking's order, and the rankings that have seen tested words."""
    orders = {name: ranking.order_hash for name, ranking in rankings.items()}
    return {"orders": orders, "seen": seen(rankings, inputs)}


def _elastic_net(
    inputs: EvaluationInput,
    options: EvaluationOptions,
    net: ElasticNetOptions,
    memory: Memory,
    progress: Progress,
) -> tuple[EvaluationProbe, ProbeWords]:
    """Return the probe of LCA and its words; words to choose penalties on only if there is a choice."""
    choosing = len(net.pairs) > 1
    if inputs.dev is not None and not choosing:
        raise ParameterError("dev is for choosing penalties, but there is one pair alone; leave it out")
    train = inputs.train
    shape = train.n_words, train.n_neurons, len(train.layer(inputs.label).vocabulary)
    grid = max(len(net.pairs), SIDE_BY_SIDE)
    memory.reserve(working_bytes(shape, grid), f"a grid of {grid} probes")
    words = inputs.read(options, net.dev_share if choosing else None, memory)
    return ElasticNet(words, net, standardize=options.standardize, memory=memory, progress=progress), words


def _classifier(
    probe: Any, inputs: EvaluationInput, options: EvaluationOptions, net_settings: tuple[Any, ...]
) -> tuple[EvaluationProbe, ProbeWords]:
    """Return a classifier as a probe, and its words."""
    if inputs.dev is not None or any(setting is not None for setting in net_settings):
        raise ParameterError(
            "dev, memory and device are of the probe elastic-net; leave them out, and choose the parameters of "
            "a classifier with a search such as scikit-learn's GridSearchCV"
        )
    words = inputs.read(options, None, Memory())
    return Classifier(probe, words, standardize=options.standardize), words


def probe_options(probe: Any, parameters: dict[str, Any]) -> tuple[EvaluationOptions, ElasticNetOptions | None]:
    """Return the parameters as records; ParameterError for one that is unknown or not of this probe."""
    if isinstance(probe, str) and probe != ELASTIC_NET:
        raise ParameterError(
            f"no probe {probe!r}; give 'elastic-net', or a classifier with fit and predict as scikit-learn has"
        )
    common = {field.name for field in fields(EvaluationOptions)}
    nets = {field.name for field in fields(ElasticNetOptions)}
    taken = common | nets if isinstance(probe, str) else common
    for name in parameters:
        if name not in taken:
            extra = "; it is of the probe elastic-net" if name in nets else ""
            raise ParameterError(
                f"no parameter {name!r}{extra}; the parameters are: {', '.join(sorted(taken))}"
            )
    options = EvaluationOptions(**{name: value for name, value in parameters.items() if name in common})
    if not isinstance(probe, str):
        return options, None
    return options, ElasticNetOptions(**{name: v for name, v in parameters.items() if name in nets})


def majority_accuracy(words: ProbeWords) -> float:
    """Return the accuracy of always predicting the most common training label."""
    common = int(np.bincount(words.train.codes).argmax())
    return accuracy(np.full(len(words.test), common), words.test.codes)


def _described(words: LabelledWords) -> dict[str, Any]:
    return {
        "words": len(words),
        "sentences": len(np.unique(words.sentences)),
        "left_out": dict(words.left_out),
        "labels_left_out": dict(words.labels_left_out),
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
