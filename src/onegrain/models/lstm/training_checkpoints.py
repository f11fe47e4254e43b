"""The checkpoints of a training, each a folder ``checkpoint-STEP``.

A checkpoint is complete once it contains ``whole.json``, which is written last. It names the training that the
checkpoint belongs to, the checksums of its files, and the step of the best checkpoint so far.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onegrain.core.durable import sync_folder
from onegrain.models.lstm.training_files import digest, first_damaged, read_entries, write_whole

__all__ = ["Checkpoint", "Checkpoints"]

MARK = "whole.json"
NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files all match their checksums.

    Attributes:
        path: the folder of the checkpoint.
        best: the folder of the checkpoint with the lowest validation loss up to this one.
        finished: True if training ended with this checkpoint.
    """

    path: Path
    best: Path
    finished: bool


class Checkpoints:
    """The checkpoints in the work folder of one training.

    Args:
        work: the work folder.
        identity: the description of the training; checkpoints of another one are ignored.
    """

    def __init__(self, work: Path, identity: dict[str, Any]) -> None:
        self.work = work
        self.run_hash = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def newest(self) -> Checkpoint | None:
        """Return the newest complete checkpoint, and remove all others except the best one up to it."""
        folders = sorted(self._folders(), key=_step, reverse=True)
        chosen = None
        for folder in folders:
            mark = self._mark(folder)
            if mark is None:
                continue
            best = folder.with_name(f"checkpoint-{mark['best']}")
            if best == folder or self._mark(best) is not None:
                chosen = Checkpoint(folder, best, bool(mark["finished"]))
                break
        self.remove(keep=() if chosen is None else (chosen.path, chosen.best))
        return chosen

    def complete(self, step: int, best: int, *, finished: bool) -> None:
        """Mark the checkpoint of a step as complete, and remove all except this one and the best."""
        folder = self.work / f"checkpoint-{step}"
        files = {path.name: digest(path) for path in sorted(folder.iterdir())}
        mark = {"run": self.run_hash, "files": files, "best": best, "finished": finished}
        write_whole(folder / MARK, json.dumps(mark, sort_keys=True))
        sync_folder(self.work)
        self.remove(keep=(folder, folder.with_name(f"checkpoint-{best}")))

    def remove(self, *, keep: tuple[Path, ...]) -> None:
        """Remove all checkpoints except those in ``keep``."""
        for folder in self._folders():
            if folder not in keep:
                (folder / MARK).unlink(missing_ok=True)
                shutil.rmtree(folder)

    def _folders(self) -> list[Path]:
        return [path for path in self.work.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]

    def _mark(self, folder: Path) -> dict[str, Any] | None:
        """Return a checkpoint's mark if it belongs to this training and all files match their checksums."""
        mark = read_entries(folder / MARK, ("run", "files", "best", "finished"))
        if mark is None or mark["run"] != self.run_hash or type(mark["best"]) is not int:
            return None
        return mark if first_damaged(folder, mark["files"]) is None else None


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])
