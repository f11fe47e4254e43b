"""Test that the records of a training folder are checked before any file that they name is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onegrain.errors import RecordError
from onegrain.models.lstm.training_files import is_trained
from onegrain.models.lstm.training_folder import TrainingFolder

IDENTITY: dict[str, Any] = {"kind": "nlm", "version": "0", "options": {}, "corpora": {}}
WRONG_FILES: list[Any] = [
    {"a\0b": "x"},
    {"../secret": "x"},
    {"/etc/hostname": "x"},
    {"": "x"},
    {"..": "x"},
    {"model.safetensors": 7},
    {"model.safetensors": None},
    ["model.safetensors"],
    "model.safetensors",
    None,
    3,
]


def train(folder: Path, *, finish: bool) -> TrainingFolder:
    training = TrainingFolder(folder, IDENTITY)
    with training.claimed(force=False):
        for step in (1, 2):
            checkpoint = training.work / f"checkpoint-{step}"
            checkpoint.mkdir()
            (checkpoint / "model.safetensors").write_bytes(b"weights" * step)
            training.complete(step, step, finished=False)
        last = training.newest()
        assert last is not None
        assert last.path.name == "checkpoint-2"
        if finish:
            with training.finishing(last, IDENTITY):
                pass
    return training


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("files", WRONG_FILES, ids=repr)
def test_a_trained_model_with_wrong_notes_of_its_files_is_damaged(files: Any, tmp_path: Path) -> None:
    training = train(tmp_path / "out", finish=True)
    (tmp_path / "secret").write_text("x")
    assert is_trained(tmp_path / "out")
    change(tmp_path / "out" / "training.json", files=files)
    assert not is_trained(tmp_path / "out")
    with pytest.raises(RecordError, match="is damaged or missing"), training.claimed(force=False):
        pass


@pytest.mark.parametrize(
    "changes", [*({"files": files} for files in WRONG_FILES), {"best": "../x"}, {"best": []}]
)
def test_a_checkpoint_with_wrong_notes_is_not_whole(changes: dict[str, Any], tmp_path: Path) -> None:
    training = train(tmp_path / "out", finish=False)
    change(training.work / "checkpoint-2" / "whole.json", **changes)
    with training.claimed(force=False):
        assert training.newest() is None
