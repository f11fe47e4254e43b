"""Find the constants for the first neurons of rankings that cost the model least."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from onegrain.core.progress import Progress
from onegrain.interventions import Intervention, optimal_constants
from onegrain.records.ranking import Ranking
from onegrain.records.statistics import NeuronStatistics
from onegrain.studies.edit_entry import places_of
from onegrain.studies.entries import StageEntry, existing
from onegrain.studies.parameters import require_parameters
from onegrain.studies.stages.edited import EditedStage
from onegrain.studies.stages.rank import require_ranked
from onegrain.studies.workspace import Workspace

__all__ = ["ConstantsEntry", "FindConstants"]


class ConstantsEntry(StageEntry):
    """Optimal constants of the first neurons; see :func:`onegrain.optimal_constants`.

    Attributes:
        models: the models.
        rankings: rankings of those models; each gives one record per model.
        corpus: the text on which the constants cost least; a translation model needs its parallel side.
        k: the number of neurons that are set together.
        label: the label whose own order of neurons is used; by default the order over all labels.
        where: the places of the edit.
        reference: the corpus whose means the search starts from; by default ``corpus``.
        parameters: further parameters of the function.
    """

    TABLE: ClassVar[str] = "constants"
    rankings: tuple[str, ...] = Field(min_length=1)
    corpus: str
    k: int = Field(default=10, ge=1)
    label: str | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    reference: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The text, and the corpus of the reference."""
        return (self.corpus, *existing(self.reference))

    @property
    def extracted(self) -> tuple[str, ...]:
        """The corpus of the reference."""
        return existing(self.reference)

    @model_validator(mode="after")
    def _parameters_exist(self) -> ConstantsEntry:
        places_of(self.where)
        require_parameters(optimal_constants, self.parameters, keys=("reference", "pairs"))
        return self

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that the rankings exist, of all the models."""
        require_ranked(where, self, self.rankings, tables)


class FindConstants(EditedStage):
    """Find constants for every ranking of an entry; the output is statistics of the neurons for each."""

    name = "constants"
    entry = ConstantsEntry

    def measure(
        self, workspace: Workspace, entry: ConstantsEntry, model: str, ranking: Ranking, progress: Progress
    ) -> NeuronStatistics:
        """Return the statistics with the constants of one model."""
        order = ranking if entry.label is None else ranking.label(entry.label)
        return optimal_constants(
            workspace.model(model),
            workspace.corpus(entry.corpus),
            Intervention.of(order, entry.k, edit="optimal", where=places_of(entry.where)),
            reference=workspace.held_out(model, entry.reference, ranking.space.sites),
            progress=progress,
            **entry.parameters,
        )
