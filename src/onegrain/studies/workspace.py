"""The folder of a study, and the records of earlier steps that a stage opens in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onegrain.activations import open_activations
from onegrain.models import LoadedModel, load_model
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.ranking import Ranking
from onegrain.studies.places import activations_path, model_path, ranking_path
from onegrain.studies.read_corpora import annotated, load_corpus
from onegrain.studies.study import Study

__all__ = ["Workspace"]


@dataclass(frozen=True)
class Workspace:
    """A study, the folders that it reads from, and the folder of its records.

    Attributes:
        study: the study.
        beside: the folder of the study file, from which paths of models start.
        data: the folder from which paths of corpora start.
        out: the folder of the study's records.
    """

    study: Study
    beside: Path
    data: Path
    out: Path

    def corpus(self, name: str) -> Corpus:
        """Read a corpus of the study."""
        source = self.study.corpora[name]
        return annotated(load_corpus(source, self.data), source, self.corpus)

    def model(self, name: str) -> LoadedModel:
        """Load a model of the study, under the name that the study gives it."""
        source = self.study.models[name]
        path = source.path
        if path is None:
            return load_model(self.out / model_path(name), name=name)
        local = self.beside / path
        return load_model(
            local if local.exists() else path,
            name=name,
            source_language=source.source_language,
            target_language=source.target_language,
        )

    def activations(self, model: str, corpus: str, sites: tuple[str, ...] | None) -> Activations:
        """Open the activations of some sites of a model on a corpus, which an earlier step extracted."""
        return open_activations(self.out / activations_path(model, corpus)).restrict(sites)

    def held_out(self, model: str, corpus: str | None, sites: tuple[str, ...] | None) -> Activations | None:
        """Open the activations on held-out words; None if the entry names no corpus."""
        return None if corpus is None else self.activations(model, corpus, sites)

    def ranking(self, name: str, model: str) -> Ranking:
        """Load a ranking of a model's neurons, which an earlier step made."""
        return Ranking.load(self.out / ranking_path(name, model))
