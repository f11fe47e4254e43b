"""A study file's content, checked: every name that an entry mentions exists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from pydantic import Field, model_validator

from onegrain.core.names import require_name
from onegrain.studies.entries import CorpusSource, Entry, ModelSource, StageEntry

__all__ = ["Study"]

Kind = TypeVar("Kind", bound=StageEntry)


class Study(Entry):
    """An experiment: corpora, models, and the tables of the stages.

    Studies that :func:`~onegrain.studies.read.read_study` returns have one more attribute for each stage with a
    table: a dict from name to entry, which :meth:`entries` returns.

    Attributes:
        title: title of the report.
        seed: seed of every random step that has no seed itself.
        neurons: number of single neurons of each model in the report.
        aggregate, dtype: options of every extraction.
        show: (model, corpus) pairs whose activations give the report its words and heat maps.
    """

    title: str
    seed: int = 0
    neurons: int = Field(default=3, ge=1)
    aggregate: Literal["last", "first", "mean"] = "last"
    dtype: Literal["float16", "float32"] = "float32"
    corpora: dict[str, CorpusSource] = Field(min_length=1)
    models: dict[str, ModelSource] = Field(min_length=1)
    show: tuple[tuple[str, str], ...] = ()

    @classmethod
    def stage_tables(cls) -> tuple[str, ...]:
        """Return the names of the tables that stages add."""
        return tuple(name for name in cls.model_fields if name not in Study.model_fields)

    def entries(self, kind: type[Kind]) -> dict[str, Kind]:
        """Return the entries of a stage's table."""
        return getattr(self, kind.TABLE)

    def stage_entries(self) -> Iterable[tuple[str, str, StageEntry]]:
        """Yield table, name and entry of every entry that a stage reads."""
        for table in self.stage_tables():
            for name, entry in getattr(self, table).items():
                yield table, name, entry

    def corpora_recipe(self, *names: str | None) -> dict[str, Any]:
        """Return the entries of some corpora as JSON-able data."""
        return {name: self.corpora[name].model_dump(mode="json") for name in names if name is not None}

    def readings(self) -> Iterable[tuple[str, str]]:
        """Yield every (model, corpus) whose activations a step or the report reads; pairs can repeat."""
        for _, _, entry in self.stage_entries():
            yield from ((model, corpus) for model in entry.models for corpus in entry.extracted)
        yield from self.show

    @model_validator(mode="after")
    def _names_fit(self) -> Study:
        """Check every name that becomes part of a file's name, before anything is written or removed."""
        for table in ("corpora", "models", *self.stage_tables()):
            for name in getattr(self, table):
                require_name(name, f"[{table}]: the name {name!r}")
                if "--" in name:
                    raise ValueError(
                        f"[{table}]: the name {name!r} holds '--', which joins names in the names of files"
                    )
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        for where, corpora, models in self._references():
            for name in corpora:
                if name is not None and name not in self.corpora:
                    raise ValueError(f"{where}: no corpus {name!r}; there are: {', '.join(self.corpora)}")
            for name in models:
                if name not in self.models:
                    raise ValueError(f"{where}: no model {name!r}; there are: {', '.join(self.models)}")
        for name, corpus in self.corpora.items():
            if chained := [other for other in corpus.lexicons if self.corpora[other].lexicons]:
                raise ValueError(f"corpora.{name}: {chained[0]!r} is itself annotated from another corpus")
        tables = {table: getattr(self, table) for table in self.stage_tables()}
        for table, name, entry in self.stage_entries():
            entry.check(f"{table}.{name}", tables)
        return self

    def _references(self) -> Iterable[tuple[str, Iterable[str | None], Iterable[str]]]:
        """Yield for each entry what errors call it, and the corpora and models that it mentions."""
        for name, corpus in self.corpora.items():
            yield f"corpora.{name}", corpus.lexicons, []
        for name, model in self.models.items():
            yield f"models.{name}", [model.train, model.valid, model.test], []
        for table, name, entry in self.stage_entries():
            yield f"{table}.{name}", entry.corpora, entry.models
        yield "show", [corpus for _, corpus in self.show], [model for model, _ in self.show]
