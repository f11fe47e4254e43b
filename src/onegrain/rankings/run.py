"""The one function that runs every ranking method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from onegrain.core.activations import Activations
from onegrain.core.progress import Progress, silent
from onegrain.core.ranking import Ranking
from onegrain.engines import Engine, engine_named
from onegrain.rankings.memory import read_size
from onegrain.rankings.registry import method
from onegrain.rankings.request import Request

__all__ = ["rank"]


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
