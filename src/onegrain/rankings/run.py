"""The functions that run ranking methods: one, or several together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from onegrain.core.progress import Progress, automatic
from onegrain.engines import Engine, engine_named
from onegrain.errors import ParameterError
from onegrain.rankings.data.memory import read_size
from onegrain.rankings.registry import method
from onegrain.rankings.request import Method, Request
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking

__all__ = ["rank", "rank_together"]

Place = Activations | str | os.PathLike[str]
"""Activations, or the path or URL of a store of them."""


def rank(
    name: str,
    activations: Place,
    *,
    corpus: Any = None,
    label: str | None = None,
    dev: Place | None = None,
    test: Place | None = None,
    others: Sequence[Place] = (),
    seed: int = 0,
    memory: int | str | None = None,
    device: str | None = None,
    engine: str | Engine | None = None,
    progress: Progress = automatic,
    **parameters: Any,
) -> Ranking:
    """Rank all neurons by one method.

    Args:
        name: a method of :data:`METHODS`.
        activations: the neurons to rank: a record, or the path or URL of a store; with ``corpus``, a model,
            which is read during the ranking, once per pass of the method.
        corpus: the text on which models are read: a corpus, or anything that :func:`~onegrain.read_corpus`
            takes (a path, lists of words, a data frame, a data set).
        label: the label layer, for a method that learns from labels.
        dev: held-out words for choices that the method makes, a record or a store; if None, the method holds
            out some words of ``activations``.
        test: held-out words for the evaluation in the record; if None, ``dev``.
        others: other models on the same words, for a method that compares models; like ``activations``.
        seed: random seed.
        memory: bytes that this process may hold in total, as a number or text such as ``"4GiB"``, for a method
            that holds activations; what does not fit goes to scratch files in the system's temporary folder.
            The ranking does not depend on it. None for no limit.
        device: where to compute, such as ``"cuda"``, for a method that supports it; the CPU by default. Another
            device rounds differently: the ranking is the same up to the probe's tolerance.
        engine: ``local``, ``ray``, or a configured engine, for a method whose passes over the words can run on
            one.
        progress: receives the progress of long computations.
        parameters: parameters of the method, see ``METHODS[name].parameters``.

    Raises:
        ParameterError: the method or a parameter does not exist, a value is impossible, or the method does not
            take something given.
        LabelError: the label layer does not exist, or has too few labels.
        MismatchError: the records do not belong together.

    >>> import numpy as np
    >>> from onegrain.records.corpus import Corpus
    >>> acts = Activations.from_array(np.eye(3, dtype=np.float32), Corpus.from_sentences([["a", "b", "c"]]))
    >>> sorted(rank("random", acts, seed=1).order.tolist())
    [0, 1, 2]
    """
    return rank_together(
        [name],
        activations,
        corpus=corpus,
        label=label,
        dev=dev,
        test=test,
        others=others,
        seed=seed,
        memory=memory,
        device=device,
        engine=engine,
        progress=progress,
        parameters={name: parameters},
    )[name]


def rank_together(
    names: Sequence[str],
    activations: Place,
    *,
    corpus: Any = None,
    label: str | None = None,
    dev: Place | None = None,
    test: Place | None = None,
    others: Sequence[Place] = (),
    seed: int = 0,
    memory: int | str | None = None,
    device: str | None = None,
    engine: str | Engine | None = None,
    progress: Progress = automatic,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    earlier: Mapping[str, Ranking] | None = None,
    finished: Callable[[str, Ranking], None] | None = None,
) -> dict[str, Ranking]:
    """Rank all neurons by several methods; methods that need only counts share one pass over the words.

    Each of several methods receives what it takes of ``label``, ``dev``, ``test``, ``others``, ``memory``,
    ``device`` and ``engine``; one method alone must take all that is passed. Every ranking equals the one that
    :func:`rank` returns, bit for bit.

    Args:
        names: methods of :data:`METHODS`, each once.
        parameters: parameters of the methods, by method.
        others: see :func:`rank`, as for all other arguments.
        earlier: rankings of an earlier run by method; they are checked like the others and not computed again.
        finished: called with each method and its ranking as soon as it is computed.

    Returns:
        The rankings by method, in the order of ``names``.

    Raises:
        ParameterError: as for :func:`rank`, before the first method begins; or a method is named twice,
            parameters belong to a method that is not named, or no method takes something given.
    """
    _require_named(names, parameters or {})
    read = _reader(corpus)
    request = Request(
        activations=read(activations),
        label=label,
        dev=_opened(dev),
        test=_opened(test),
        others=tuple(read(other) for other in others),
        seed=seed,
        memory=None if memory is None else read_size(memory),
        device=device,
        engine=engine_named(engine) if isinstance(engine, str) else engine,
        progress=progress,
    )
    jobs = _jobs(names, request, parameters or {})
    rankings = dict(earlier or {})
    _rank_missing({name: job for name, job in jobs.items() if name not in rankings}, rankings, finished)
    return {name: rankings[name] for name in names}


def _require_named(names: Sequence[str], parameters: Mapping[str, Any]) -> None:
    """Raise ParameterError unless each method is named once, and parameters belong to named methods."""
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"name each method once, got {', '.join(names) or 'none'}")
    unnamed = sorted(set(parameters) - set(names))
    if unnamed:
        raise ParameterError(f"parameters of {', '.join(unnamed)}, which is not among {', '.join(names)}")


def _jobs(
    names: Sequence[str], request: Request, parameters: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[Method, Request]]:
    """Return each method with its part of the request; one method alone receives all of it.

    Raises:
        ParameterError: a method lacks something, does not take it, or does not exist.
    """
    jobs: dict[str, tuple[Method, Request]] = {}
    for name in names:
        chosen, options = method(name), dict(parameters.get(name, {}))
        part = request if len(names) == 1 else chosen.part(request)
        chosen.require(part, options)
        jobs[name] = chosen, replace(part, options=chosen.options(**options))
    _require_taken(request, [part for _, part in jobs.values()])
    return jobs


def _rank_missing(
    jobs: Mapping[str, tuple[Method, Request]],
    rankings: dict[str, Ranking],
    finished: Callable[[str, Ranking], None] | None,
) -> None:
    """Add the rankings of the jobs, first those that share one pass; report each as soon as it is computed."""

    def add(name: str, ranking: Ranking) -> None:
        rankings[name] = ranking
        if finished is not None:
            finished(name, ranking)

    counted = [
        (name, chosen.counting, part) for name, (chosen, part) in jobs.items() if chosen.counting is not None
    ]
    if counted:
        from onegrain.rankings.univariate.counting.scoring import rank_counted

        for (name, _, _), ranking in zip(counted, rank_counted(counted), strict=True):
            add(name, ranking)
    for name, (chosen, part) in jobs.items():
        if chosen.counting is None:
            add(name, chosen.function(part))


def _reader(corpus: Any) -> Callable[[Any], Any]:
    """Return a function that opens a store, or with a corpus reads a model, and returns its activations."""
    if corpus is None:
        return _opened
    from onegrain.activations.extraction.live import live_reader

    return live_reader(corpus)


def _opened(place: Any) -> Any:
    """Return the activations of the store at a path or URL; a record or None is returned unchanged."""
    if not isinstance(place, str | os.PathLike):
        return place
    from onegrain.activations import open_activations

    return open_activations(place)


def _require_taken(request: Request, parts: Sequence[Request]) -> None:
    """Raise ParameterError for a field of the request that no method takes."""
    for name in ("label", "dev", "test", "others", "memory", "device", "engine"):
        if getattr(request, name) and not any(getattr(part, name) for part in parts):
            raise ParameterError(f"none of the methods takes {name}; leave it out")
