"""A reader of the words of a corpus: opened here from a model and options, or again in another process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from onegrain.activations.extraction.encoding import Rows, Wording
from onegrain.activations.extraction.reader import Block, Reader
from onegrain.core.patterns import some_of
from onegrain.engines import Work
from onegrain.errors import EngineError, ModelError, OnegrainError, ParameterError
from onegrain.models.load_spec import Origin
from onegrain.models.loaded import LoadedModel
from onegrain.models.loading import load_model, load_origin
from onegrain.models.padding import sites_need_equal_rows
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
    wording: Wording,
    batch_size: int,
) -> Reader:
    """A reader of a model's sites on the words of a corpus; see :func:`onegrain.extract`.

    Raises:
        ModelError: no such model or site.
        CorpusError: no words.
        ParameterError: an impossible option, or sites of both sides.
    """
    if batch_size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {batch_size}")
    loaded = load_model(model)
    points = _points(loaded, sites, side)
    space = loaded.space([point.name for point in points])
    rows = Rows(loaded, corpus, points[0].side, wording)
    try:
        equal = sites_need_equal_rows(loaded, points, rows.side, single=batch_size == 1)
    except ModelError:
        rows.scan()
        rows.missing()  # raises over a sentence that the model cannot read, which is named first
        raise
    return Reader(loaded, points, space, rows, batch_size, equal_rows=equal)


def extract_provenance(reader: Reader, dtype: str) -> Provenance:
    """What activations that a reader reads, kept as a dtype, are made from."""
    rows = reader.rows
    parameters: dict[str, Any] = {**asdict(rows.wording), "dtype": dtype}
    if dictionaries := {p.name: p.dictionary.identity for p in reader.points if p.dictionary}:
        parameters["dictionaries"] = dictionaries
    if rows.words is not rows.corpus:
        parameters["read_from"] = CorpusIdentity.of(rows.corpus).model_dump()
    origin = reader.loaded.origin
    languages = {"source": origin.source_language, "target": origin.target_language}
    if any(languages.values()):
        parameters["languages"] = languages
    return Provenance(
        stage="extract",
        model=reader.loaded.identity,
        corpus=CorpusIdentity.of(rows.words),
        sites=reader.space.sites,
        parameters=parameters,
    )


@dataclass(frozen=True)
class RemoteReader:
    """What a process elsewhere needs to read as the reader here does; called there, it gives the work.

    Attributes:
        origin: how the model is loaded.
        weight_hash: what its weights must be.
        corpus: the words, and the parallel side where a decoder reads it.
        sites: names of the sites.
        wording: how words are read.
        batch_size: rows in one forward pass.
        equal_rows: whether only rows of one length are read together.
        threads: of a forward pass; sums round by it.
    """

    origin: Origin
    weight_hash: str
    corpus: Corpus
    sites: tuple[str, ...]
    wording: Wording
    batch_size: int
    equal_rows: bool
    threads: int

    @classmethod
    def of(cls, reader: Reader) -> RemoteReader:
        """What another process needs to read as this reader does."""
        loaded = reader.loaded
        # a worker that has one GPU sees no other, whichever number it has
        indexed = (loaded.origin.device or "").startswith("cuda:")
        return cls(
            replace(loaded.origin, device="cuda") if indexed else loaded.origin,
            loaded.identity.weight_hash,
            reader.rows.corpus,
            reader.space.sites,
            reader.rows.wording,
            reader.batch_size,
            reader.equal_rows,
            torch.get_num_threads(),
        )

    def open(self) -> Reader:
        """Load the model for reading.

        Raises:
            EngineError: it cannot be loaded here, or its weights are others.
        """
        torch.set_num_threads(self.threads)
        try:
            loaded = load_origin(self.origin)
        except OnegrainError as error:
            raise EngineError(
                f"a worker cannot load the model: {error}; put it where every worker finds it by the same "
                "path, or use the local engine"
            ) from error
        if loaded.identity.weight_hash != self.weight_hash:
            raise EngineError(
                f"the weights that a worker finds at {self.origin.path} are not those of the model that was "
                "given; save the model, put it where every worker finds it by the same path, and give that"
            )
        points = loaded.select(list(self.sites))
        rows = Rows(loaded, self.corpus, points[0].side, self.wording)
        space = loaded.space(list(self.sites))
        return Reader(loaded, points, space, rows, self.batch_size, equal_rows=self.equal_rows)

    def __call__(self) -> Work:
        """Load the model and read with it."""
        reader = self.open()
        read: list[Block] = []

        def work(words: tuple[int, int], advance: Callable[[int], None]) -> Block:
            while read:  # what was read before is sent by now
                reader.release(read.pop())
            read.append(reader.read(words, advance))
            return read[0]

        return work


def _points(loaded: LoadedModel, sites: str | Iterable[str] | None, side: Side | None) -> list[SitePoint]:
    """The sites to read, all of one side."""
    if side not in (None, "source", "target"):
        raise ParameterError(f"side must be source or target, got {side!r}")
    chosen = loaded.select(sites, side=side)
    require_distinct(chosen)
    if not chosen:
        raise ParameterError(
            f"{loaded.identity.id} has no such site that reads the {side} words; the sites are: "
            + some_of([f"{point.name} ({point.side})" for point in loaded.points.values()])
        )
    if len({point.side for point in chosen}) > 1:
        of = {side: some_of([p.name for p in chosen if p.side == side]) for side in ("source", "target")}
        raise ParameterError(
            f"the sites {of['source']} read the source words, but {of['target']} the target words; one store "
            "holds one side: extract two stores, with side='source' and side='target'"
        )
    return chosen
