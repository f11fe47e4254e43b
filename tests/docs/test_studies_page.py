"""The page about studies: its example is sound, and it names every key that a study file may have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onegrain.studies import demo_study, entries, read_study
from onegrain.studies.read import StudyFile
from onegrain.studies.stages import STAGES, plan_study
from onegrain.studies.stages.ablate import AblationEntry
from onegrain.studies.stages.evaluate import ComparisonEntry
from onegrain.studies.stages.rank import RankingEntry
from onegrain.studies.stages.sweep import SweepEntry
from support import ROOT

PAGE = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `?([a-z. ]+?)(?:\.NAME)?`? \| (.*) \|$", PAGE, re.MULTILINE))


def test_the_example_is_sound(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "study.toml").write_text(example)
    steps = plan_study(read_study(tmp_path / "study.toml"))
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
    ],
)
def test_every_key_is_named(row: str, kinds: list) -> None:
    for kind in kinds:
        for key in kind.model_fields:
            assert f"`{key}`" in ROWS[row], (row, key)


def test_every_table_and_key_of_the_file_is_named() -> None:
    for key in StudyFile.model_fields:
        assert key in ROWS or f"`{key}`" in ROWS["the file itself"], key


def test_every_record_is_named() -> None:
    folders = {step.output.split("/")[0] for step in plan_study(read_study(demo_study()))}
    assert all(f"| `{folder}/" in PAGE for folder in folders)
