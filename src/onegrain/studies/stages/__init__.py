"""The stages of a study, one file each, and the list of them in the order in which they run.

To add a stage, write its file with a subclass of :class:`~onegrain.studies.stages.stage.Stage` and add it to
``STAGES``. If it adds a table to the study file, its ``entry`` says so.
"""

from __future__ import annotations

from onegrain.studies.stages.ablate import Ablate
from onegrain.studies.stages.constants import FindConstants
from onegrain.studies.stages.control import ControlStage
from onegrain.studies.stages.effects import MeasureEffects
from onegrain.studies.stages.evaluate import Evaluate
from onegrain.studies.stages.extract import Extract
from onegrain.studies.stages.measure import Measure
from onegrain.studies.stages.rank import Rank
from onegrain.studies.stages.specificity import MeasureSpecificity
from onegrain.studies.stages.stability import MeasureStability
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.stages.sweep import Sweep
from onegrain.studies.stages.train import Train
from onegrain.studies.stages.uniqueness import MeasureUniqueness
from onegrain.studies.study import Study

__all__ = ["STAGES", "Stage", "Step", "plan_study"]

STAGES: tuple[Stage, ...] = (
    Train(),
    Measure(),
    Extract(),
    Rank(),
    MeasureStability(),
    Evaluate(),
    Ablate(),
    Sweep(),
    MeasureSpecificity(),
    MeasureEffects(),
    MeasureUniqueness(),
    FindConstants(),
    ControlStage(),
)


def plan_study(study: Study) -> list[Step]:
    """Return every step of a study; each comes after those whose outputs it needs."""
    by_output = {step.output: step for stage in STAGES for step in stage.plan(study)}
    return list(by_output.values())
