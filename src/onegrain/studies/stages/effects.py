"""Measure the direct and the total effect of editing the first neurons of rankings."""

from __future__ import annotations

from typing import Any, ClassVar

from onegrain.core.progress import Progress
from onegrain.interventions import effects
from onegrain.records.effects import Effects
from onegrain.records.ranking import Ranking
from onegrain.studies.edit_entry import EditEntry
from onegrain.studies.stages.edited import EditedStage
from onegrain.studies.workspace import Workspace

__all__ = ["EffectsEntry", "MeasureEffects"]

REFUSED = "is an LSTM, and effects need a language model with a residual stream; give one by path"


class EffectsEntry(EditEntry):
    """Direct and total effect of editing the first neurons; see :func:`onegrain.effects`.

    Attributes:
        label: the label whose own order of neurons is used; by default the order over all labels.
    """

    TABLE: ClassVar[str] = "effects"
    FUNCTION: ClassVar[Any] = staticmethod(effects)
    label: str | None = None


class MeasureEffects(EditedStage):
    """Measure the effects of every ranking of an entry; the output is one record for each."""

    name = "effects"
    entry = EffectsEntry
    refused: ClassVar[dict[str, str]] = {"nlm": REFUSED, "nmt": REFUSED}

    def measure(
        self, workspace: Workspace, entry: EffectsEntry, model: str, ranking: Ranking, progress: Progress
    ) -> Effects:
        """Return the effects of the first neurons of one model."""
        return effects(
            workspace.model(model),
            ranking if entry.label is None else ranking.label(entry.label),
            workspace.corpus(entry.corpus),
            seed=workspace.study.seed,
            progress=progress,
            **entry.arguments(workspace, model),
        )
