"""Steering: what a model writes before and after some of its neurons are set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.interventions.editing import editing
from onegrain.interventions.intervention import Intervention, load_interventions
from onegrain.interventions.steering import Steering
from onegrain.models import LoadedModel, load_model
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics

__all__ = ["steer"]


def steer(
    model: str | os.PathLike[str] | LoadedModel,
    interventions: Intervention | Sequence[Intervention] | str | os.PathLike[str],
    texts: str | Sequence[str] | Corpus,
    *,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    beams: int = 1,
    max_new_tokens: int = 40,
    batch_size: int = 64,
    progress: Progress = automatic,
) -> Steering:
    """Set neurons, and return what the model writes before and after, with the changed words.

    A language model continues each text, a translation model translates it, by greedy or beam search::

        verb = og.Intervention.of("layers.1:37", edit="clamp(value=3.0)")
        og.steer("my-model", verb, "the old dog")

    Args:
        model: a folder, a hub id, or a loaded model.
        interventions: the edits, see :class:`Intervention`; or the path of a JSON file of them.
        texts: one text or several, divided into words at white space; or a corpus, whose labels can say where
            an edit applies.
        reference: activations of this model, or statistics measured on them, for the edits that need some.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of text i.
        beams: beam width; 1 is greedy search.
        max_new_tokens: the largest number of subwords to write.
        batch_size: texts per batch.
        progress: receives the number of texts done.

    Raises:
        ParameterError: the model writes no text, an intervention names no neuron, or there is no text; see
            also :func:`onegrain.editing`.
        MismatchError: the model does not have a site, or the reference is of another model.
        CorpusError: a text has no words, or fills all positions of the model.
    """
    chosen = _interventions(interventions)
    require_count("beams", beams)
    require_count("max_new_tokens", max_new_tokens)
    require_count("batch_size", batch_size)
    corpus = _corpus(texts)
    loaded = load_model(model)
    if loaded.task == "encoder":
        raise ParameterError(f"{loaded.identity.id} is an encoder: it neither continues nor translates a text")
    options: dict[str, Any] = {"beams": beams, "max_new_tokens": max_new_tokens, "batch_size": batch_size}
    write = loaded.translate if loaded.task == "translation" else loaded.continue_prompts
    with editing(loaded, chosen, reference=reference, pairs=pairs):
        after = write(corpus, progress=progress, **options)
    before = write(corpus, progress=progress, **options)
    return Steering(
        model=loaded.identity.id,
        interventions=chosen,
        translated=loaded.task == "translation",
        texts=tuple(corpus.texts()),
        before=tuple(before),
        after=tuple(after),
    )


def _interventions(
    value: Intervention | Sequence[Intervention] | str | os.PathLike[str],
) -> tuple[Intervention, ...]:
    """Return the interventions, read from a file if they are one; each must name a neuron."""
    if isinstance(value, str | os.PathLike):
        chosen = tuple(load_interventions(value))
    else:
        chosen = (value,) if isinstance(value, Intervention) else tuple(value)
    if not chosen or not all(intervention.size for intervention in chosen):
        raise ParameterError("no neuron is set; every intervention must name at least one neuron")
    return chosen


def _corpus(texts: str | Sequence[str] | Corpus) -> Corpus:
    if isinstance(texts, Corpus):
        corpus = texts
    else:
        several = [texts] if isinstance(texts, str) else list(texts)
        corpus = Corpus.from_sentences([text.split() for text in several], source="text")
    if not corpus.n_sentences:
        raise ParameterError("there is no text to steer; give at least one")
    return corpus
