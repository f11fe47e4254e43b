"""A model that runs: its tokenizer, its sites, and what it does with rows of subwords."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from onegrain.core.interruption import check_interruption
from onegrain.errors import MismatchError, ModelError
from onegrain.models.batching import Encoded, pad_batch
from onegrain.models.classes import Task
from onegrain.models.dictionaries.dictionary import Dictionary, load_dictionary
from onegrain.models.failures import as_model_error
from onegrain.models.hooks import Edit, Recording, editing, recording
from onegrain.models.languages import require_language
from onegrain.models.limits import (
    longest_row,
    padding_id,
    require_embedded,
    require_fitting,
    vocabulary_size,
)
from onegrain.models.load_spec import LoadSpec
from onegrain.models.selecting import default_points, select_points
from onegrain.models.sites import Side, SitePoint, find_points, module_point
from onegrain.models.widths import module_widths, site_widths
from onegrain.models.words import WordEncoder, decoder_inputs
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import ModelIdentity
from onegrain.records.running_text import Form
from onegrain.records.space import NeuronSpace

__all__ = ["RunningModel"]


@dataclass(frozen=True, eq=False, repr=False)
class RunningModel:
    """A model in evaluation mode, its tokenizer, and its sites: it reads, records and edits.

    The modules that score, translate and try out padding work with this class;
    :class:`~onegrain.models.loaded.LoadedModel`, which calls them, extends it.

    Attributes:
        model: the ``PreTrainedModel``.
        tokenizer: its tokenizer.
        identity: the name of the model and the hash of its weights.
        task: ``language model``, ``translation`` or ``encoder``.
        load_spec: the arguments with which another process loads the same model.
        lacking: weights missing from the checkpoint. Their modules were left out, so no site or metric may need
            them.
        dictionaries: learned dictionaries by the site whose value they read; see :meth:`with_dictionary`.
        start_token: True if a language model reads its start token before each sentence although the tokenizer
            does not add it. This holds for reading words, computing losses and erasing neurons alike.
    """

    model: Any
    tokenizer: Any
    identity: ModelIdentity
    task: Task
    load_spec: LoadSpec
    lacking: tuple[str, ...] = ()
    dictionaries: Mapping[str, Dictionary] = field(default_factory=dict)
    start_token: bool = True

    @property
    def device(self) -> torch.device:
        """The device for inputs: the device of the embeddings if the model is spread over several."""
        if not hasattr(self.model, "hf_device_map"):
            return self.model.device
        embeddings = self.model.get_input_embeddings()
        place = getattr(getattr(embeddings, "_hf_hook", None), "execution_device", None)
        return embeddings.weight.device if place is None else torch.device(place)

    @cached_property
    def longest(self) -> int | None:
        """The largest number of subwords in a row of the source; see :meth:`longest_on`."""
        return longest_row(self.model, self.tokenizer)

    @cached_property
    def _longest_target(self) -> int | None:
        return longest_row(self.model, self.tokenizer, "target")

    def longest_on(self, side: Side) -> int | None:
        """Return the largest number of subwords in a row; see :func:`onegrain.models.limits.longest_row`."""
        return self.longest if side == "source" else self._longest_target

    @cached_property
    def _vocabularies(self) -> dict[Side, int | None]:
        return {side: vocabulary_size(self.model, side) for side in ("source", "target")}

    @cached_property
    def points(self) -> dict[str, SitePoint]:
        """The named sites from the bottom of the model to its top."""
        named = {point.name: point for point in find_points(self.model, self.model.config.model_type)}
        latents = [
            replace(
                named.get(site) or module_point(self.model, site), name=f"{site}.latents", dictionary=dictionary
            )
            for site, dictionary in self.dictionaries.items()
        ]
        return named | {point.name: point for point in latents}

    @cached_property
    def _widths(self) -> dict[str, int]:
        return self._measure(list(self.points.values()))

    def with_dictionary(self, site: str, dictionary: str | os.PathLike[str] | Dictionary) -> Self:
        """Return the same model with one more site, ``SITE.latents``: the latents of a learned dictionary.

        Args:
            site: the site whose value the dictionary reads, or a module path.
            dictionary: the folder in which SAELens saved it, or the dictionary.

        Raises:
            ModelError: the site does not exist or has a dictionary already, or the folder holds none.
            MismatchError: the dictionary reads another width than the site has.
        """
        learned = dictionary if isinstance(dictionary, Dictionary) else load_dictionary(dictionary)
        if site in self.dictionaries:
            raise ModelError(f"site {site!r} has a dictionary already, {self.dictionaries[site].folder}")
        (width,) = self.space([site]).widths
        if width != learned.width_in:
            raise MismatchError(
                f"{learned.folder} reads {learned.width_in} units, but site {site!r} has {width}"
            )
        load_spec = self.load_spec.with_dictionary(site, str(learned.folder.resolve()))
        return replace(self, load_spec=load_spec, dictionaries={**self.dictionaries, site: learned})

    def without_start_token(self) -> Self:
        """Return the same model, set to read sentences without a start token that the tokenizer omits."""
        return replace(self, start_token=False)

    def space(self, sites: str | Iterable[str] | None = None) -> NeuronSpace:
        """Return the neurons of the sites that match the glob patterns; see :meth:`select`."""
        points = self.select(sites)
        unknown = [point for point in points if point.name not in self.points]
        widths = {**self._widths, **self._measure(unknown)}
        return NeuronSpace(tuple(p.name for p in points), tuple(widths[p.name] for p in points))

    def select(self, sites: str | Iterable[str] | None = None, *, side: Side | None = None) -> list[SitePoint]:
        """Return the sites that match the glob patterns, perhaps of one side; a module path is a site too.

        A ``*`` matches between two dots, ``**`` also across dots. The default is a transformer's residual
        stream, or all sites of an LSTM, for the source words or for ``side``. Heads, directions and latents are
        parts of another site or computed from one; they are left out unless a pattern names them.
        """
        if sites is not None:
            chosen = select_points(self.model, self.points, sites)
            return [point for point in chosen if side is None or point.side == side]
        if not self.points:
            raise ModelError(
                f"{self.identity.architecture} is not in the table of architectures; "
                "name the sites as module paths"
            )
        return default_points(self.points.values(), side or "source")

    @torch.no_grad()
    def module_widths(self) -> dict[str, int]:
        """Return the modules that can be sites, by path, with their widths; for models without named sites."""
        row = self.encode([["a", "a", "a"]])[0].ids or [self.pad_id]
        target = [row] if self.task == "translation" else None
        return module_widths(self.model, lambda: self.forward([row], target), len(row))

    def require_space(self, space: NeuronSpace) -> list[SitePoint]:
        """Return the points of a space's sites; raise MismatchError if one is missing or has another width."""
        try:
            model_space = self.space(list(space.sites))
            model_space.require_same(space, f"the neurons are not those of {self.identity.id}")
        except ModelError as error:
            raise MismatchError(f"{self.identity.id} does not have these neurons: {error}") from error
        return self.select(list(space.sites))

    def encode(
        self, sentences: Sequence[Sequence[str]], forms: Sequence[Sequence[Form]] | None = None
    ) -> list[Encoded]:
        """Return the subwords of each sentence of words, with the word that each belongs to.

        Words are encoded as in running text; see :class:`onegrain.models.words.WordEncoder`.
        """
        return self._encode("source", sentences, forms)

    def encode_labels(
        self, sentences: Sequence[Sequence[str]], forms: Sequence[Sequence[Form]] | None = None
    ) -> list[Encoded]:
        """Return the subwords that a translation model is to write, in its target language.

        Raises:
            ModelError: the tokenizer does not know the target language.
        """
        return self._encode("target", sentences, forms)

    def _encode(
        self, side: Side, sentences: Sequence[Sequence[str]], forms: Sequence[Sequence[Form]] | None
    ) -> list[Encoded]:
        require_language(self.tokenizer, side)
        with as_model_error(f"the tokenizer of {self.identity.id} cannot encode the words"):
            encoder = self._source if side == "source" else self._target
            rows = encoder.encode(sentences, forms)
        require_embedded(rows, sentences, self._vocabularies[side], self.tokenizer, self.identity.id)
        return rows

    def encode_target(
        self, sentences: Sequence[Sequence[str]], forms: Sequence[Sequence[Form]] | None = None
    ) -> list[Encoded]:
        """Return the input of a translation model's decoder under teacher forcing.

        It is the start token and then the subwords of :meth:`encode_labels` without the last special one, as
        the model itself shifts them. A word's position is the one at which the decoder reads it.

        Raises:
            ModelError: the model has no decoder_start_token_id, or the target language is unknown.
        """
        return [decoder_inputs(self.model, labels) for labels in self.encode_labels(sentences, forms)]

    @property
    def frame(self) -> tuple[list[int], list[int]]:
        """The special subwords that the tokenizer puts before and after a source sentence."""
        return self._source.frame

    @property
    def bos_id(self) -> int | None:
        """The start token to put before a sentence; None if the tokenizer has none, or puts it there itself.

        It is also None for translation models, whose input is what their tokenizer makes, for a start token
        that has no embedding in the model, and after :meth:`without_start_token`.
        """
        start, size = self.tokenizer.bos_token_id, self._vocabularies["source"]
        if start is None or not self.start_token or self.task == "translation":
            return None
        if (size is not None and not 0 <= start < size) or start in self._source.frame[0]:
            return None
        return int(start)

    @cached_property
    def _source(self) -> WordEncoder:
        return WordEncoder(self.tokenizer)

    @cached_property
    def _target(self) -> WordEncoder:
        return WordEncoder(self.tokenizer, target=True)

    def require_fitting(self, corpus: Corpus, rows: Sequence[Sequence[int]], side: Side = "source") -> None:
        """Check that the model reads every row of a corpus.

        Raises:
            CorpusError: names the first sentence that is too long, its subwords and the limit.
        """
        require_fitting(corpus, rows, self.longest_on(side), self.identity.id)

    def forward(
        self,
        source: Sequence[Sequence[int]],
        target: Sequence[Sequence[int]] | None = None,
        **options: Any,
    ) -> Any:
        """Run one forward pass over padded rows of ids.

        Args:
            source: rows of ids.
            target: the input of a decoder.
            options: further arguments of the model.
        """
        check_interruption()
        inputs = self.batch(source) | options
        if target is not None:
            inputs["decoder_input_ids"] = pad_batch(target, self.pad_id, self.device)[0]
        return self.model(**inputs)

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Return the model inputs for rows of ids, padded to one length."""
        ids, mask = pad_batch(rows, self.pad_id, self.device)
        return {"input_ids": ids, "attention_mask": mask}

    @property
    def pad_id(self) -> int:
        """The id that fills short rows; the mask hides it, so it only needs an embedding."""
        return padding_id(self.tokenizer, self._vocabularies.values())

    def recording(self, points: Sequence[SitePoint]) -> AbstractContextManager[Recording]:
        """Record the values that pass the points; see :func:`onegrain.models.hooks.recording`."""
        return recording(self.model, points)

    def editing(
        self, edits: Mapping[SitePoint, Edit] | Sequence[tuple[SitePoint, Edit]]
    ) -> AbstractContextManager[None]:
        """Replace the values that pass the points; see :func:`onegrain.models.hooks.editing`."""
        return editing(self.model, edits)

    @torch.no_grad()
    def _measure(self, points: Sequence[SitePoint]) -> dict[str, int]:
        """Return the width of each point, from a forward pass over one word."""
        if not points:
            return {}
        row = self.encode([["a"]])[0].ids or [self.pad_id]
        target = [row] if self.task == "translation" else None
        return site_widths(
            self.model, points, lambda: self.forward([row], target), self.lacking, self.identity.id
        )
