"""The page about studies: its example is sound, and it names every key that a study file may have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onegrain.studies import demo_study, entries, read_study
from onegrain.studies.edit_entry import EditEntry
from onegrain.studies.read import StudyFile
from onegrain.studies.stages import STAGES, Step, plan_study
from onegrain.studies.stages.ablate import AblationEntry
from onegrain.studies.stages.constants import ConstantsEntry
from onegrain.studies.stages.control import ControlEntry, LexiconSource, SandboxChange
from onegrain.studies.stages.effects import EffectsEntry
from onegrain.studies.stages.evaluate import ComparisonEntry
from onegrain.studies.stages.rank import RankingEntry
from onegrain.studies.stages.specificity import SpecificityEntry
from onegrain.studies.stages.sweep import SweepEntry
from onegrain.studies.stages.uniqueness import UniquenessEntry
from support import ROOT

PAGE = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `?([a-z. ]+?)(?:\.NAME)?`? \| (.*) \|$", PAGE, re.MULTILINE))
(EDIT_KEYS,) = re.findall(r"^The keys of an edit are .*?\n\n", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def steps(tmp_path: Path) -> list[Step]:
    """The steps of the examples."""
    planned = []
    for example in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / "study.toml").write_text(example)
        planned += plan_study(read_study(tmp_path / "study.toml"))
    return planned


def test_the_examples_are_sound(steps: list[Step]) -> None:
    assert {step.stage.name for step in steps} == {stage.name for stage in STAGES} - {"train", "stability"}


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        ("corpora", [entries.CorpusSource, entries.SandboxSource]),
        ("models", [entries.ModelSource]),
        ("rankings", [RankingEntry]),
        ("comparisons", [ComparisonEntry]),
        ("ablations", [AblationEntry]),
        ("sweeps", [SweepEntry]),
        ("specificity", [SpecificityEntry]),
        ("effects", [EffectsEntry]),
        ("uniqueness", [UniquenessEntry]),
        ("constants", [ConstantsEntry]),
        ("controls", [ControlEntry, LexiconSource, SandboxChange]),
    ],
)
def test_every_key_is_named(row: str, kinds: list) -> None:
    for kind in kinds:
        below = EDIT_KEYS if issubclass(kind, EditEntry | LexiconSource) else ""
        for key in kind.model_fields:
            assert f"`{key}`" in ROWS[row] + below, (row, key)


def test_every_table_and_key_of_the_file_is_named() -> None:
    for key in StudyFile.model_fields:
        assert key in ROWS or f"`{key}`" in ROWS["the file itself"], key


def test_every_record_is_named(steps: list[Step]) -> None:
    steps += plan_study(read_study(demo_study()))
    folders = {step.output.split("/")[0] for step in steps}
    assert all(f"| `{folder}/" in PAGE for folder in folders)
