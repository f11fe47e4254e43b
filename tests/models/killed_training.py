"""Kill a training at chosen file operations, resume it and compare the results: killed_training.py DIR POINTS.

A file operation is one that Python reports (open for writing, mkdir, rename, remove, rmdir), or a call of
torch's or safetensors' own writer, cut off before it writes and with half of its file written. Children are
forked from a process that has imported everything, so that a kill takes a second and not ten. Prints JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers.modeling_utils
import transformers.trainer

from onegrain.core.corpus import Corpus
from onegrain.errors import AlreadyDoneError
from onegrain.models import TrainingOptions, train_nlm
from tiny import plain_corpus

torch.set_num_threads(1)
OPTIONS = TrainingOptions(
    hidden_size=16,
    layers=1,
    vocab_size=120,
    epochs=30,
    patience=2,
    batch_size=24,
    learning_rate=0.1,
    dropout=0.1,
)
TRAIN = plain_corpus().select([*range(8)] * 3)
BACKWARDS = Corpus.from_sentences([sentence[::-1] for sentence in plain_corpus().sentences()])


class Killer:
    """Counts file operations below a folder, and ends this process at one of them."""

    def __init__(self, folder: Path, point: int) -> None:
        self.folder, self.point, self.count, self.active = str(folder), point, 0, True

    def operation(self, path: object, half: bool = False) -> None:
        if not self.active or not os.fspath(path).startswith(self.folder):  # type: ignore[call-overload]
            return
        if self.count == self.point:
            if half:
                os.truncate(path, os.path.getsize(path) // 2)  # type: ignore[call-overload, arg-type]
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | os.PathLike) and flags & (os.O_WRONLY | os.O_RDWR):
                self.operation(path)
        elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            path = arguments[0]
            if isinstance(path, str | os.PathLike):
                absolute = os.path.isabs(path)
                self.operation(path if absolute else os.path.join(self.folder, path))

    def wrap(self, save: Callable[..., Any], position: int) -> Callable[..., Any]:
        def saving(*args: Any, **kwargs: Any) -> Any:
            path = args[position] if len(args) > position else kwargs.get("filename")
            self.operation(path)
            result = save(*args, **kwargs)
            self.operation(path, half=True)
            return result

        return saving


def train(out: Path, point: int, report: Path | None = None) -> int:
    """Train in a child that is killed at a file operation; return how the child ended."""
    child = os.fork()
    if child == 0:
        killer = Killer(out, point)
        sys.addaudithook(killer.hook)
        torch.save = killer.wrap(torch.save, 1)
        saver = killer.wrap(safetensors.torch.save_file, 1)
        transformers.modeling_utils.safe_save_file = saver  # type: ignore[attr-defined]
        with contextlib.suppress(AlreadyDoneError):
            train_nlm(TRAIN, BACKWARDS, out, options=OPTIONS)
        killer.active = False
        if report is not None:
            report.write_text(str(killer.count))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def main() -> None:
    base, wanted = Path(sys.argv[1]), sys.argv[2]
    assert train(base / "straight", -1, base / "count") == 0
    operations = int((base / "count").read_text())
    expected = content(base / "straight")
    points = range(operations) if wanted == "all" else range(int(wanted) // 2, operations, int(wanted))
    wrong = []
    for point in points:
        out = base / f"killed-{point}"
        killed, resumed = train(out, point), train(out, -1)
        if killed != -signal.SIGKILL or resumed != 0 or content(out) != expected:
            wrong.append(point)
    epochs = len(json.loads(expected["training.json"])["epochs"])
    print(json.dumps({"operations": operations, "killed": len(points), "wrong": wrong, "epochs": epochs}))


main()
