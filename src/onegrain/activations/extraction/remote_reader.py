"""Open a reader from a model and options, and describe it so that another process can open the same reader."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from onegrain.activations.extraction.encoding import EncodedCorpus
from onegrain.activations.extraction.options import EncodingOptions
from onegrain.activations.extraction.reader import Block, Reader
from onegrain.core.patterns import some_of
from onegrain.engines import Work
from onegrain.errors import ModelError, ParameterError
from onegrain.models.load_spec import LoadSpec
from onegrain.models.loaded import LoadedModel
from onegrain.models.loading import load_model
from onegrain.models.padding import sites_need_equal_rows
from onegrain.models.remote import RemoteModel
from onegrain.models.selecting import require_distinct
from onegrain.models.sites import Side, SitePoint
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity, Provenance

__all__ = ["RemoteReader", "extract_provenance", "open_reader"]


def open_reader(
    model: str | os.PathLike[str] | LoadedModel,
    corpus: Corpus,
    *,
    sites: str | Iterable[str] | None,
    side: Side | None,
    options: EncodingOptions,
    batch_size: int,
) -> Reader:
    """Return a reader of a model's sites on the words of a corpus.

    The arguments are those of :func:`onegrain.extract`.

    Raises:
        ModelError: the model or a site does not exist, or a site cannot be read word by word.
        CorpusError: the corpus has no words, or a sentence is longer than the model reads.
        ParameterError: an option is invalid, or the sites are of both sides.
    """
    if batch_size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {batch_size}")
    loaded = load_model(model)
    points = _points(loaded, sites, side)
    space = loaded.space([point.name for point in points])
    encoded = EncodedCorpus(loaded, corpus, points[0].side, options)
    try:
        equal = sites_need_equal_rows(loaded, points, encoded.side, single=batch_size == 1)
    except ModelError:
        encoded.scan()
        encoded.missing()  # an error about a sentence that is too long comes first
        raise
    return Reader(loaded, points, space, encoded, batch_size, equal_rows=equal)


def extract_provenance(reader: Reader, dtype: str) -> Provenance:
    """Return the provenance of the activations that a reader reads, stored with a dtype."""
    encoded = reader.encoded
    parameters: dict[str, Any] = {**asdict(encoded.options), "dtype": dtype}
    if dictionaries := {p.name: p.dictionary.identity for p in reader.points if p.dictionary}:
        parameters["dictionaries"] = dictionaries
    if encoded.words is not encoded.corpus:
        parameters["read_from"] = CorpusIdentity.of(encoded.corpus).model_dump()
    load_spec = reader.loaded.load_spec
    if load_spec.dtype != "float32":
        parameters["model_dtype"] = load_spec.dtype
    languages = {"source": load_spec.source_language, "target": load_spec.target_language}
    if any(languages.values()):
        parameters["languages"] = languages
    return Provenance(
        stage="extract",
        model=reader.loaded.identity,
        corpus=CorpusIdentity.of(encoded.words),
        sites=reader.space.sites,
        parameters=parameters,
    )


@dataclass(frozen=True)
class RemoteReader:
    """A picklable description of a reader, from which a worker process opens the same reader.

    Calling it in the worker returns the work function that an engine runs.

    Attributes:
        load_spec: specification by which the model is loaded.
        weight_hash: the hash that the loaded weights must have.
        corpus: the corpus, with its parallel side if a decoder is read.
        sites: names of the sites.
        options: rules by which words are split into subwords.
        batch_size: largest number of rows in one forward pass.
        equal_rows: batch only rows of equal length.
        threads: number of threads of a forward pass, which affects rounding.
    """

    load_spec: LoadSpec
    weight_hash: str
    corpus: Corpus
    sites: tuple[str, ...]
    options: EncodingOptions
    batch_size: int
    equal_rows: bool
    threads: int

    @classmethod
    def of(cls, reader: Reader) -> RemoteReader:
        """Return the description of a reader."""
        model = RemoteModel.of(reader.loaded)
        return cls(
            model.load_spec,
            model.weight_hash,
            reader.encoded.corpus,
            reader.space.sites,
            reader.encoded.options,
            reader.batch_size,
            reader.equal_rows,
            model.threads,
        )

    def open(self) -> Reader:
        """Load the model and return the reader.

        Raises:
            EngineError: the model cannot be loaded in this process, or its weights differ.
        """
        loaded = RemoteModel(self.load_spec, self.weight_hash, self.threads).load()
        points = loaded.select(list(self.sites))
        encoded = EncodedCorpus(loaded, self.corpus, points[0].side, self.options)
        space = loaded.space(list(self.sites))
        return Reader(loaded, points, space, encoded, self.batch_size, equal_rows=self.equal_rows)

    def __call__(self) -> Work:
        """Load the model and return the function that reads a group of words."""
        reader = self.open()
        read: list[Block] = []

        def work(words: tuple[int, int], advance: Callable[[int], None]) -> Block:
            while read:  # the previous block has been sent by now
                reader.release(read.pop())
            read.append(reader.read(words, advance))
            return read[0]

        return work


def _points(loaded: LoadedModel, sites: str | Iterable[str] | None, side: Side | None) -> list[SitePoint]:
    """Return the sites to read.

    Raises:
        ModelError: no site matches a pattern.
        ParameterError: the side is unknown, no site is of that side, or the sites are of both sides.
    """
    if side not in (None, "source", "target"):
        raise ParameterError(f"side must be source or target, got {side!r}")
    chosen = loaded.select(sites, side=side)
    require_distinct(chosen)
    if not chosen:
        raise ParameterError(
            f"{loaded.identity.id} has no matching site on the {side} side; its sites are: "
            + some_of([f"{point.name} ({point.side})" for point in loaded.points.values()])
        )
    if len({point.side for point in chosen}) > 1:
        of = {side: some_of([p.name for p in chosen if p.side == side]) for side in ("source", "target")}
        raise ParameterError(
            f"the sites {of['source']} read the source words, but the sites {of['target']} the target words; a "
            "store holds one side only: extract two stores, with side='source' and side='target'"
        )
    return chosen
