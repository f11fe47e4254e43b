"""Edit the neurons of each label, and measure the words of every label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from onegrain.core.progress import Progress
from onegrain.interventions import specificity
from onegrain.records.ranking import Ranking
from onegrain.records.specificity import Specificity
from onegrain.studies.edit_entry import EditEntry
from onegrain.studies.entries import StageEntry
from onegrain.studies.stages.edited import EditedStage
from onegrain.studies.stages.rank import RankingEntry
from onegrain.studies.workspace import Workspace

__all__ = ["MeasureSpecificity", "SpecificityEntry"]


class SpecificityEntry(EditEntry):
    """The damage to the words of every label when the neurons of each label are edited.

    The rankings are of a label layer, and the words of ``corpus`` have it; see :func:`onegrain.specificity`.
    """

    TABLE: ClassVar[str] = "specificity"
    FUNCTION: ClassVar[Any] = staticmethod(specificity)

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that the rankings exist, of all the models, and have labels."""
        super().check(where, tables)
        for name in self.rankings:
            ranking = tables[RankingEntry.TABLE][name]
            if isinstance(ranking, RankingEntry) and ranking.label is None:
                raise ValueError(f"{where}: {name!r} has no label, so no label has neurons to edit")


class MeasureSpecificity(EditedStage):
    """Measure the specificity of every ranking of an entry; the output is one record for each."""

    name = "specificity"
    entry = SpecificityEntry

    def measure(
        self, workspace: Workspace, entry: SpecificityEntry, model: str, ranking: Ranking, progress: Progress
    ) -> Specificity:
        """Return the specificity of a ranking of one model."""
        return specificity(
            workspace.model(model),
            ranking,
            workspace.corpus(entry.corpus),
            seed=workspace.study.seed,
            progress=progress,
            **entry.arguments(workspace, model),
        )
