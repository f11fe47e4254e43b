"""Every ranking method by name, and the one function that runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from onegrain.core.activations import Activations
from onegrain.core.progress import Progress, silent
from onegrain.core.ranking import Ranking
from onegrain.engines import Engine, engine_named
from onegrain.errors import ParameterError
from onegrain.rankings.crossmodel.linreg import LinregOptions, linreg
from onegrain.rankings.crossmodel.maxcorr import maxcorr, mincorr
from onegrain.rankings.crossmodel.options import CorrelationOptions
from onegrain.rankings.crossmodel.svcca import SvccaOptions, svcca
from onegrain.rankings.lca.method import lca
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.memory import read_size
from onegrain.rankings.random import random
from onegrain.rankings.request import Method, Request
from onegrain.rankings.univariate.f_statistic import f_statistic
from onegrain.rankings.univariate.mean import MeanOptions, mean, std
from onegrain.rankings.univariate.mutual_information import MutualInformationOptions, mutual_information

__all__ = ["METHODS", "method", "rank"]

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Method(
                name="lca",
                summary="weights of an elastic-net probe for a label layer [Dalvi19]",
                function=lca,
                options=LcaOptions,
                needs_label=True,
                takes_heldout=True,
                takes_memory=True,
                takes_device=True,
            ),
            Method(
                name="maxcorr",
                summary="highest correlation with any neuron of another model [Dalvi19, Bau19]",
                function=maxcorr,
                options=CorrelationOptions,
                needs_others=True,
                takes_memory=True,
                takes_device=True,
                takes_engine=True,
            ),
            Method(
                name="mincorr",
                summary="lowest over the other models of the highest correlation with any neuron [Bau19]",
                function=mincorr,
                options=CorrelationOptions,
                needs_others=True,
                takes_memory=True,
                takes_device=True,
                takes_engine=True,
            ),
            Method(
                name="linreg",
                summary="how well all neurons of another model together predict it [Dalvi19, Bau19]",
                function=linreg,
                options=LinregOptions,
                needs_others=True,
                takes_memory=True,
                takes_device=True,
                takes_engine=True,
            ),
            Method(
                name="svcca",
                summary="directions of a site that another model has too, instead of neurons [Raghu17]",
                function=svcca,
                options=SvccaOptions,
                needs_others=True,
                takes_memory=True,
                takes_device=True,
                takes_engine=True,
            ),
            Method(
                name="mean",
                summary="mean activation, or its absolute value",
                function=mean,
                options=MeanOptions,
            ),
            Method(name="std", summary="standard deviation over the words", function=std),
            Method(
                name="f-statistic",
                summary="variance between the labels against the variance within them",
                function=f_statistic,
                needs_label=True,
            ),
            Method(
                name="mutual-information",
                summary="mutual information of the label and the neuron's value in bins, in nats",
                function=mutual_information,
                options=MutualInformationOptions,
                needs_label=True,
            ),
            Method(
                name="random", summary="a seeded random order: the baseline of every curve", function=random
            ),
        )
    }
)
"""The methods by name."""


def method(name: str) -> Method:
    """A method by name; ParameterError names those that exist."""
    if name not in METHODS:
        raise ParameterError(f"no ranking method {name!r}; the methods are: {', '.join(METHODS)}")
    return METHODS[name]


def rank(
    name: str,
    activations: Activations,
    *,
    label: str | None = None,
    dev: Activations | None = None,
    test: Activations | None = None,
    others: Sequence[Activations] = (),
    seed: int = 0,
    memory: int | str | None = None,
    device: str | None = None,
    engine: str | Engine | None = None,
    progress: Progress = silent,
    **parameters: Any,
) -> Ranking:
    """Rank all neurons by one method.

    Args:
        name: a method of :data:`METHODS`.
        activations: the neurons to rank.
        label: the label layer, for a method that learns from labels.
        dev: held-out words for the choices that a method makes; if None it takes some from ``activations``.
        test: words for the evaluation that the record reports; if None, ``dev``.
        others: other models read on the same words, for a method that compares models.
        seed: for whatever is random.
        memory: what this process may hold in all, as bytes or text such as ``"4GiB"``, for a method that keeps
            activations; what does not fit goes to scratch files in the system's folder for temporary files.
            The ranking does not depend on it. None for no limit.
        device: where to compute, such as ``"cuda"``, for a method that can choose; by default the CPU. Another
            device rounds otherwise: the ranking is the same as far as the probe's tolerance tells.
        engine: ``local``, ``ray``, or an engine with options of its own, for a method whose passes over the
            words can run elsewhere.
        progress: listens to a method that takes long.
        parameters: the method's own, ``METHODS[name].parameters``.

    Raises:
        ParameterError: no such method or parameter, an impossible value, or something the method does not take.
        LabelError: no such label layer, or too few labels in it.
        MismatchError: the records do not belong together.

    >>> import numpy as np
    >>> from onegrain.core.corpus import Corpus
    >>> acts = Activations.from_array(np.eye(3, dtype=np.float32), Corpus.from_sentences([["a", "b", "c"]]))
    >>> sorted(rank("random", acts, seed=1).order.tolist())
    [0, 1, 2]
    """
    chosen = method(name)
    limit = None if memory is None else read_size(memory)
    runner = engine_named(engine) if isinstance(engine, str) else engine
    request = Request(activations, label, dev, test, tuple(others), seed, limit, device, runner)
    chosen.require(request, parameters)
    options = chosen.options(**parameters)
    return chosen.function(replace(request, options=options, progress=progress))
