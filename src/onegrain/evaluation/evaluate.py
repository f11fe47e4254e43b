"""Evaluate any set of rankings the same way: same words, same probe, same draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.evaluation.keeping import Run, orders_kept, points_of
from onegrain.evaluation.options import ElasticNetOptions, EvaluationOptions
from onegrain.evaluation.probes import Classifier, ElasticNet, Probe, describe
from onegrain.evaluation.words import Given, ProbeWords, require_rankings, seen, shared_layer
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.data.memory import Memory, read_size
from onegrain.rankings.elastic_net.solver import working_bytes
from onegrain.rankings.labels import require_labels
from onegrain.rankings.lca.evaluation import accuracy
from onegrain.records.activations import Activations
from onegrain.records.evaluation import Evaluation
from onegrain.records.leakage import measure_leakage
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["evaluate"]

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
    rankings are measured on the same words, with the same probe, at the same k, beside the same random orders;
    equal sets of neurons are measured once. Words without a label or an activation are left out; so are labels
    of fewer than ``min_count`` training words, and tested words whose label was not learned.

    Which neurons the probe itself finds useful decides the measure [Antverg22]: a ranking by a probe of the
    same kind has an advantage, which other probes (``probe``) and retraining show or take away.

    Args:
        rankings: name -> ranking, all of the neurons of ``train``.
        train: the words that probes learn from.
        test: the words that they are tested on; if None, ``test_share`` of the sentences of ``train``. Rankings
            were mostly made from those too, which ``details["seen"]`` tells.
        label: the label layer; by default that of the rankings which have one.
        probe: ``elastic-net``, the probe of ``lca``, its penalties chosen for the probe of all neurons; or a
            classifier with ``fit`` and ``predict`` as scikit-learn has them, copies of which are fitted.
        dev: words on which the penalties are chosen; if None, ``dev_share`` of the training sentences, where
            there is more than one pair to choose from.
        seed: of splits, random orders and bootstrap draws.
        memory: what this process may hold in all, for ``elastic-net``; see :func:`onegrain.rank`.
        device: where ``elastic-net`` computes; see :func:`onegrain.rank`.
        progress: listens to the measurements.
        parameters: those of :class:`EvaluationOptions`, and for ``elastic-net`` of :class:`ElasticNetOptions`.

    Returns:
        Accuracies with 95 % intervals from a bootstrap over the tested sentences, whose draws all of them
        share.

    Raises:
        ParameterError: no ranking, an unknown or impossible parameter, or one that the probe does not take.
        LabelError: no such label layer, or too few labels in it.
        MismatchError: rankings of other neurons or of another model, or made from the words of ``test``.
    """
    label = label or shared_layer(rankings)
    given = Given(train, test, dev, label, seed)
    given.require()
    require_rankings(rankings, given)
    options, net = _options(probe, parameters)
    require_labels(train, label, options.min_count)
    grid = options.grid(train.n_neurons)
    if net is None:
        fitted, words = _classifier(probe, given, options, (memory, device))
    else:
        storage = Memory(None if memory is None else read_size(memory), device=device or "cpu")
        fitted, words = _elastic_net(given, options, net, storage, progress)
    run = Run(fitted, words.test, train.n_neurons, progress)
    measured = run.measure(options.kinds, orders_kept(rankings, options, train.n_neurons, seed), grid)
    points, draws = points_of(measured, words.test, options, seed)
    described = {"probe": ELASTIC_NET, **vars(net)} if net is not None else describe(probe)
    read = [one.provenance for one in (train, test, dev) if one is not None]
    return Evaluation(
        layer=label,
        space=train.space,
        methods={name: ranking.method for name, ranking in rankings.items()},
        points=points.iloc[:-1].reset_index(drop=True),
        draws=draws[:-1],
        provenance=Provenance(
            stage="evaluate",
            model=train.provenance.model,
            corpus=(test or train).provenance.corpus,
            sites=train.space.sites,
            parameters={"label": label, **_plain({**described, **vars(options)})},
            seed=seed,
            inputs=(*read, *(ranking.provenance for ranking in rankings.values())),
        ),
        details={
            "majority": _majority(words),
            "full": {name: float(points.iloc[-1][name]) for name in ("accuracy", "low", "high")},
            "probe": fitted.facts(),
            "orders": {name: ranking.order_hash for name, ranking in rankings.items()},
            "measured": run.counted,
            "train": _described(words.train),
            "test": _described(words.test),
            "labels": list(words.train.labels),
            "seen": seen(rankings, given),
            "leakage": measure_leakage(
                train.corpus,
                np.unique(words.train.sentences),
                (test or train).corpus,
                np.unique(words.test.sentences),
            ),
        },
    )


def _elastic_net(
    given: Given, options: EvaluationOptions, net: ElasticNetOptions, memory: Memory, progress: Progress
) -> tuple[Probe, ProbeWords]:
    """The probe of LCA and its words; those for the choice of penalties only where there is one."""
    choosing = len(net.pairs) > 1
    if given.dev is not None and not choosing:
        raise ParameterError("dev is for choosing among penalties, and there is one pair alone; leave it out")
    train = given.train
    shape = train.n_words, train.n_neurons, len(train.layer(given.label).vocabulary)
    memory.reserve(working_bytes(shape, len(net.pairs)), f"a grid of {len(net.pairs)} probes")
    words = given.read(options, net.dev_share if choosing else None, memory)
    return ElasticNet(words, net, standardize=options.standardize, memory=memory, progress=progress), words


def _classifier(
    probe: Any, given: Given, options: EvaluationOptions, elsewhere: tuple[Any, ...]
) -> tuple[Probe, ProbeWords]:
    """A probe of any kind and its words."""
    if given.dev is not None or any(one is not None for one in elsewhere):
        raise ParameterError(
            "dev, memory and device are of the probe elastic-net; leave them out, and choose the parameters of "
            "a classifier with a search of its own, such as scikit-learn's GridSearchCV"
        )
    words = given.read(options, None, Memory())
    return Classifier(probe, words, standardize=options.standardize), words


def _options(probe: Any, parameters: dict[str, Any]) -> tuple[EvaluationOptions, ElasticNetOptions | None]:
    """The parameters as records; ParameterError for one that is unknown or not of this probe."""
    if isinstance(probe, str) and probe != ELASTIC_NET:
        raise ParameterError(
            f"no probe {probe!r}; give 'elastic-net', or a classifier with fit and predict as scikit-learn has"
        )
    own = {field.name for field in fields(EvaluationOptions)}
    nets = {field.name for field in fields(ElasticNetOptions)}
    taken = own | nets if isinstance(probe, str) else own
    for name in parameters:
        if name not in taken:
            extra = "; it is of the probe elastic-net" if name in nets else ""
            raise ParameterError(
                f"no parameter {name!r} here{extra}; the parameters are: {', '.join(sorted(taken))}"
            )
    options = EvaluationOptions(**{name: value for name, value in parameters.items() if name in own})
    if not isinstance(probe, str):
        return options, None
    return options, ElasticNetOptions(**{name: v for name, v in parameters.items() if name in nets})


def _majority(words: ProbeWords) -> float:
    """Accuracy of the commonest training label."""
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
    return {name: list(one) if isinstance(one, tuple) else one for name, one in values.items()}
