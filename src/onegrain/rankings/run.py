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
"""Activations, or where a store of them is."""


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
        activations: the neurons to rank: a record, or a store's place; with ``corpus`` a model, which is read
            while it is ranked, once a pass of the method.
        corpus: what models are read on, a corpus or what :func:`~onegrain.read_corpus` takes: a path, lists of
            words, a data frame, a data set.
        label: the label layer, for a method that learns from labels.
        dev: held-out words for the choices that a method makes, a record or a store's place; if None it takes
            some from ``activations``.
        test: words for the evaluation that the record reports; if None, ``dev``.
        others: other models read on the same words, for a method that compares models; as ``activations``.
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
    >>> from onegrain.records.corpus import Corpus
    >>> acts = Activations.from_array(np.eye(3, dtype=np.float32), Corpus.from_sentences([["a", "b", "c"]]))
    >>> sorted(rank("random", acts, seed=1).order.tolist())
    [0, 1, 2]
    """
    request = _request(
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
    )
    chosen = method(name)
    chosen.require(request, parameters)
    return chosen.function(replace(request, options=chosen.options(**parameters)))


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
    made: Mapping[str, Ranking] | None = None,
    finished: Callable[[str, Ranking], None] | None = None,
) -> dict[str, Ranking]:
    """Rank all neurons by several methods; those that need counts only share one pass over the words.

    Each method is given what it takes of ``label``, ``dev``, ``test``, ``others``, ``memory``, ``device`` and
    ``engine``, and every ranking is the one that :func:`rank` gives, to the bit.

    Args:
        names: methods of :data:`METHODS`, each once.
        parameters: of the methods that have some, by method.
        others: as all other arguments, see :func:`rank`.
        made: rankings by method that an earlier run made; they are checked with the rest and not made again.
        finished: called with each method and its ranking as soon as that is made.

    Returns:
        The rankings by method, in the order of ``names``.

    Raises:
        ParameterError: as of :func:`rank`, before the first method begins; a method that is named twice;
            parameters of a method that is not asked for; or something that none of the methods takes.
    """
    given = parameters or {}
    wrong = [name for name in dict.fromkeys(names) if list(names).count(name) > 1]
    if wrong or not names:
        raise ParameterError(f"name each method once, got {', '.join(names) or 'none'}")
    strange = sorted(set(given) - set(names))
    if strange:
        raise ParameterError(f"parameters of {', '.join(strange)}, which is not among {', '.join(names)}")
    request = _request(
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
    )
    asked: dict[str, tuple[Method, Request]] = {}
    for name in names:
        chosen, own = method(name), dict(given.get(name, {}))
        part = chosen.part(request)
        chosen.require(part, own)
        asked[name] = chosen, replace(part, options=chosen.options(**own))
    _require_taken(request, [part for _, part in asked.values()])
    rankings = dict(made or {})
    missing = {name: asked[name] for name in asked if name not in rankings}
    counted = [(name, one.counting, part) for name, (one, part) in missing.items() if one.counting is not None]
    if counted:
        from onegrain.rankings.univariate.counting.scoring import rank_counted

        for (name, _, _), ranking in zip(counted, rank_counted(counted), strict=True):
            rankings[name] = ranking
            if finished is not None:
                finished(name, ranking)
    for name, (one, part) in missing.items():
        if name not in rankings:
            rankings[name] = one.function(part)
            if finished is not None:
                finished(name, rankings[name])
    return {name: rankings[name] for name in names}


def _reader(corpus: Any) -> Callable[[Any], Any]:
    """Return a function from a store's place, or with a corpus from a model, to its activations."""
    if corpus is None:
        return _opened
    from onegrain.activations.extraction.live import live_reader

    return live_reader(corpus)


def _opened(place: Any) -> Any:
    """Return the activations of a store's place; a record, and None, as they are."""
    if not isinstance(place, str | os.PathLike):
        return place
    from onegrain.activations import open_activations

    return open_activations(place)


def _request(
    activations: Place,
    *,
    corpus: Any,
    label: str | None,
    dev: Place | None,
    test: Place | None,
    others: Sequence[Place],
    seed: int,
    memory: int | str | None,
    device: str | None,
    engine: str | Engine | None,
    progress: Progress,
) -> Request:
    """Open the activations and return everything that was asked for, except the method's options."""
    read = _reader(corpus)
    return Request(
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


def _require_taken(request: Request, parts: Sequence[Request]) -> None:
    """Refuse what was given and no method takes."""
    for name in ("label", "dev", "test", "others", "memory", "device", "engine"):
        if getattr(request, name) and not any(getattr(part, name) for part in parts):
            raise ParameterError(f"none of the methods takes {name}; leave it out")
