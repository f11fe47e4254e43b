"""Damaged files end in a named error or in a value: a sample here, and 100,000 inputs as a slow test."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fuzzing.mutations import VALUES, change_json, damage
from fuzzing.run import fuzz, one_input, report
from fuzzing.targets import TARGETS, Target
from onegrain.errors import AlreadyDoneError

SAMPLE = {"models": 5, "dictionaries": 10, "NeuroX JSON": 10, "NeuroX HDF5": 10, "report folders": 10}
NEVER_NAMED = ("study notes", "comparisons")
"""Readers that take what is damaged for what is not there."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_sample_of_every_reader_ends_in_named_errors(name: str, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    seeds = TARGETS[name].seeds(tmp_path / "whole")
    outcomes = [
        one_input(TARGETS[name], seeds, tmp_path / "scratch", 0, index) for index in range(SAMPLE.get(name, 25))
    ]
    assert [what for kind, what in outcomes if kind == "fault"] == []
    assert name in NEVER_NAMED or "named" in {kind for kind, _ in outcomes}


@pytest.mark.parametrize("name", TARGETS)
def test_the_whole_files_are_read(name: str, tmp_path: Path) -> None:
    for path in TARGETS[name].seeds(tmp_path):
        if path.name == "finished":
            with pytest.raises(AlreadyDoneError):
                TARGETS[name].read(path)
        else:
            TARGETS[name].read(path)


def test_the_damage_is_the_same_for_a_seed() -> None:
    data = b'{"a": [1, 2], "b": "words"}'
    first, again, other = (
        [damage(data, [data], random.Random(f"{seed}/{number}")) for number in range(50)] for seed in (0, 0, 1)
    )
    assert first == again != other
    assert len(set(first)) > 40
    changed = [change_json(data.decode(), random.Random(number)) for number in range(50)]
    assert len(set(changed)) > 30
    values = repr(VALUES)
    for number in range(3000):
        change_json(data.decode(), random.Random(number))
    assert repr(VALUES) == values


def test_an_error_without_a_name_is_a_fault(tmp_path: Path) -> None:
    def seeds(folder: Path) -> list[Path]:
        (folder / "a.txt").write_text("words")
        return [folder / "a.txt"]

    (tmp_path / "whole").mkdir()
    target = Target("broken", 1.0, seeds, lambda path: {}["x"])
    kind, what = one_input(target, seeds(tmp_path / "whole"), tmp_path / "scratch", 0, 0)
    assert kind == "fault"
    assert what.startswith("KeyError")


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_a_hundred_thousand_inputs_end_in_named_errors(tmp_path: Path) -> None:
    outcome = fuzz(100_000, 1, tmp_path)
    assert not any(result["faults"] for result in outcome.values()), report(outcome, 1)
